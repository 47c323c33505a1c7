//! The two ends that the rest of a program holds.

use tokio::sync::mpsc;

use super::command::Command;
use super::config::Config;
use super::event::Event;
use super::task;

/// Commands that wait for the client's task. A full channel means that the socket, or whoever takes the events, is
/// slow: [`Handle::send`] waits, [`Handle::try_send`] gives the command back.
pub const COMMANDS: usize = 256;
/// Events that wait for whoever takes them. While the channel is full the socket is not read.
pub const EVENTS: usize = 256;

/// Where [`Command`]s go. When the last clone is dropped, the client closes.
#[derive(Debug, Clone)]
pub struct Handle {
    commands: mpsc::Sender<Command>,
}

/// What happens, in order. When it is dropped, the client closes.
#[derive(Debug)]
pub struct Events {
    events: mpsc::Receiver<Event>,
}

/// The client has ended; the command comes back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the client has ended")]
pub struct Ended(pub Command);

/// Why a command was not taken; it comes back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrySendError {
    /// [`COMMANDS`] wait already.
    #[error("too many commands wait")]
    Full(Command),
    /// The client has ended.
    #[error("the client has ended")]
    Ended(Command),
}

/// Starts a client, which connects at once, as a task of the runtime that this is called on.
///
/// # Panics
///
/// Outside of a tokio runtime with its I/O and time drivers.
#[must_use]
pub fn connect(config: Config) -> (Handle, Events) {
    let (command_sender, commands) = mpsc::channel(COMMANDS);
    let (event_sender, events) = mpsc::channel(EVENTS);
    tokio::spawn(task::run(config, commands, event_sender));
    (Handle { commands: command_sender }, Events { events })
}

impl Handle {
    /// Gives a command, after those before it. Waits while [`COMMANDS`] wait: whoever takes the events in the same
    /// task should use [`Handle::try_send`], since the client takes no commands while its events are not taken.
    pub async fn send(&self, command: Command) -> Result<(), Ended> {
        self.commands.send(command).await.map_err(|error| Ended(error.0))
    }

    /// Gives a command, if there is room.
    pub fn try_send(&self, command: Command) -> Result<(), TrySendError> {
        self.commands.try_send(command).map_err(|error| match error {
            mpsc::error::TrySendError::Full(command) => TrySendError::Full(command),
            mpsc::error::TrySendError::Closed(command) => TrySendError::Ended(command),
        })
    }

    /// Reports frames as [`Event::Traced`] from now on, first the last ones, or stops that.
    pub fn trace(&self, on: bool) -> Result<(), TrySendError> {
        self.try_send(Command::Trace(on))
    }
}

impl Events {
    /// The next event; `None` when the client has ended. May be dropped before it is done: no event is lost.
    pub async fn recv(&mut self) -> Option<Event> {
        self.events.recv().await
    }

    /// The next event, if it is there already.
    pub fn try_recv(&mut self) -> Option<Event> {
        self.events.try_recv().ok()
    }
}
