//! A connection of its own that asks an instance what it knows: whole logs, paged both ways, and who is there.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::history::{Entry, Instance, Name, Paging, Served};
use crate::recorder::Recorder;
use crate::server::token;
use crate::wire::{Frame, Socket};

/// The most that a page has.
const PAGE: u64 = 200;

pub(crate) struct Probe {
    socket: Socket,
    instance: Instance,
}

impl Probe {
    pub(crate) async fn new(instance: Instance, address: SocketAddr) -> Self {
        let dialled = Socket::dial(address, &token("probe")).await;
        Self { socket: dialled.expect("the server serves").0, instance }
    }

    async fn ask(&mut self, question: &Value, answer: &str) -> Frame {
        assert!(self.socket.send(question).await, "the server serves");
        let answered = self.socket.wait_for(|frame| frame.kind == answer).await;
        answered.unwrap_or_else(|| panic!("no answer to {question}"))
    }

    /// A room's whole log.
    pub(crate) async fn log(&mut self, room: &Name, paging: Paging, recorder: &Recorder) -> Served {
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
            let page = self.ask(&question, "history").await;
            epoch = page.epoch.or(epoch);
            let messages = page.messages.expect("a page has messages");
            let last = match paging {
                Paging::Forward => messages.last(),
                Paging::Backward => messages.first(),
            };
            from = last.map(|entry| entry.seq);
            let more = page.has_more == Some(true) && from.is_some();
            pages.push(messages);
            if !more {
                break;
            }
        }
        if paging == Paging::Backward {
            pages.reverse();
        }
        let entries: Vec<Arc<Entry>> =
            pages.into_iter().flatten().map(|entry| recorder.intern(entry)).collect();
        Served { instance: self.instance, room: room.clone(), paging, epoch, entries }
    }

    /// Who is in a room, and how many.
    pub(crate) async fn members(&mut self, room: &Name) -> (Vec<Name>, u64) {
        let members = self.ask(&json!({"type": "members", "room": &**room}), "members").await;
        (members.members.unwrap_or_default(), members.member_count.unwrap_or(0))
    }

    pub(crate) async fn close(self) {
        self.socket.close().await;
    }
}
