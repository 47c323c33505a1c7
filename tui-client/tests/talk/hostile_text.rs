//! Hostile text from others: the client shows it, and it never reaches the terminal as a sequence.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Message, client};

use crate::attention::lose_focus;
use crate::fake_server::{FakeServer, Script};
use crate::server::Server;
use crate::terminal::{Terminal, WIDE};

/// Texts that attack terminals or readers. The client's own drawing contains none of them.
pub(crate) const HOSTILE: &[&str] = &[
    // Sequences: erase, colour, cursor, modes, reports, reset, character sets.
    "\x1b[3J",
    "\x1b[31;44m",
    "\x1b[5A",
    "\x1b[?1000h",
    "\x1b[?1049l\x1b[2J",
    "\x1b[6n",
    "\x1b[c",
    "\x1b[8;1;1t",
    "\x1bc",
    "\x1b(0",
    "\x1b#8",
    "\x1b=",
    "\x1b7\x1b8",
    "\x1b[4h",
    "\x1b[!p",
    // Control strings: titles, links, clipboard, colour queries, images, private messages.
    "\x1b]0;owned\x07",
    "\x1b]2;owned\x1b\\",
    "\x1b]8;;http://evil.example\x1b\\link\x1b]8;;\x1b\\",
    "https://evil.example/\x1b]8;;http://other.example\x1b\\link\u{7}\u{9c}",
    "https://evil.example/\u{202e}a\u{200b}b\u{301}é日 mailto:a\u{ad}@b",
    "*https://evil.example/*\x1b[3m `\x1b[4m` **\u{301}",
    "\x1b]52;c;b3duZWQ=\x07",
    "\x1b]11;?\x07",
    "\x1b]777;notify;a;b\x07",
    "\x1bPq#0\x1b\\",
    "\x1b_Gf=100\x1b\\",
    "\x1b^pm\x1b\\",
    "\x1bXsos\x1b\\",
    // Unfinished or broken sequences.
    "\x1b",
    "\x1b[",
    "\x1b[31",
    "\x1b]0;owned",
    "\x1b\x1b[31m",
    "\x1b[\x1b[31m31m",
    "\x1b]\x1b]0;x\x07\x07",
    "\x1bP\x18\x1b[31m",
    // C1 and other controls.
    "\u{9b}31m",
    "\u{9d}0;owned\u{9c}",
    "\u{90}q\u{9c}",
    "\u{84}\u{85}\u{8d}",
    "\u{9b}",
    "\x07\x08\x0b\x0c\x0e\x0f\x7f\0",
    "a\rb",
    // Bidirectional marks, embeddings, overrides and isolates.
    "\u{202e}txt.exe",
    "\u{202d}a\u{202c}",
    "\u{202a}a\u{202b}b",
    "\u{2066}a\u{2067}b\u{2068}c\u{2069}",
    "\u{200e}\u{200f}\u{61c}",
    // Invisible characters: zero-width, joiners, fillers, separators, selectors, tags, annotations, noncharacters.
    "a\u{200b}b\u{200c}c\u{200d}d\u{2060}e\u{feff}f\u{ad}g",
    "\u{34f}\u{180e}\u{115f}\u{1160}\u{3164}\u{ffa0}",
    "\u{2028}\u{2029}",
    "❤\u{fe0f}1\u{fe0f}\u{20e3}\u{fe0e}",
    "\u{e0001}\u{e0041}\u{e007f}🏴\u{e0067}\u{e007f}",
    "\u{e0100}\u{e01ef}",
    "\u{fff9}a\u{fffa}b\u{fffb}",
    "\u{fffe}\u{fdd0}\u{10ffff}",
    "\u{200d}\u{200d}👩\u{200d}a\u{200d}",
    "\u{1d173}\u{1bca0}\u{206a}",
];

/// A base character with more marks than any script uses.
pub(crate) fn tower() -> String {
    format!("Z{}", "\u{301}\u{489}\u{35c}".repeat(20))
}

/// More characters of width zero than fit in a line.
pub(crate) fn bomb() -> String {
    format!("zero{}width", "\u{200b}\u{200d}\u{2060}\u{feff}".repeat(100))
}

/// Sends frames that show `text` in each place of the screen that has text of others.
pub(crate) fn frames(fake: &mut FakeServer, name: &str, text: &str) {
    let here = format!("{name} {text}");
    fake.post("lobby", "bob", &here);
    fake.post("lobby", text, &here);
    fake.post(text, "bob", &here);
    fake.send_frame(&system("notice", &json!({"message": here, "from": "root", "room": "lobby"})));
    fake.send_frame(&system("notice", &json!({"message": here, "from": text})));
    let member =
        json!({"room": "lobby", "user_id": text, "members": [text], "member_count": 3, "reason": "left"});
    fake.send_frame(&system("joined", &member));
    fake.send_frame(&json!({"type": "typing", "room": "lobby", "user_id": text, "is_typing": true}));
    fake.send_frame(&system("left", &member));
    for room in ["lobby", "elsewhere", text] {
        let code = if room == text { text } else { "forbidden" };
        let error = json!({"type": "error", "code": code, "message": here, "temporary": false, "room": room});
        fake.send_frame(&error);
    }
    fake.send_frame(&json!({"type": text, "event": text, "message": here, "room": "lobby"}));
    fake.send_frame(&json!({"type": "members", "room": "lobby", "members": ["me", text], "member_count": 2}));
}

fn system(event: &str, fields: &Value) -> Value {
    let mut frame = json!({"type": "system", "event": event, "message": "for people"});
    let fields = fields.as_object().expect("fields").clone();
    frame.as_object_mut().expect("an object").extend(fields);
    frame
}

/// Waits until all earlier frames are drawn, and asserts that only the client's own drawing was written. Returns the
/// screen.
#[track_caller]
fn assert_only_own_drawing(fake: &mut FakeServer, client: &mut Terminal, name: &str, what: &str) -> String {
    let mark = format!("<{name}>");
    fake.post("lobby", "bob", &mark);
    let seen = client.shows(&mark);
    client.assert_only_own_drawing(what);
    seen.text
}

/// Starts a client and waits until it is connected and idle. It only draws after that.
fn settled(fake: &mut FakeServer) -> Terminal {
    let mut client = fake.client(WIDE);
    client.wait_for_connection();
    fake.post("lobby", "bob", "settled");
    client.shows("settled");
    client.settle();
    client
}

#[test]
fn hostile_frames_do_not_reach_the_terminal() {
    let mut fake = FakeServer::start(Script::default());
    let mut client = settled(&mut fake);
    let large = [tower(), bomb()];
    let all = HOSTILE.iter().copied().chain(large.iter().map(String::as_str));
    for (number, text) in all.enumerate() {
        let name = format!("n{number}");
        frames(&mut fake, &name, text);
        let screen = assert_only_own_drawing(&mut fake, &mut client, &name, &format!("{text:?}"));
        assert!(screen.contains(&format!("{name} ")), "{text:?} is not shown:\n{screen}");
    }
}

/// Hostile texts that are valid message texts. Others cannot be stored.
fn texts() -> Vec<&'static str> {
    let is_text = |text: &&&str| !text.contains(|c: char| c.is_control());
    HOSTILE.iter().filter(is_text).copied().collect()
}

/// Notifications and the window's title. A client notifies of one message per second, so each part has its own client.
#[test]
fn hostile_text_in_notifications_and_titles_does_not_reach_the_terminal() {
    let marks: String = tower().chars().take(60).collect();
    let others = [tower(), bomb()];
    let parts = texts().chunks(5).map(<[&str]>::concat).chain(others).collect::<Vec<_>>();
    for text in parts {
        let mut fake = FakeServer::start(Script::default());
        let url = fake.url();
        let mut client =
            Terminal::start(WIDE, "a.b.c", &["--url", &url, "--room", "lobby", "--room", &marks]);
        client.wait_for_connection();
        fake.post("lobby", "bob", "settled");
        client.shows("settled");
        // Enters the room with the marks, which becomes the window's title. Then the window loses the focus.
        client.press("\x1b2");
        client.shows("beginning of #Z");
        // Keyboard and socket have no common order. The message must come after the loss of the focus.
        lose_focus(&mut client);
        fake.post("lobby", &marks, &format!("@me {text}"));
        client.prints("\x1b]9;");
        client.prints("\x1b]2;(1) Z");
        fake.post(&marks, "bob", "<end>");
        client.shows("<end>");
        client.assert_only_own_drawing(&format!("{text:?}"));
    }
}

#[test]
fn hostile_text_in_answers_does_not_reach_the_terminal() {
    for text in
        ["\x1b]0;owned\x07\x1b[31m\u{9b}31m\x07", "\u{202e}\u{2066}\u{200b}\u{fe0f}\u{e0041}", &tower()]
    {
        let tower: String = tower().chars().take(60).collect();
        let mut fake = FakeServer::start(Script {
            me: format!("me{tower}"),
            members: vec!["bob".to_owned(), tower.clone()],
            rooms: vec!["lobby".to_owned(), tower],
            refusal: format!("because {text}"),
            ..Script::default()
        });
        let mut client = settled(&mut fake);
        client.submit("mine");
        client.shows("because");
        // The lists of rooms and members, with valid names and with names that the types refuse.
        for (key, title) in [("\x1bOQ", "ROOMS"), ("\x1bOR", "HERE · lobby")] {
            client.press(key);
            client.shows(&format!(" {title} ─"));
            let room = json!({"room": text, "member_count": 1, "last_ts": 1,
                "position": {"epoch": text, "seq": 1, "id": text}});
            fake.send_frame(&json!({"type": "rooms", "rooms": [room], "has_more": true}));
            frames(&mut fake, "below", text);
            client.press("\x1b");
            client.shows_no_more(&format!(" {title} ─"));
        }
        assert_only_own_drawing(&mut fake, &mut client, "end", &format!("{text:?}"));
    }
}

#[test]
fn hostile_close_reasons_and_broken_frames_do_not_reach_the_terminal() {
    use tokio_tungstenite::tungstenite::protocol::CloseFrame;

    let closed = |code: u16, reason: &str| {
        Message::Close(Some(CloseFrame { code: code.into(), reason: reason.to_owned().into() }))
    };
    let broken = format!("{{\"type\":\"{}\"", HOSTILE.concat());
    for goodbye in [
        closed(4004, "\x1b]0;owned\x07\u{202e}"),
        closed(4444, "\u{9b}31m\u{200b}"),
        Message::text(broken),
        Message::binary(HOSTILE.concat().into_bytes()),
    ] {
        let mut fake = FakeServer::start(Script::default());
        let mut client = settled(&mut fake);
        fake.send(goodbye.clone());
        // The client may have reconnected before its next frame. So the test waits for the row that stays, or for the
        // end of the attempts.
        client.wait_until("loss of the connection", |screen| {
            screen.contains("·  offline ") || screen.contains('✗')
        });
        client.assert_only_own_drawing(&format!("{goodbye:?}"));
    }
}

/// Random strings. A failure prints its seed and the text.
#[test]
fn random_text_does_not_reach_the_terminal() {
    const ROUNDS: u64 = 60;
    const PIECES: &[&str] = &[
        "\x1b",
        "[",
        "]",
        "P",
        "\\",
        "\x07",
        "\u{9b}",
        "\u{9c}",
        "\u{9d}",
        "\u{90}",
        "0;",
        "52;c;",
        "8;;",
        "?",
        "31",
        "m",
        "J",
        "h",
        "\x18",
        "\n",
        "\r",
        "\t",
        "\0",
        "\x7f",
        "a",
        "Z",
        "https://a.b/",
        "mailto:a@b",
        "*",
        "_",
        "`",
        "\n```\n",
        "\n> ",
        " ",
        "é",
        "日",
        "👩",
        "👧",
        "🏽",
        "❤",
        "🇩",
        "\u{200d}",
        "\u{fe0f}",
        "\u{200b}",
        "\u{202e}",
        "\u{2066}",
        "\u{2069}",
        "\u{301}",
        "\u{489}",
        "\u{20e3}",
        "\u{5b0}",
        "\u{e33}",
        "\u{1100}",
        "\u{1161}",
        "\u{11a8}",
        "क",
        "\u{94d}",
        "\u{e0061}",
        "\u{feff}",
        "\u{2028}",
        "\u{fffe}",
    ];
    let mut fake = FakeServer::start(Script::default());
    let mut client = settled(&mut fake);
    for seed in 0..ROUNDS {
        let mut random = fastrand::Rng::with_seed(seed);
        let text: String = (0..random.usize(1..40))
            .map(|_| {
                let any = random.char(..).to_string();
                if random.u8(..8) == 0 { any } else { PIECES[random.usize(..PIECES.len())].to_owned() }
            })
            .collect();
        frames(&mut fake, "random", &text);
        assert_only_own_drawing(
            &mut fake,
            &mut client,
            &format!("s{seed}"),
            &format!("seed {seed}, {text:?}"),
        );
    }
}

/// A link is a link of the terminal in each of its rows. Only the address of others' text is written as one.
#[test]
fn a_link_is_written_with_its_own_address() {
    let mut fake = FakeServer::start(Script::default());
    let mut client = settled(&mut fake);
    let address = format!("https://example.org/{}?q=1;2", "a/".repeat(60));
    fake.post("lobby", "bob", &format!("see {address}. <end>"));
    client.shows("<end>");
    let written = String::from_utf8(client.written_from(0)).expect("text");
    let open = format!("\x1b]8;id=link;{address}\x1b\\");
    assert_eq!(written.matches(&open).count(), 3, "one link per row: {written:?}");
    client.assert_only_own_drawing("a link");
}

/// A real server refuses control characters and accepts the other hostile texts.
#[test]
fn hostile_text_that_a_real_server_accepts_does_not_reach_the_terminal() {
    let server = Server::start();
    let mut alice = server.client("alice", WIDE);
    alice.wait_for_connection();
    alice.shows("HERE 1");
    let tower: String = tower().chars().take(60).collect();
    let stream = std::net::TcpStream::connect(server.address()).expect("a connection");
    let url = format!("{}?token={}", server.url(), server.token(&tower));
    let (mut mallory, _) = client(url, stream).expect("an upgrade");
    let mut send = |frame: Value| mallory.send(Message::text(frame.to_string())).expect("sent");

    send(json!({"type": "join_room", "room": "lobby"}));
    send(json!({"type": "message", "room": "lobby", "text": "here I am"}));
    alice.shows("here I am");
    alice.settle();
    send(json!({"type": "typing", "room": "lobby"}));
    let texts = texts();
    for (number, text) in texts.iter().copied().chain([&*bomb(), &tower]).enumerate() {
        send(json!({"type": "message", "room": "lobby", "text": format!("n{number} {text} <{number}>")}));
        alice.shows(&format!(" <{number}>"));
        alice.assert_only_own_drawing(&format!("{text:?}"));
    }
    assert!(texts.len() > 10);
    // The name of a new room is in NFC.
    send(json!({"type": "join_room", "room": format!("x{}", "\u{489}\u{310}".repeat(29))}));
    send(json!({"type": "message", "room": "lobby", "text": "last"}));
    alice.shows("last");
    // The list of rooms contains the one with the combining marks.
    alice.press("\x1bOQ");
    alice.shows("▸ lobby");
    alice.wait_until("both rooms", |screen| {
        screen.matches("1 here").count() + screen.matches("2 here").count() == 2
    });
    alice.assert_only_own_drawing("a room with a tower");
}
