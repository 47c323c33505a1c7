//! The two ends of a client: [`Handle`] for commands, [`Events`] for events.

use realtime_shared::RoomName;
use tokio::sync::mpsc;

use super::command::Command;
use super::config::Config;
use super::event::Event;
use super::room_state::{RoomState, RoomStates};
use super::task;

/// Capacity of the channel of commands.
///
/// The channel is full if the socket or the receiver of the events is slow. [`Handle::send`] then waits, and
/// [`Handle::try_send`] returns the command.
pub const COMMANDS: usize = 256;
/// Capacity of the channel of events. While it is full, the client does not read the socket.
pub const EVENTS: usize = 256;

/// The sender of [`Command`]s. The client closes when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct Handle {
    commands: mpsc::Sender<Command>,
}

/// The receiver of [`Event`]s, in order. The client closes when it is dropped.
#[derive(Debug)]
pub struct Events {
    events: mpsc::Receiver<Event>,
    rooms: RoomStates,
}

/// The error of [`Handle::send`]: the client has ended. Contains the command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the client has ended")]
pub struct Ended(pub Command);

/// The error of [`Handle::try_send`]. Contains the command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrySendError {
    /// The channel holds [`COMMANDS`] commands.
    #[error("too many commands wait")]
    Full(Command),
    #[error("the client has ended")]
    Ended(Command),
}

/// Starts a client as a task of the current tokio runtime. It connects at once.
///
/// # Panics
///
/// Panics outside of a tokio runtime with I/O and time drivers.
#[must_use]
pub fn connect(config: Config) -> (Handle, Events) {
    let (command_sender, commands) = mpsc::channel(COMMANDS);
    let (event_sender, events) = mpsc::channel(EVENTS);
    let rooms = RoomStates::new(config.kept_messages);
    tokio::spawn(task::run(config, commands, event_sender));
    (Handle { commands: command_sender }, Events { events, rooms })
}

impl Handle {
    /// Sends a command, in the order of the calls. Waits while the channel is full.
    ///
    /// A task that also receives the events must use [`Handle::try_send`]: the client accepts no commands while nobody
    /// receives its events, so this call could wait forever.
    pub async fn send(&self, command: Command) -> Result<(), Ended> {
        self.commands.send(command).await.map_err(|error| Ended(error.0))
    }

    /// Sends a command, unless the channel is full.
    pub fn try_send(&self, command: Command) -> Result<(), TrySendError> {
        self.commands.try_send(command).map_err(|error| match error {
            mpsc::error::TrySendError::Full(command) => TrySendError::Full(command),
            mpsc::error::TrySendError::Closed(command) => TrySendError::Ended(command),
        })
    }

    /// Starts or stops the report of frames as [`Event::Traced`]. It starts with the last [`TRACED`](crate::TRACED)
    /// frames.
    pub fn trace(&self, on: bool) -> Result<(), TrySendError> {
        self.try_send(Command::Trace(on))
    }
}

impl Events {
    /// Receives the next event; `None` after the client has ended. Cancel safe: a dropped call loses no event.
    pub async fn recv(&mut self) -> Option<Event> {
        let event = self.events.recv().await?;
        self.rooms.on_event(&event);
        Some(event)
    }

    /// Receives the next event if there is one already.
    pub fn try_recv(&mut self) -> Option<Event> {
        let event = self.events.try_recv().ok()?;
        self.rooms.on_event(&event);
        Some(event)
    }

    /// The state of a joined room after the last received event. `None` if the client has not joined the room, or
    /// [`Config::kept_messages`] is 0.
    #[must_use]
    pub fn room(&self, room: &RoomName) -> Option<&RoomState> {
        self.rooms.get(room)
    }
}
