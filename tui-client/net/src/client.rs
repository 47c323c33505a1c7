//! The two ends of a client: [`Handle`] for commands, [`Events`] for events.

use realtime_shared::{ClientMsgId, RoomName};
use tokio::sync::mpsc;

use super::command::Command;
use super::config::Config;
use super::event::Event;
use super::room_state::{RoomState, RoomStates};
use super::task;
use super::waiting::{Submissions, Waiting};

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
    /// `None`: the program keeps no state.
    submissions: Option<Submissions>,
}

/// The receiver of [`Event`]s, in order. The client closes when it is dropped.
#[derive(Debug)]
pub struct Events {
    receiver: mpsc::Receiver<Event>,
    rooms: RoomStates,
    submissions: Option<Submissions>,
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
    let (event_sender, receiver) = mpsc::channel(EVENTS);
    let rooms = RoomStates::new(config.kept_messages);
    let submissions = (config.kept_messages > 0).then(Submissions::default);
    tokio::spawn(task::run(config, commands, event_sender));
    let handle = Handle { commands: command_sender, submissions: submissions.clone() };
    (handle, Events { receiver, rooms, submissions })
}

impl Handle {
    /// Sends a command, in the order of the calls. Waits while the channel is full.
    ///
    /// A task that also receives the events must use [`Handle::try_send`]: the client accepts no commands while nobody
    /// receives its events, so this call could wait forever.
    pub async fn send(&self, command: Command) -> Result<(), Ended> {
        let added = self.add(&command);
        self.commands.send(command).await.map_err(|error| {
            self.remove(added.as_ref());
            Ended(error.0)
        })
    }

    /// Sends a command, unless the channel is full.
    pub fn try_send(&self, command: Command) -> Result<(), TrySendError> {
        let added = self.add(&command);
        self.commands.try_send(command).map_err(|error| {
            self.remove(added.as_ref());
            match error {
                mpsc::error::TrySendError::Full(command) => TrySendError::Full(command),
                mpsc::error::TrySendError::Closed(command) => TrySendError::Ended(command),
            }
        })
    }

    /// Adds a submission before the command is sent, so that its first state finds it.
    fn add(&self, command: &Command) -> Option<ClientMsgId> {
        self.submissions.as_ref()?.add(command)
    }

    fn remove(&self, id: Option<&ClientMsgId>) {
        if let (Some(submissions), Some(id)) = (&self.submissions, id) {
            submissions.remove(id);
        }
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
        let event = self.receiver.recv().await?;
        self.follow(&event);
        Some(event)
    }

    /// Receives the next event if there is one already.
    pub fn try_recv(&mut self) -> Option<Event> {
        let event = self.receiver.try_recv().ok()?;
        self.follow(&event);
        Some(event)
    }

    fn follow(&mut self, event: &Event) {
        self.rooms.on_event(event);
        if let Some(submissions) = &self.submissions {
            submissions.on_event(event);
        }
    }

    /// The client's entries in a room that are on their way or were refused, in the order of their commands. Empty if
    /// [`Config::kept_messages`] is 0.
    #[must_use]
    pub fn waiting(&self, room: &RoomName) -> Vec<Waiting> {
        self.submissions.as_ref().map(|submissions| submissions.of(room)).unwrap_or_default()
    }

    /// The state of a joined room after the last received event. `None` if the client has not joined the room, or
    /// [`Config::kept_messages`] is 0.
    #[must_use]
    pub fn room(&self, room: &RoomName) -> Option<&RoomState> {
        self.rooms.get(room)
    }
}
