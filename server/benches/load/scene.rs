//! The scenes: how many rooms, who talks, and how.
//!
//! To add one: a variant, its line in [`SceneName::scene`], and its place in [`SceneName::ALL`].

use std::time::Duration;

use clap::ValueEnum;

/// What can be asked for with `--scene`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum SceneName {
    /// 9,000 connections in rooms of 20, nothing sent: memory
    Idle,
    /// 100 rooms of 20, one sender in each, one message in flight: latency and the cost of a wake-up
    Chat,
    /// 100 rooms of 20, one sender in each, 16 in flight: throughput
    Burst,
    /// One room of 1,000, 4 senders with 4 in flight: fan-out
    Bigroom,
    /// One room of 32, all talking, one in flight each: a small busy room
    Party,
    /// 100 rooms of 20, open loop at --rate: round trips at an even load
    Steady,
    /// 64 rooms of one, 32 in flight: what it costs to take a message, and how many can be taken
    Posts,
}

/// A scene with its numbers.
pub(crate) struct Scene {
    pub(crate) name: &'static str,
    pub(crate) rooms: usize,
    /// Connections in a room.
    pub(crate) members: usize,
    /// The first so many members of a room send.
    pub(crate) senders: usize,
    pub(crate) pace: Pace,
}

/// When a sender sends.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Pace {
    Never,
    /// Closed loop: as soon as one of so many messages in flight has come back.
    Window(u32),
    /// Open loop: all senders in turn, one message each interval, whatever has come back.
    Every(Duration),
}

impl SceneName {
    /// The order of a run without `--scene`. `idle` is first: a server that is not started afresh for each
    /// scene has grown no heap yet.
    pub(crate) const ALL: [Self; 7] =
        [Self::Idle, Self::Chat, Self::Burst, Self::Bigroom, Self::Party, Self::Steady, Self::Posts];

    /// `interval` is that of `steady`, `idle_connections` the number of connections of `idle`.
    pub(crate) fn scene(self, interval: Duration, idle_connections: usize) -> Scene {
        let idle_rooms = idle_connections.div_ceil(20);
        let (name, rooms, members, senders, pace) = match self {
            Self::Idle => ("idle", idle_rooms, 20, 0, Pace::Never),
            Self::Chat => ("chat", 100, 20, 1, Pace::Window(1)),
            Self::Burst => ("burst", 100, 20, 1, Pace::Window(16)),
            Self::Bigroom => ("bigroom", 1, 1000, 4, Pace::Window(4)),
            Self::Party => ("party", 1, 32, 32, Pace::Window(1)),
            Self::Steady => ("steady", 100, 20, 1, Pace::Every(interval)),
            Self::Posts => ("posts", 64, 1, 1, Pace::Window(32)),
        };
        Scene { name, rooms, members, senders, pace }
    }
}

impl Scene {
    pub(crate) fn connections(&self) -> usize {
        self.rooms * self.members
    }

    /// Members of a room have neighbouring numbers.
    pub(crate) fn room_of(&self, connection: usize) -> usize {
        connection / self.members
    }

    pub(crate) fn sends(&self, connection: usize) -> bool {
        connection % self.members < self.senders
    }

    /// Connections that send, in such an order that neighbours are in different rooms.
    pub(crate) fn sender_indices(&self) -> Vec<usize> {
        (0..self.senders)
            .flat_map(|place| (0..self.rooms).map(move |room| room * self.members + place))
            .collect()
    }
}
