//! Does what the director says, with one client for each person, and tells the director what the visitor does.

use std::sync::mpsc::SyncSender;
use std::time::Duration;

use futures_util::future::select_all;
use realtime_shared::{ClientMsgId, EntryId, RoomName, ServerEvent, SystemEvent, Text, Timestamp};
use tokio::time::{Instant, sleep_until};

use super::cast::{PEOPLE, ROOMS, VISITOR, room_name};
use super::director::{Action, Cue, Director, Past};
use super::time::Time;
use crate::net::{self, Command, Event, Events, Handle, SendState};

/// The people's clients, and their rooms.
struct Driver {
    handles: Vec<Handle>,
    events: Vec<Events>,
    rooms: [RoomName; ROOMS.len()],
    time: Time,
}

/// A client has ended: the demo is over.
struct Over;

/// Lets the people live until one of their clients ends. `ready` is told when the rooms have a past, for which `time`, the
/// server's, is set back.
pub(super) async fn run(clients: [net::Config; PEOPLE.len()], time: Time, seed: u64, ready: SyncSender<()>) {
    let (handles, events) = clients.into_iter().map(net::connect).unzip();
    let mut driver = Driver { handles, events, rooms: ROOMS.map(room_name), time };
    let mut director = Director::new(seed, Duration::ZERO);
    if driver.prepare(&mut director).await.is_ok() && ready.try_send(()).is_ok() {
        // It ends in no other way.
        let _: Result<(), Over> = driver.live(&mut director).await;
    }
}

impl Driver {
    /// Lets everybody in, and gives the rooms a past.
    async fn prepare(&mut self, director: &mut Director) -> Result<(), Over> {
        let entrances = director.entrances();
        for &(person, room) in &entrances {
            self.perform(Cue { person, room, action: Action::Join })?;
        }
        for _ in entrances {
            while !matches!(self.next_event().await?, Event::Joined { .. }) {}
        }
        for Past { ago, person, room, text } in director.history() {
            self.time.set_back(ago);
            // One after the other: what two people say at once has no order.
            let id = self.say(person, room, text)?;
            while !matches!(
                self.next_event().await?,
                Event::Sent { client_msg_id, state: SendState::Stored(_) } if client_msg_id == id
            ) {}
        }
        self.time.set_back(Duration::ZERO);
        Ok(())
    }

    async fn live(&mut self, director: &mut Director) -> Result<(), Over> {
        let start = Instant::now();
        loop {
            tokio::select! {
                event = self.next_event() => self.tell(director, &event?, start.elapsed()),
                () = sleep_until(start + director.next_at()) => {
                    for cue in director.step(start.elapsed()) {
                        self.perform(cue)?;
                    }
                }
            }
        }
    }

    /// What happens next, to whomever. May be dropped before it is done: no event is lost.
    async fn next_event(&mut self) -> Result<Event, Over> {
        let (event, ..) = select_all(self.events.iter_mut().map(|events| Box::pin(events.recv()))).await;
        event.ok_or(Over)
    }

    fn perform(&self, cue: Cue) -> Result<(), Over> {
        let room = self.rooms[cue.room].clone();
        let command = match cue.action {
            Action::Join => Command::Join { room, since: None },
            Action::Leave => Command::Leave(room),
            Action::Typing(is_typing) => Command::Typing { room, is_typing },
            Action::Say(text) => return self.say(cue.person, cue.room, text).map(drop),
        };
        self.command(cue.person, command)
    }

    fn say(&self, person: usize, room: usize, text: Text) -> Result<ClientMsgId, Over> {
        let id = EntryId::from_parts(Timestamp::from_millis(0), fastrand::u128(..)).to_string();
        let client_msg_id = ClientMsgId::new(&id).expect("a ULID has 26 characters");
        let room = self.rooms[room].clone();
        self.command(person, Command::Send { room, text, client_msg_id: client_msg_id.clone() })?;
        Ok(client_msg_id)
    }

    /// A few commands a second never fill the queue of a client that goes on.
    fn command(&self, person: usize, command: Command) -> Result<(), Over> {
        self.handles[person].try_send(command).map_err(|_| Over)
    }

    /// Everybody sees the same, and so the director hears of each thing several times.
    fn tell(&self, director: &mut Director, event: &Event, now: Duration) {
        let index = |name: &RoomName| self.rooms.iter().position(|room| room == name);
        match event {
            Event::Message { message, .. } if message.from.as_str() == VISITOR => {
                if let Some(room) = index(&message.room) {
                    director.visitor_said(room, message.seq.get(), message.text.as_str(), now);
                }
            }
            Event::Server(ServerEvent::System(SystemEvent::Joined(joined)))
                if joined.user_id.as_str() == VISITOR =>
            {
                if let Some(room) = index(&joined.room) {
                    director.visitor_joined(room, now);
                }
            }
            Event::Server(ServerEvent::System(SystemEvent::Left(left)))
                if left.user_id.as_str() == VISITOR =>
            {
                if let Some(room) = index(&left.room) {
                    director.visitor_left(room);
                }
            }
            _ => {}
        }
    }
}
