//! Direct rooms, read markers and the inbox over real sockets, with two clients of a user and a lost connection.

use std::net::SocketAddr;
use std::time::Duration;

use realtime_shared::{ClientMsgId, InboxRoom, NotifyReason, Position, RoomName, Seq, ServerEvent, Text};
use realtime_tui::net::{Command, Config, ConnectionState, Entry, Event, Events, Handle, SendState, connect};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::server::Server;

/// A connection to the server that a test cuts.
struct Wire {
    address: SocketAddr,
    is_cut: watch::Sender<bool>,
}

impl Wire {
    async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (is_cut, cut) = watch::channel(false);
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut cut = cut.clone();
                tokio::spawn(async move {
                    if let Ok(mut server) = TcpStream::connect(server).await {
                        tokio::select! {
                            _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
                            _ = cut.wait_for(|is_cut| *is_cut) => {}
                        }
                    }
                });
            }
        });
        Self { address, is_cut }
    }

    fn cut(&self, is_cut: bool) {
        self.is_cut.send_replace(is_cut);
    }
}

fn lobby() -> RoomName {
    "lobby".parse().expect("a room")
}

fn client(address: SocketAddr, token: String) -> (Handle, Events) {
    let mut config = Config::new(&format!("ws://{address}"), token).expect("an address");
    config.kept_messages = 100;
    config.timing.backoff.base = Duration::from_millis(1);
    config.timing.backoff.cap = Duration::from_millis(10);
    connect(config)
}

/// The next value that `wanted` makes of an event.
async fn next<T>(events: &mut Events, wanted: impl Fn(Event) -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = wanted(events.recv().await.expect("an event")) {
                return found;
            }
        }
    };
    tokio::time::timeout(crate::WAIT_LIMIT, found).await.expect("an event in time")
}

/// Waits for the connection: without it a request is dropped.
async fn connected(events: &mut Events) {
    let is_connected = |event| matches!(event, Event::State(ConnectionState::Connected { .. })).then_some(());
    next(events, is_connected).await;
}

async fn joined(events: &mut Events, room: &RoomName) -> Option<Seq> {
    let is_joined = |event| match event {
        Event::Joined { room: joined, read_seq, .. } if joined == *room => Some(read_seq),
        _ => None,
    };
    next(events, is_joined).await
}

/// Posts a message, and waits until it is stored.
async fn post(handle: &Handle, events: &mut Events, room: &RoomName, text: &str) {
    let id = ClientMsgId::new(&format!("id of {text}")).expect("an id");
    let (room, text) = (room.clone(), Text::new(text).expect("a text"));
    handle.try_send(Command::Send { room, text, client_msg_id: id.clone() }).expect("room for it");
    let is_stored = |event| match event {
        Event::Sent { client_msg_id, state: SendState::Stored(_) } if client_msg_id == id => Some(()),
        _ => None,
    };
    next(events, is_stored).await;
}

/// Receives the message with this seq.
async fn received(events: &mut Events, seq: u64) {
    let is_received = |event| match event {
        Event::Entry { entry: Entry::Message(message), .. } if message.seq == Seq::new(seq) => Some(()),
        _ => None,
    };
    next(events, is_received).await;
}

/// Waits until the marker with this seq is stored.
async fn read(events: &mut Events, seq: u64) {
    let is_read = |event| match event {
        Event::Read { seq: read, is_stored: true, .. } if read == Seq::new(seq) => Some(()),
        _ => None,
    };
    next(events, is_read).await;
}

/// The rooms of the next inbox.
async fn inbox(events: &mut Events) -> Vec<InboxRoom> {
    let rooms = |event| match event {
        Event::Server(ServerEvent::Inbox(inbox)) => Some(inbox.rooms),
        _ => None,
    };
    next(events, rooms).await
}

#[tokio::test]
async fn markers_and_the_inbox_are_exact_after_a_lost_connection() {
    let server = Server::start_with(&["--memory"]);
    let (alice, mut from_alice) = client(server.address(), server.token("alice"));
    for text in ["one", "two"] {
        post(&alice, &mut from_alice, &lobby(), text).await;
    }
    let wire = Wire::to(server.address()).await;
    let (phone, mut from_phone) = client(wire.address, server.token("bob"));
    let (laptop, mut from_laptop) = client(server.address(), server.token("bob"));
    phone.try_send(Command::Join { room: lobby(), since: None }).expect("room for it");
    assert_eq!(
        joined(&mut from_phone, &lobby()).await,
        Some(Seq::new(2)),
        "the first join reads up to the head"
    );
    phone.try_send(Command::Inbox { limit: None, keep: true }).expect("room for it");
    assert_eq!(inbox(&mut from_phone).await[0].unread, 0);
    for text in ["three", "four", "five"] {
        post(&alice, &mut from_alice, &lobby(), text).await;
    }
    received(&mut from_phone, 5).await;
    connected(&mut from_laptop).await;
    laptop.try_send(Command::Inbox { limit: None, keep: false }).expect("room for it");
    assert_eq!(inbox(&mut from_laptop).await[0].unread, 3);
    phone.try_send(Command::Read { room: lobby(), seq: Seq::new(3) }).expect("room for it");
    read(&mut from_phone, 3).await;
    read(&mut from_laptop, 3).await;

    wire.cut(true);
    next(&mut from_phone, |event| matches!(event, Event::State(_)).then_some(())).await;
    phone.try_send(Command::Read { room: lobby(), seq: Seq::new(4) }).expect("room for it");
    next(&mut from_phone, |event| matches!(event, Event::Read { is_stored: false, .. }).then_some(())).await;
    post(&alice, &mut from_alice, &lobby(), "six").await;
    wire.cut(false);
    let rooms = inbox(&mut from_phone).await;
    let [room] = &rooms[..] else { panic!("{rooms:?}") };
    assert_eq!((room.read_seq, room.unread, room.position.seq()), (Seq::new(4), 2, Seq::new(6)));
    read(&mut from_laptop, 4).await;
    let state = from_phone.room(&lobby()).expect("a state");
    assert_eq!(state.read_seq(), Some(Seq::new(4)));
    assert_eq!(state.position().map(Position::seq), Some(Seq::new(6)), "the replay came before the inbox");
}

#[tokio::test]
async fn a_direct_message_reaches_a_user_who_is_in_no_room() {
    let server = Server::start_with(&["--memory"]);
    let (alice, mut from_alice) = client(server.address(), server.token("alice"));
    let (bob, mut from_bob) = client(server.address(), server.token("bob"));
    // A kept inbox is requested when the client connects.
    bob.try_send(Command::Inbox { limit: None, keep: true }).expect("room for it");
    assert_eq!(inbox(&mut from_bob).await, []);
    connected(&mut from_alice).await;
    alice.try_send(Command::Direct("bob".parse().expect("a user"))).expect("room for it");
    let opened = |event| match event {
        Event::Server(ServerEvent::Direct(direct)) => Some(direct),
        _ => None,
    };
    let direct = next(&mut from_alice, opened).await;
    assert_eq!(direct.user_id.as_str(), "bob");
    post(&alice, &mut from_alice, &direct.room, "psst").await;

    let notified = |event| match event {
        Event::Server(ServerEvent::Notify(notify)) => Some(notify),
        _ => None,
    };
    let notify = next(&mut from_bob, notified).await;
    assert_eq!(
        (&notify.room, notify.text.as_str(), notify.reason),
        (&direct.room, "psst", NotifyReason::Direct)
    );
    bob.try_send(Command::Inbox { limit: None, keep: false }).expect("room for it");
    let rooms = inbox(&mut from_bob).await;
    let [room] = &rooms[..] else { panic!("{rooms:?}") };
    assert_eq!((room.user_id.as_ref().map(ToString::to_string).as_deref(), room.unread), (Some("alice"), 1));
    let join = Command::Join { room: direct.room.clone(), since: Some(Position::Start) };
    bob.try_send(join).expect("room for it");
    received(&mut from_bob, 1).await;
    for command in [
        Command::Read { room: direct.room.clone(), seq: Seq::new(1) },
        Command::Inbox { limit: None, keep: false },
    ] {
        bob.try_send(command).expect("room for it");
    }
    assert_eq!(inbox(&mut from_bob).await[0].unread, 0, "the inbox has the marker before it");
}
