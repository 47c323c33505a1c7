//! Changes of messages over real sockets: every client has the same state of a room, however it loaded the room.

use std::collections::HashSet;

use realtime_shared::{
    ClientMsgId, Emoji, EntryEvent, EntryId, HistoryRequest, Line, Message, RoomChange, RoomName,
    SearchRequest, ServerEvent, SlowMode, Text, Timestamp,
};
use realtime_tui::net::{Command, Config, Event, Events, Handle, SendState, connect};

use crate::server::Server;

/// Number of submissions.
const SUBMITTED: usize = 600;

fn room() -> RoomName {
    "lobby".parse().expect("a room")
}

fn id(number: usize) -> ClientMsgId {
    let id = EntryId::from_parts(Timestamp::from_millis(0), number as u128);
    ClientMsgId::new(&id.to_string()).expect("an id")
}

/// Starts a client and joins the room.
async fn client(server: &Server, user: &str) -> (Handle, Events) {
    let mut config = Config::new(&server.url(), server.token(user)).expect("an address");
    config.kept_messages = 10 * SUBMITTED;
    let (handle, events) = connect(config);
    handle.send(Command::Join { room: room(), since: None }).await.expect("a client");
    (handle, events)
}

async fn next(events: &mut Events) -> Event {
    tokio::time::timeout(crate::WAIT_LIMIT, events.recv()).await.expect("an event in time").expect("an event")
}

/// A random submission: a message, or a change of one of `messages`.
fn submission(rng: &mut fastrand::Rng, messages: &[Message], number: usize) -> Command {
    let text = Text::new(&format!("text {number}")).expect("a text");
    let live: Vec<_> = messages.iter().filter(|message| message.deleted.is_none()).collect();
    let Some(message) = live.get(rng.usize(..live.len().max(1))) else {
        return Command::Send { room: room(), text, client_msg_id: id(number) };
    };
    match rng.u32(..10) {
        0..3 => Command::edit(message, text, id(number)),
        3 => Command::delete(message, Some("a reason".parse::<Line>().expect("a line")), id(number)),
        4..6 => {
            let emoji = Emoji::new(if rng.bool() { "👍" } else { ":ship:" }).expect("an emoji");
            let is_mine = message.reactions.iter().any(|reaction| reaction.emoji == emoji && reaction.mine);
            Command::react(message, emoji, is_mine, id(number))
        }
        6 => Command::reply(message, text, id(number)),
        _ => Command::Send { room: room(), text, client_msg_id: id(number) },
    }
}

/// The kept messages.
fn kept(events: &Events) -> Vec<Message> {
    events.room(&room()).expect("a state").messages().cloned().collect()
}

#[tokio::test]
async fn two_clients_that_load_a_room_in_different_ways_have_the_same_state() {
    let server = Server::start_with(&["--memory", "--max-messages-per-second", "0"]);
    let (writer, mut live) = client(&server, "alice").await;
    while !matches!(next(&mut live).await, Event::Joined { .. }) {}
    let mut rng = fastrand::Rng::with_seed(7);
    let mut open = HashSet::new();
    let (mut submitted, mut late, mut searching) = (0, None, None);
    while submitted < SUBMITTED || !open.is_empty() {
        // A few submissions are open at a time, so that changes have effects.
        while submitted < SUBMITTED && open.len() < 4 {
            let command = submission(&mut rng, &kept(&live), submitted);
            writer.try_send(command).expect("room for it");
            open.insert(id(submitted));
            submitted += 1;
        }
        if submitted == SUBMITTED / 2 && late.is_none() {
            late = Some(page_all(&server));
            searching = Some(search_all(&server));
        }
        if let Event::Sent { client_msg_id, state } = next(&mut live).await {
            match state {
                // An earlier submission may have deleted the message.
                SendState::Stored(_) | SendState::Refused(_) => _ = open.remove(&client_msg_id),
                SendState::Queued | SendState::Sent | SendState::PutOff(_) => {}
                SendState::TakenBack { .. } => panic!("nothing is taken back"),
            }
        }
    }
    let (_handle, mut paged) = late.expect("a second client").await.expect("no panic");
    let head = live.room(&room()).and_then(|state| state.position()).cloned();
    while paged.room(&room()).and_then(|state| state.position()) != head.as_ref() {
        next(&mut paged).await;
    }
    let (_handle, mut found) = searching.expect("a third client").await.expect("no panic");
    while found.room(&room()).and_then(|state| state.position()) != head.as_ref() {
        next(&mut found).await;
    }
    let (live, paged, found) = (kept(&live), kept(&paged), kept(&found));
    assert_eq!(live.len(), paged.len());
    assert!(found.len() > SUBMITTED / 10, "{} messages", found.len());
    let of_found = found.iter().filter_map(|found| live.iter().find(|live| live.seq == found.seq));
    assert!(live.iter().any(|message| message.edited_ts.is_some()));
    assert!(live.iter().any(|message| message.deleted.is_some()));
    for (live, other) in live.iter().zip(&paged).chain(of_found.zip(&found)) {
        let mut other = other.clone();
        for reaction in &mut other.reactions {
            reaction.mine = true; // alice reacts, and only she
        }
        assert!(live.has_state_of(&other), "{live:#?} is not {other:#?}");
    }
}

/// Joins the room while entries arrive, and searches backward for its messages.
fn search_all(server: &Server) -> tokio::task::JoinHandle<(Handle, Events)> {
    let mut config = Config::new(&server.url(), server.token("carol")).expect("an address");
    config.kept_messages = 10 * SUBMITTED;
    tokio::spawn(async move {
        let (handle, mut events) = connect(config);
        let search = |before| {
            let query = "text".parse().expect("a line");
            Command::Search(SearchRequest { query, room: None, from: None, before, limit: Some(20) })
        };
        handle.send(Command::Join { room: room(), since: None }).await.expect("a client");
        let mut is_asked = false;
        loop {
            match next(&mut events).await {
                Event::Joined { .. } if !is_asked => {
                    is_asked = true;
                    handle.try_send(search(None)).expect("room for it");
                }
                Event::Server(ServerEvent::Found(found)) => {
                    let oldest = found.messages.iter().filter_map(|event| match event {
                        ServerEvent::Entry(EntryEvent::Message(message)) => Some(message.ts),
                        _ => None,
                    });
                    let oldest = oldest.min();
                    if !found.has_more || oldest.is_none() {
                        return (handle, events);
                    }
                    handle.try_send(search(oldest)).expect("room for it");
                }
                Event::RequestFailed { reason, .. } => panic!("{reason}"),
                _ => {}
            }
        }
    })
}

#[tokio::test]
async fn a_slow_room_delays_no_message_to_another_room_and_no_join() {
    let server = Server::start_with(&["--memory"]);
    let (slow, other) = (room(), RoomName::new("other").expect("a room"));
    let moderator = server.token_with("mona", &["--moderate", "lobby"]);
    let (mona, mut settled) = connect(Config::new(&server.url(), moderator).expect("an address"));
    let slow_mode = Some(SlowMode::new(3_000).expect("less than a day"));
    let change = RoomChange { topic: None, slow_mode, posting: None };
    mona.try_send(Command::configure(&slow, change, id(1))).expect("room for it");
    while !matches!(next(&mut settled).await, Event::Sent { state: SendState::Stored(_), .. }) {}

    let (alice, mut events) = client(&server, "alice").await;
    let send = |room: &RoomName, number: usize| {
        let (room, text) = (room.clone(), Text::new("hi").expect("a text"));
        alice.try_send(Command::Send { room, text, client_msg_id: id(number) }).expect("room for it");
    };
    send(&slow, 2);
    send(&slow, 3);
    let waits = |event: &Event| {
        let Event::Sent { client_msg_id, state: SendState::PutOff(reason) } = event else { return false };
        *client_msg_id == id(3) && reason.contains("slow mode")
    };
    while !waits(&next(&mut events).await) {}
    // They would wait for 3,000 s, longer than this test.
    send(&other, 4);
    alice.try_send(Command::Join { room: other.clone(), since: None }).expect("room for it");
    let (mut is_stored, mut is_joined) = (false, false);
    while !(is_stored && is_joined) {
        match next(&mut events).await {
            Event::Sent { client_msg_id, state: SendState::Stored(_) } => is_stored |= client_msg_id == id(4),
            Event::Joined { room, .. } => is_joined |= room == other,
            _ => {}
        }
    }
}

/// Joins the room while entries arrive, and pages backward to its beginning.
fn page_all(server: &Server) -> tokio::task::JoinHandle<(Handle, Events)> {
    let mut config = Config::new(&server.url(), server.token("bob")).expect("an address");
    config.kept_messages = 10 * SUBMITTED;
    tokio::spawn(async move {
        let (handle, mut events) = connect(config);
        let page = |before| HistoryRequest { before, limit: Some(20), ..HistoryRequest::newest(room()) };
        handle.send(Command::Join { room: room(), since: None }).await.expect("a client");
        let mut is_asked = false;
        loop {
            match next(&mut events).await {
                Event::Joined { .. } if !is_asked => {
                    is_asked = true;
                    handle.try_send(Command::History(page(None))).expect("room for it");
                }
                Event::Server(ServerEvent::History(history)) => {
                    let from = history.covers.expect("a server with changes").from;
                    if !history.has_more {
                        return (handle, events);
                    }
                    handle.try_send(Command::History(page(Some(from)))).expect("room for it");
                }
                Event::RequestFailed { reason, .. } => panic!("{reason}"),
                _ => {}
            }
        }
    })
}
