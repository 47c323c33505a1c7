//! One connection of an attacker that stays below the limit of refusals.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures_util::SinkExt;
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_tungstenite::tungstenite::Message;

use crate::attackers::{AttackCounts, AttackKind};
use crate::hall::HALL;
use crate::room;
use crate::socket::{self, End, Sink, Stream};
use crate::spending::AttackerBudget;

/// Steps a second. Two requests in each, and two others a second, are all that a connection may request.
const STEPS: u32 = 24;
/// Of this many connections, one requests replays, and one types. The others join and leave only.
const ROLES: usize = 4;
/// The position of a room's start.
const START: &str = r#","since":{"epoch":null,"seq":0,"id":null}"#;
/// Of this many long texts, one goes to a room without users.
const POSTS_ELSEWHERE: u64 = 4;
/// Time in which all attackers post to the same room.
const TARGET_TIME: Duration = Duration::from_secs(2);
/// Refusals after which a connection waits for the end of the server's window. The server closes at 100 within 10 s.
const MAX_REFUSALS: u32 = 90;
const WINDOW: Duration = Duration::from_secs(11);
/// Pause of new rooms after the user has founded as many as it may.
const FOUNDED_ENOUGH: Duration = Duration::from_mins(1);
/// The longest text: 4,000 characters of 4 bytes.
const LONG_CHARACTER: &str = "🦀";
const LONG_CHARACTERS: usize = 4_000;
/// References by which errors are assigned to a kind of frames.
const POST: &str = "post";
const NEW_ROOM: &str = "new room";
const REQUEST: &str = "request";

/// A place for a connection of an attacker.
pub(crate) struct Attacker {
    user: String,
    pub(crate) connection: usize,
    kinds: Arc<[AttackKind]>,
    budget: Arc<AttackerBudget>,
    pub(crate) counts: Arc<AttackCounts>,
    /// Number of the next new room.
    next_room: u64,
}

/// Times until which a connection sends no frames of a kind, and the answers that they depend on.
struct Waits {
    posts: Instant,
    new_rooms: Instant,
    requests: Instant,
    /// The last join was not refused, as far as is known.
    is_joined: bool,
    window: Instant,
    refusals: u32,
}

/// Frames that a connection may send.
struct Allowed {
    post: bool,
    new_room: bool,
    /// `Some(true)`: the connection has joined its room.
    request: Option<bool>,
}

#[derive(Deserialize)]
struct Refusal<'a> {
    r#ref: Option<&'a str>,
    retry_after_ms: Option<u64>,
}

impl Attacker {
    pub(crate) fn new(
        user: String,
        connection: usize,
        kinds: Arc<[AttackKind]>,
        budget: Arc<AttackerBudget>,
        counts: Arc<AttackCounts>,
    ) -> Self {
        Self { user, connection, kinds, budget, counts, next_room: 0 }
    }

    pub(crate) fn is(&self, kind: AttackKind) -> bool {
        self.kinds.contains(&kind)
    }

    /// The attack of this connection as a member of a room. If there are several, the connections share them.
    fn entry(&self) -> Option<AttackKind> {
        let preferred = match self.connection % ROLES {
            0 => [AttackKind::Replays, AttackKind::Joins, AttackKind::Typing, AttackKind::Hall],
            1 => [AttackKind::Typing, AttackKind::Joins, AttackKind::Replays, AttackKind::Hall],
            2 => [AttackKind::Hall, AttackKind::Joins, AttackKind::Typing, AttackKind::Replays],
            _ => [AttackKind::Joins, AttackKind::Typing, AttackKind::Replays, AttackKind::Hall],
        };
        preferred.into_iter().find(|kind| self.is(*kind))
    }

    /// Attacks until the connection ends.
    pub(crate) async fn attack(&mut self, sink: Sink, stream: Stream, start: Instant) -> End {
        let waits = Mutex::new(Waits::new());
        let counts = self.counts.clone();
        let Err(end) = tokio::try_join!(
            receive_refusals(stream, &waits, &counts),
            self.send_frames(sink, &waits, start)
        );
        end
    }

    async fn send_frames(
        &mut self,
        mut sink: Sink,
        waits: &Mutex<Waits>,
        start: Instant,
    ) -> Result<Infallible, End> {
        let mut pace = interval(Duration::from_secs(1) / STEPS);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut step = 0;
        loop {
            let now = pace.tick().await;
            let allowed = waits.lock().allow(now, self.entry().is_some());
            let mut frames = Vec::new();
            if let Some(is_joined) = allowed.request {
                self.request(step, now - start, is_joined, &mut frames);
                self.budget.spend_request(frames.iter().map(String::len).sum());
            }
            if allowed.post && self.is(AttackKind::Bytes) {
                self.post_long(step, now - start, &mut frames);
            }
            if self.is(AttackKind::Hall) && allowed.post {
                self.post_short(HALL, POST, &mut frames);
            }
            if self.is(AttackKind::Rooms) && allowed.new_room {
                self.post_to_new_room(&mut frames);
            } else if self.is(AttackKind::Rooms) && allowed.post {
                self.post_short(&target(now - start), POST, &mut frames);
            }
            for frame in frames {
                AttackCounts::add(&self.counts.written_frames, 1);
                AttackCounts::add(&self.counts.written_bytes, frame.len());
                sink.feed(Message::text(frame)).await?;
            }
            sink.flush().await?;
            step += 1;
        }
    }

    fn request(&self, step: u64, time: Duration, is_joined: bool, frames: &mut Vec<String>) {
        let (second, part) = (step / u64::from(STEPS), step % u64::from(STEPS));
        let entry = self.entry();
        let room = if entry == Some(AttackKind::Hall) { HALL.to_owned() } else { room(self.connection) };
        match entry {
            Some(AttackKind::Typing | AttackKind::Hall) if is_joined => {
                frames.push(frame("typing", &room, REQUEST, r#","is_typing":true"#));
                frames.push(frame("typing", &room, REQUEST, r#","is_typing":false"#));
            }
            Some(kind) => {
                if is_joined {
                    frames.push(frame("leave_room", &room, REQUEST, ""));
                }
                let since = if kind == AttackKind::Replays { START } else { "" };
                frames.push(frame("join_room", &room, REQUEST, since));
            }
            None => {}
        }
        if self.is(AttackKind::Rooms) && part == 0 {
            // Short answers, so that the budget of requested bytes lasts.
            let prefix = if second.is_multiple_of(2) { "" } else { r#","prefix":"new-""# };
            frames.push(format!(r#"{{"type":"list_rooms","limit":1{prefix},"ref":"{REQUEST}"}}"#));
        }
        if self.is(AttackKind::Pages) && part == u64::from(STEPS) / 2 {
            let room = target(time);
            frames.push(if second.is_multiple_of(2) {
                frame("history", &room, REQUEST, r#","limit":200"#)
            } else {
                frame("members", &room, REQUEST, "")
            });
        }
    }

    fn post_long(&self, step: u64, time: Duration, frames: &mut Vec<String>) {
        // The connections take turns.
        let turn = step + self.connection as u64;
        let room = if turn.is_multiple_of(POSTS_ELSEWHERE) {
            format!("{}-{}", self.user, self.connection)
        } else {
            target(time)
        };
        let text = LONG_CHARACTER.repeat(LONG_CHARACTERS);
        self.post_if_allowed(frame("message", &room, POST, &format!(r#","text":"{text}""#)), frames);
    }

    fn post_to_new_room(&mut self, frames: &mut Vec<String>) {
        let room = format!("new-{}-{}-{}", self.user, self.connection, self.next_room);
        self.next_room += 1;
        self.post_short(&room, NEW_ROOM, frames);
    }

    fn post_short(&self, room: &str, reference: &str, frames: &mut Vec<String>) {
        self.post_if_allowed(frame("message", room, reference, r#","text":"a""#), frames);
    }

    fn post_if_allowed(&self, frame: String, frames: &mut Vec<String>) {
        if self.budget.take_message(frame.len()) {
            frames.push(frame);
        }
    }
}

async fn receive_refusals(
    mut stream: Stream,
    waits: &Mutex<Waits>,
    counts: &AttackCounts,
) -> Result<Infallible, End> {
    loop {
        let text = socket::next_text(&mut stream).await?;
        AttackCounts::add(&counts.read_bytes, text.len());
        if text.starts_with(r#"{"type":"error""#) {
            AttackCounts::add(&counts.refusals, 1);
            waits.lock().refused(&text);
        }
    }
}

impl Waits {
    fn new() -> Self {
        let now = Instant::now();
        Self { posts: now, new_rooms: now, requests: now, is_joined: false, window: now, refusals: 0 }
    }

    /// The frames that may be sent now. `joins`: the requests will contain a join.
    fn allow(&mut self, now: Instant, joins: bool) -> Allowed {
        if now - self.window > WINDOW {
            self.window = now;
            self.refusals = 0;
        }
        if self.refusals >= MAX_REFUSALS {
            return Allowed { post: false, new_room: false, request: None };
        }
        let request = (now >= self.requests).then(|| std::mem::replace(&mut self.is_joined, joins));
        Allowed { post: now >= self.posts, new_room: now >= self.new_rooms, request }
    }

    fn refused(&mut self, text: &str) {
        self.refusals += 1;
        let Ok(refusal) = serde_json::from_str::<Refusal<'_>>(text) else { return };
        let now = Instant::now();
        let wait = refusal.retry_after_ms.map(Duration::from_millis);
        let until = now + wait.unwrap_or_default();
        match refusal.r#ref {
            Some(POST) => self.posts = until,
            Some(NEW_ROOM) => self.new_rooms = now + wait.unwrap_or(FOUNDED_ENOUGH),
            Some(REQUEST) => {
                self.requests = until;
                self.is_joined = false;
            }
            _ => {}
        }
    }
}

/// The room of the users that is attacked now.
fn target(time: Duration) -> String {
    room(usize::try_from(time.as_secs() / TARGET_TIME.as_secs()).unwrap_or(0))
}

fn frame(kind: &str, room: &str, reference: &str, fields: &str) -> String {
    format!(r#"{{"type":"{kind}","room":"{room}","ref":"{reference}"{fields}}}"#)
}
