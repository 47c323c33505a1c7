//! A connection that requests whole logs, their messages in pages of both directions, and the members of rooms.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::time::timeout;

use crate::history::{Entry, Instance, Name, Page, Paging, Position, Served, ServedPages};
use crate::recorder::{Recorder, Stuck};
use crate::server::token;
use crate::wire::{Frame, Incoming, Socket, TIMEOUT, history, join};

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

    /// Returns the whole log of a room, from a replay. The connection joins the room.
    pub(crate) async fn log(&mut self, room: &Name, recorder: &Recorder) -> Result<Served, Stuck> {
        let stuck = |awaited: String| Stuck { awaited };
        let asked = self.socket.send(&join(room, Some(&Position::START))).await;
        let is_joined = |frame: &Frame| {
            frame.position.is_some() && frame.room.as_ref() == Some(room) && frame.recovery.is_some()
        };
        let joined = if asked { self.socket.wait_for(is_joined).await } else { None };
        let joined = joined.ok_or_else(|| stuck(format!("a join of {room}")))?;
        let mut head = joined.position.ok_or_else(|| stuck(format!("the head of {room}")))?;
        // Nothing is replayed if all entries were dropped.
        let mut has_entries = joined.recovery.is_some_and(|recovery| recovery.replayed > 0);
        let mut entries: Vec<Arc<Entry>> = Vec::new();
        let read = async {
            while has_entries && entries.last().map_or(0, |entry| entry.seq) < head.seq {
                match self.socket.next().await {
                    Incoming::Frame(frame, text) if frame.seq.is_some() => {
                        let entry =
                            serde_json::from_str(&text).map_err(|fault| format!("{fault}: {text}"))?;
                        entries.push(recorder.intern(entry));
                    }
                    Incoming::Frame(frame, _) if frame.event.as_deref() == Some("resync") => {
                        // The entries that follow were dropped before they were read.
                        let (Some(position), Some(recovery)) = (frame.position, frame.recovery) else {
                            return Err("a resync without a position".to_owned());
                        };
                        (head, has_entries) = (position, recovery.replayed > 0);
                    }
                    Incoming::Frame(..) | Incoming::Control => {}
                    other => return Err(format!("{other:?}")),
                }
            }
            Ok(())
        };
        let read = timeout(TIMEOUT, read).await.unwrap_or_else(|_| Err("nothing more".to_owned()));
        read.map_err(|fault| stuck(format!("the entries of {room} up to {}, not {fault}", head.seq)))?;
        Ok(Served { instance: Some(self.instance), room: room.clone(), epoch: head.epoch, entries })
    }

    /// Returns all messages of a room.
    pub(crate) async fn pages(&mut self, room: &Name, paging: Paging) -> Result<ServedPages, Stuck> {
        let mut pages: Vec<Page> = Vec::new();
        let mut from = None;
        loop {
            let question = match (paging, from) {
                (Paging::Forward, seq) => json!({"after": seq.unwrap_or(0)}),
                (Paging::Backward, Some(seq)) => json!({"before": seq}),
                (Paging::Backward, None) => json!({}),
            };
            let mut question = history(room, &question);
            question["limit"] = PAGE.into();
            let frame = self.ask(&question, "history").await?;
            let has_more = frame.has_more == Some(true);
            let Some(page) = frame.into_page() else {
                return Err(Stuck { awaited: format!("a page of {room}") });
            };
            let next = match paging {
                Paging::Forward => Some(*page.covers.end()),
                Paging::Backward => Some(*page.covers.start()),
            };
            pages.push(page);
            if !has_more {
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
        Ok(ServedPages { instance: self.instance, room: room.clone(), paging, pages })
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
