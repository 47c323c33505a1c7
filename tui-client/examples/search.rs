//! Cost of a key press in a search in a room with the most messages that a client holds.
//!
//! `cargo run --release --example search`

use std::collections::HashMap;
use std::error::Error;
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use realtime_shared::{EntryFields, EntryId, Message, RoomName, Seq, Text, Timestamp, UserId};
use realtime_tui::app::timeline::HELD;
use realtime_tui::app::{Input, Model, Msg, Now, update};
use realtime_tui::net::{Entry, Event};
use realtime_tui::terminal_input::{KeyCode, KeyEvent, KeyModifiers};

const NOW: Now = Now { mono: Duration::ZERO, wall: Timestamp::from_millis(1_795_378_680_000) };
/// Texts of the messages: plain words, markup, letters beyond ASCII, an address.
const SAID: [&str; 5] = [
    "the build is green again, and the deployment goes out at four",
    "did **anybody** look at `merge_ranges`? it takes *ages*",
    "für mich läuft es schon länger so, seit gestern früh",
    "see https://example.org/some/where/else#and-on for the rest of it",
    "功夫就是時間。這是一條很長的消息，需要換行顯示 👩\u{200d}🚀",
];
/// Query, typed key by key.
const QUERY: &str = "the rest";

fn main() -> Result<(), Box<dyn Error>> {
    let room = RoomName::new("chat")?;
    let (mut model, _) = Model::new(std::slice::from_ref(&room), HashMap::new(), TimeZone::UTC, 1, NOW);
    for seq in 1..=HELD as u64 {
        hear(&mut model, &room, seq)?;
    }
    press(&mut model, KeyCode::Char('f'), KeyModifiers::CONTROL);
    println!("{HELD} messages");
    for c in QUERY.chars() {
        let took = press(&mut model, KeyCode::Char(c), KeyModifiers::NONE);
        println!("{c:?}: {took:?}, {:?}", model.pane().search_result());
    }
    println!("a step: {:?}", press(&mut model, KeyCode::Up, KeyModifiers::NONE));
    let took = hear(&mut model, &room, HELD as u64 + 1)?;
    println!("a new message: {took:?}, {:?}", model.pane().search_result());
    Ok(())
}

fn press(model: &mut Model, code: KeyCode, modifiers: KeyModifiers) -> Duration {
    timed(model, Input::Key(KeyEvent::new(code, modifiers)))
}

fn hear(model: &mut Model, room: &RoomName, seq: u64) -> Result<Duration, Box<dyn Error>> {
    let said = SAID[usize::try_from(seq)? % SAID.len()];
    let fields = EntryFields {
        room: room.clone(),
        from: UserId::new("bob")?,
        epoch: None,
        seq: Seq::new(seq),
        id: EntryId::from_u128(seq.into()),
        ts: NOW.wall,
        client_msg_id: None,
    };
    let message = Message::new(Text::new(said)?.into(), fields);
    Ok(timed(
        model,
        Input::Net(Event::Entry { entry: Entry::Message(message), position: None, replayed: true }),
    ))
}

fn timed(model: &mut Model, input: Input) -> Duration {
    let begun = Instant::now();
    update(model, Msg { now: NOW, input });
    begun.elapsed()
}
