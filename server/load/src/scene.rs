//! The scenes: rooms, members, senders and their pace.
//!
//! To add one: a variant, its line in [`SceneName::scene`], and its place in [`SceneName::ALL`].

use std::time::Duration;

use clap::ValueEnum;

/// Connections of `many-rooms` that list rooms, and those that create them.
pub(crate) const LISTERS: usize = 32;
pub(crate) const CREATORS: usize = 4;

/// The values of `--scene`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum SceneName {
    /// --idle-connections in rooms of --idle-members, nothing sent: memory
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
    /// 64 rooms of one, 32 in flight: cost and rate of submissions
    Posts,
    /// Connections that do not join: their rate, with 128 at a time. `deliv/s` counts them
    Connects,
    /// Connections that join one room when they are welcome: their rate. `deliv/s` counts the joins
    NewJoins,
    /// Open connections that join one room all at once. `deliv/s` counts the joins, latencies are from the common start
    JoinStorm,
    /// --rooms rooms with an entry; 32 connections list them once a second, another one joins: round trips of both
    ManyRooms,
}

/// The numbers of a scene.
pub(crate) struct Scene {
    pub(crate) name: &'static str,
    pub(crate) rooms: usize,
    /// Connections in a room.
    pub(crate) members: usize,
    /// Senders in a room: its first members.
    pub(crate) senders: usize,
    pub(crate) pace: Pace,
    pub(crate) measured: Measured,
}

/// The part of a scene that is measured.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Measured {
    /// Messages.
    Traffic,
    /// The welcomes of connections.
    Connects,
    /// The joins of connections, from their opening.
    NewJoins,
    /// The joins of open connections.
    JoinStorm,
    /// Lists of rooms; see `many_rooms`.
    Lists,
}

/// Settings of single scenes.
pub(crate) struct SceneSettings {
    /// Time between two messages of `steady`.
    pub(crate) interval: Duration,
    /// Connections of the scenes without traffic, and those in a room of `idle`.
    pub(crate) connections: usize,
    pub(crate) idle_members: usize,
    /// Rooms of `many-rooms`.
    pub(crate) many_rooms: usize,
}

/// The pace of senders.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Pace {
    Never,
    /// Closed loop: this number of messages is in flight. The return of one sends the next.
    Window(u32),
    /// Open loop: one message each interval, from all senders in turn.
    Every(Duration),
}

impl SceneName {
    /// The order of a run without `--scene`. `idle` comes first, while a server that runs through all scenes has a
    /// small heap.
    pub(crate) const ALL: [Self; 11] = [
        Self::Idle,
        Self::Chat,
        Self::Burst,
        Self::Bigroom,
        Self::Party,
        Self::Steady,
        Self::Posts,
        Self::Connects,
        Self::NewJoins,
        Self::JoinStorm,
        Self::ManyRooms,
    ];

    /// The scene.
    pub(crate) fn scene(self, settings: &SceneSettings) -> Scene {
        let SceneSettings { interval, connections, idle_members, many_rooms } = *settings;
        let idle_rooms = connections.div_ceil(idle_members);
        let measured = match self {
            Self::Connects => Measured::Connects,
            Self::NewJoins => Measured::NewJoins,
            Self::JoinStorm => Measured::JoinStorm,
            Self::ManyRooms => Measured::Lists,
            _ => Measured::Traffic,
        };
        let (name, rooms, members, senders, pace) = match self {
            Self::Idle => ("idle", idle_rooms, idle_members, 0, Pace::Never),
            Self::Chat => ("chat", 100, 20, 1, Pace::Window(1)),
            Self::Burst => ("burst", 100, 20, 1, Pace::Window(16)),
            Self::Bigroom => ("bigroom", 1, 1000, 4, Pace::Window(4)),
            Self::Party => ("party", 1, 32, 32, Pace::Window(1)),
            Self::Steady => ("steady", 100, 20, 1, Pace::Every(interval)),
            Self::Posts => ("posts", 64, 1, 1, Pace::Window(32)),
            Self::Connects => ("connects", 1, connections, 0, Pace::Never),
            Self::NewJoins => ("new-joins", 1, connections, 0, Pace::Never),
            Self::JoinStorm => ("join-storm", 1, connections, 0, Pace::Never),
            Self::ManyRooms => ("many-rooms", many_rooms, 0, 0, Pace::Never),
        };
        Scene { name, rooms, members, senders, pace, measured }
    }
}

impl Scene {
    pub(crate) fn connections(&self) -> usize {
        if self.measured == Measured::Lists { LISTERS + CREATORS + 1 } else { self.rooms * self.members }
    }

    /// The room of a connection. Members of a room have consecutive indices.
    pub(crate) fn room_of(&self, connection: usize) -> usize {
        connection / self.members
    }

    pub(crate) fn sends(&self, connection: usize) -> bool {
        connection % self.members < self.senders
    }

    /// Connections that send, ordered so that consecutive ones are in different rooms.
    pub(crate) fn sender_indices(&self) -> Vec<usize> {
        (0..self.senders)
            .flat_map(|index| (0..self.rooms).map(move |room| room * self.members + index))
            .collect()
    }
}
