//! Submissions that are on their way, for the program to ask. A [`Handle`](crate::Handle) adds them, and
//! [`Events`](crate::Events) follows their states.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use realtime_shared::{ClientMsgId, Content, RoomName};

use super::command::Command;
use super::event::{Event, SendState};
use super::outbox::{QUEUE, REFUSED};

/// An entry of the client that is not stored, or was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    pub room: RoomName,
    pub content: Content,
    pub client_msg_id: ClientMsgId,
    /// `Queued`, `PutOff`, `Sent` or `Refused`.
    pub state: SendState,
}

/// The submissions in the order of their commands.
#[derive(Debug, Clone, Default)]
pub(super) struct Submissions(Arc<Mutex<Vec<Waiting>>>);

impl Submissions {
    /// Adds the submission of a command. Returns its id if it is new.
    pub(super) fn add(&self, command: &Command) -> Option<ClientMsgId> {
        let (room, content, id) = match command {
            Command::Send { room, text, client_msg_id } => {
                (room, Content::message(text.clone()), client_msg_id)
            }
            Command::Submit { room, content, client_msg_id } => (room, content.clone(), client_msg_id),
            _ => return None,
        };
        let mut waiting = self.lock();
        let is_refused = |known: &Waiting| matches!(known.state, SendState::Refused(_));
        match waiting.iter().position(|known| known.client_msg_id == *id) {
            Some(index) if is_refused(&waiting[index]) => _ = waiting.remove(index),
            Some(_) => return None,
            None => {}
        }
        if waiting.len() >= QUEUE + REFUSED
            && let Some(index) = waiting.iter().position(is_refused)
        {
            waiting.remove(index);
        }
        let (room, state) = (room.clone(), SendState::Queued);
        waiting.push(Waiting { room, content, client_msg_id: id.clone(), state });
        Some(id.clone())
    }

    pub(super) fn remove(&self, id: &ClientMsgId) {
        self.lock().retain(|known| known.client_msg_id != *id);
    }

    /// Follows the state of a submission.
    pub(super) fn on_event(&self, event: &Event) {
        let Event::Sent { client_msg_id, state } = event else { return };
        if matches!(state, SendState::Stored(_) | SendState::TakenBack { .. }) {
            self.remove(client_msg_id);
        } else if let Some(known) = self.lock().iter_mut().find(|known| known.client_msg_id == *client_msg_id)
        {
            known.state = state.clone();
        }
    }

    pub(super) fn of(&self, room: &RoomName) -> Vec<Waiting> {
        self.lock().iter().filter(|known| known.room == *room).cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use realtime_shared::{Seq, Text};

    use super::*;

    fn send(id: &str) -> Command {
        let (room, text) = ("a".parse().expect("a room"), Text::new(id).expect("a text"));
        Command::Send { room, text, client_msg_id: ClientMsgId::new(id).expect("an id") }
    }

    fn states(submissions: &Submissions) -> Vec<(String, SendState)> {
        let waiting = submissions.of(&"a".parse().expect("a room"));
        waiting.into_iter().map(|waiting| (waiting.client_msg_id.to_string(), waiting.state)).collect()
    }

    #[test]
    fn a_submission_waits_until_it_is_stored_or_taken_back() {
        let submissions = Submissions::default();
        let becomes = |id: &str, state: SendState| {
            let client_msg_id = ClientMsgId::new(id).expect("an id");
            submissions.on_event(&Event::Sent { client_msg_id, state });
        };
        for id in ["m1", "m2", "m3"] {
            assert!(submissions.add(&send(id)).is_some());
        }
        assert_eq!(submissions.add(&send("m1")), None, "it waits already");
        becomes("m1", SendState::Sent);
        becomes("m2", SendState::TakenBack { was_sent: false });
        becomes("m3", SendState::Refused("no".to_owned()));
        let refused = ("m3".to_owned(), SendState::Refused("no".to_owned()));
        assert_eq!(states(&submissions), [("m1".to_owned(), SendState::Sent), refused.clone()]);
        becomes("m1", SendState::Stored(Seq::new(1)));
        assert_eq!(states(&submissions), [refused]);
        becomes("m3", SendState::Queued);
        assert_eq!(states(&submissions), [("m3".to_owned(), SendState::Queued)], "it is sent again");
    }
}
