//! Moves commands from effects into the network's queue.

use std::collections::VecDeque;

use crate::app::Effect;
use crate::net::{Command, Handle, TrySendError};

/// The commands among the effects.
pub(super) fn commands(effects: Vec<Effect>) -> impl Iterator<Item = Command> {
    effects.into_iter().filter_map(|effect| match effect {
        Effect::Net(command) => Some(command),
        _ => None,
    })
}

/// Sends as many commands as the network accepts. False: the network task has ended.
pub(super) fn flush(handle: &Handle, commands: &mut VecDeque<Command>) -> bool {
    while let Some(command) = commands.pop_front() {
        match handle.try_send(command) {
            Ok(()) => {}
            Err(TrySendError::Full(command)) => {
                commands.push_front(command);
                return true;
            }
            Err(TrySendError::Ended(_)) => return false,
        }
    }
    true
}

/// Sends one command. False: the network task has ended. Without a command it waits for ever.
pub(super) async fn send(handle: &Handle, command: Option<Command>) -> bool {
    match command {
        Some(command) => handle.send(command).await.is_ok(),
        None => std::future::pending().await,
    }
}
