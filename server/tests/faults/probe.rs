//! A connection that requests whole logs, paged in both directions, and the members of rooms.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::history::{Entry, Instance, Name, Paging, Served};
use crate::recorder::{Recorder, Stuck};
use crate::server::token;
use crate::wire::{Frame, Socket};

/// Entries per page.
const PAGE: u64 = 200;

pub(crate) struct Probe {
    socket: Socket,
    instance: Instance,
}

impl Probe {
    pub(crate) async fn new(instance: Instance, address: SocketAddr) -> Result<Self, Stuck> {
        let dialled = Socket::dial(address, &token("probe")).await;
        let (socket, _) = dialled.ok_or_else(|| Stuck { awaited: "a connection to ask on".to_owned() })?;
        Ok(Self { socket, instance })
    }

    async fn ask(&mut self, question: &Value, answer: &str) -> Result<Frame, Stuck> {
        let answered = if self.socket.send(question).await {
            self.socket.wait_for(|frame| frame.kind == answer).await
        } else {
            None
        };
        answered.ok_or_else(|| Stuck { awaited: format!("an answer to {question}") })
    }

    /// Returns the whole log of a room.
    pub(crate) async fn log(
        &mut self,
        room: &Name,
        paging: Paging,
        recorder: &Recorder,
    ) -> Result<Served, Stuck> {
        let mut pages: Vec<Vec<Entry>> = Vec::new();
        let (mut epoch, mut from) = (None, None);
        loop {
            let question = match (paging, from) {
                (Paging::Forward, seq) => json!({"after": seq.unwrap_or(0)}),
                (Paging::Backward, Some(seq)) => json!({"before": seq}),
                (Paging::Backward, None) => json!({}),
            };
            let mut question = question;
            question["type"] = "history".into();
            question["room"] = (**room).into();
            question["limit"] = PAGE.into();
            let page = self.ask(&question, "history").await?;
            epoch = page.epoch.or(epoch);
            let messages = page.messages.unwrap_or_default();
            let last = match paging {
                Paging::Forward => messages.last(),
                Paging::Backward => messages.first(),
            };
            let next = last.map(|entry| entry.seq);
            pages.push(messages);
            if page.has_more != Some(true) {
                break;
            }
            let goes_on = match paging {
                Paging::Forward => next > from,
                Paging::Backward => next.is_some_and(|next| from.is_none_or(|from| next < from)),
            };
            if !goes_on {
                return Err(Stuck { awaited: format!("the page of {room} after {from:?}") });
            }
            from = next;
        }
        if paging == Paging::Backward {
            pages.reverse();
        }
        let entries: Vec<Arc<Entry>> =
            pages.into_iter().flatten().map(|entry| recorder.intern(entry)).collect();
        Ok(Served { instance: self.instance, room: room.clone(), paging, epoch, entries })
    }

    /// Returns the members of a room and their count.
    pub(crate) async fn members(&mut self, room: &Name) -> Result<(Vec<Name>, u64), Stuck> {
        let members = self.ask(&json!({"type": "members", "room": &**room}), "members").await?;
        Ok((members.members.unwrap_or_default(), members.member_count.unwrap_or(0)))
    }

    pub(crate) async fn close(self) {
        self.socket.close().await;
    }
}
