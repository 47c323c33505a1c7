//! Driver of the demo: performs the director's cues with one client per person, and reports the visitor's events to it.

use std::sync::mpsc::SyncSender;
use std::time::Duration;

use futures_util::future::select_all;
use realtime_shared::{ClientMsgId, EntryId, RoomName, ServerEvent, SystemEvent, Text, Timestamp};
use tokio::time::{Instant, sleep_until};

use super::cast::{PEOPLE, ROOMS, VISITOR, room_name};
use super::director::history::PastMessage;
use super::director::{Cue, CueAction, Director};
use super::time::Time;
use crate::net::{self, Command, Event, Events, Handle, SendState};

/// Clients of the people, and their rooms.
struct Driver {
    handles: Vec<Handle>,
    events: Vec<Events>,
    rooms: [RoomName; ROOMS.len()],
    time: Time,
}

/// A client has ended, and the demo with it.
struct ClientEnded;

/// Runs the people until one of their clients ends. Notifies `ready` when the rooms have a history, for which it sets back
/// `time`, the server's clock.
pub(super) async fn run(clients: [net::Config; PEOPLE.len()], time: Time, seed: u64, ready: SyncSender<()>) {
    let (handles, events) = clients.into_iter().map(net::connect).unzip();
    let mut driver = Driver { handles, events, rooms: ROOMS.map(room_name), time };
    let mut director = Director::new(seed, Duration::ZERO);
    if driver.prepare(&mut director).await.is_ok() && ready.try_send(()).is_ok() {
        // The loop ends with an error only.
        let _: Result<(), ClientEnded> = driver.live(&mut director).await;
    }
}

impl Driver {
    /// Joins everybody, and creates the history of the rooms.
    async fn prepare(&mut self, director: &mut Director) -> Result<(), ClientEnded> {
        let entrances = director.entrances();
        for &(person, room) in &entrances {
            self.perform(Cue { person, room, action: CueAction::Join })?;
        }
        for _ in entrances {
            while !matches!(self.next_event().await?, Event::Joined { .. }) {}
        }
        for PastMessage { ago, person, room, text } in director.history() {
            self.time.set_back(ago);
            // One message after the other: concurrent messages have no defined order.
            let id = self.send(person, room, text)?;
            while !matches!(
                self.next_event().await?,
                Event::Sent { client_msg_id, state: SendState::Stored(_) } if client_msg_id == id
            ) {}
        }
        self.time.set_back(Duration::ZERO);
        Ok(())
    }

    async fn live(&mut self, director: &mut Director) -> Result<(), ClientEnded> {
        let start = Instant::now();
        loop {
            tokio::select! {
                event = self.next_event() => self.report(director, &event?, start.elapsed()),
                () = sleep_until(start + director.next_at()) => {
                    for cue in director.step(start.elapsed()) {
                        self.perform(cue)?;
                    }
                }
            }
        }
    }

    /// The next event of any client. Cancel safe: no event is lost.
    async fn next_event(&mut self) -> Result<Event, ClientEnded> {
        let (event, ..) = select_all(self.events.iter_mut().map(|events| Box::pin(events.recv()))).await;
        event.ok_or(ClientEnded)
    }

    fn perform(&self, cue: Cue) -> Result<(), ClientEnded> {
        let room = self.rooms[cue.room].clone();
        let command = match cue.action {
            CueAction::Join => Command::Join { room, since: None },
            CueAction::Leave => Command::Leave(room),
            CueAction::Typing(is_typing) => Command::Typing { room, is_typing },
            CueAction::Send(text) => return self.send(cue.person, cue.room, text).map(drop),
        };
        self.command(cue.person, command)
    }

    fn send(&self, person: usize, room: usize, text: Text) -> Result<ClientMsgId, ClientEnded> {
        let id = EntryId::from_parts(Timestamp::from_millis(0), fastrand::u128(..)).to_string();
        let client_msg_id = ClientMsgId::new(&id).expect("a ULID has 26 characters");
        let room = self.rooms[room].clone();
        self.command(person, Command::Send { room, text, client_msg_id: client_msg_id.clone() })?;
        Ok(client_msg_id)
    }

    /// Queues a command. A few commands a second never fill the queue of a running client.
    fn command(&self, person: usize, command: Command) -> Result<(), ClientEnded> {
        self.handles[person].try_send(command).map_err(|_| ClientEnded)
    }

    /// Reports an event to the director. All clients see the same events, so each is reported several times.
    fn report(&self, director: &mut Director, event: &Event, now: Duration) {
        let index = |name: &RoomName| self.rooms.iter().position(|room| room == name);
        match event {
            Event::Entry { entry: net::Entry::Message(message), .. } if message.from.as_str() == VISITOR => {
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
