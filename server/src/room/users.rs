//! Connections of this instance by user, for frames outside of rooms.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use realtime_shared::{CloseCode, UserId};

use super::mailbox::{About, Mailbox};
use crate::broker::{Concerned, Origin, Recipients, SkipConnections};

/// The mailboxes of all connections.
#[derive(Default)]
pub(crate) struct Users(Mutex<HashMap<UserId, Vec<Arc<Mailbox>>>>);

impl Users {
    pub(crate) fn add(&self, mailbox: &Arc<Mailbox>) {
        let mut users = self.0.lock();
        // Most users have one connection. The default first capacity would be four.
        let connections = users.entry(mailbox.user.clone()).or_insert_with(|| Vec::with_capacity(1));
        connections.push(mailbox.clone());
    }

    pub(crate) fn remove(&self, mailbox: &Mailbox) {
        let mut users = self.0.lock();
        if let Some(connections) = users.get_mut(&mailbox.user) {
            connections.retain(|other| other.connection != mailbox.connection);
            if connections.is_empty() {
                users.remove(&mailbox.user);
            }
        }
    }

    /// Sends a frame to the connections of this instance that are among the recipients.
    /// `instance` is the random number of this instance.
    pub(crate) fn broadcast(&self, to: &Recipients, json: &Arc<str>, instance: u64) {
        let users = self.0.lock();
        match to {
            Recipients::User(user) => {
                users.get(user).into_iter().flatten().for_each(|mailbox| mailbox.send(json));
            }
            Recipients::Concerned(Concerned { user, room, skip }) => {
                for mailbox in users.get(user).into_iter().flatten() {
                    let is_notification = *skip == SkipConnections::InRoom;
                    let origin = Origin { instance, connection: mailbox.connection };
                    if *skip != SkipConnections::One(origin) {
                        mailbox.send_about(json, About { room: room.clone(), is_notification });
                    }
                }
            }
            Recipients::Everyone => users.values().flatten().for_each(|mailbox| mailbox.send(json)),
        }
    }

    pub(crate) fn close_all(&self, code: CloseCode) {
        self.0.lock().values().flatten().for_each(|mailbox| mailbox.close(code));
    }
}
