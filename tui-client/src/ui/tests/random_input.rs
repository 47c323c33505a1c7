//! Property: whatever a terminal reports, in whatever pieces, nothing is sent, and Ctrl-C quits.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::net::Command;
use crate::terminal_input::{Decoder, TerminalEvent};

/// Reports, answers and pastes. Pastes have line ends.
const REPORTS: [&[u8]; 18] = [
    b"\x1b]11;rgb:1e1e/1e1e/1e1e\x07",
    b"\x1b]11;rgb:1e1e/1e1e/1e1e\x1b\\",
    b"\x1b]10;rgb:0/0/0\x1b\\",
    b"\x1bP>|XTerm(370)\x1b\\",
    b"\x1bP1$r0m\x1b\\",
    b"\x1b_Gi=31;OK\x1b\\",
    b"\x1b^pm\x1b\\",
    b"\x1b[?997;1n",
    b"\x1b[?2026;2$y",
    b"\x1b[?62;22c",
    b"\x1b[>1;4000;29c",
    b"\x1b[?1u",
    b"\x1b[24;80R",
    b"\x1b[I",
    b"\x1b[O",
    b"\x1b[<0;70;9M\x1b[<0;70;9m\x1b[<64;9;9M",
    b"\x1b[200~one\rtwo\r/quit\r\x1b[201~",
    b"\x1b[200~hello\nworld\n\x1b[201~",
];

/// Pauses, some of which exceed the wait of a paste. The rest of a paste is expected after all of them.
const PAUSES: std::ops::Range<u64> = 0..2_000;

/// A report, the number of its bytes that arrive, places where it is split, and pauses there.
type CutReport = (usize, usize, Vec<(usize, u64)>);

fn reports() -> impl Strategy<Value = Vec<CutReport>> {
    let splits = prop::collection::vec((0..40_usize, PAUSES), 0..4);
    prop::collection::vec((0..REPORTS.len(), 0..60_usize, splits), 1..8)
}

/// A screen whose input is bytes.
struct TypedScreen {
    screen: TestScreen,
    decoder: Decoder,
    now: Instant,
}

impl TypedScreen {
    fn new() -> Self {
        let mut screen = TestScreen::new(Client::online(&["chat", "dev"]), (80, 24));
        screen.draw();
        Self { screen, decoder: Decoder::new(Duration::from_millis(100)), now: Instant::now() }
    }

    fn send(&mut self, bytes: &[u8]) -> Vec<Effect> {
        let events = self.decoder.feed(bytes, self.now);
        self.handle(events)
    }

    fn pass(&mut self, millis: u64) -> Vec<Effect> {
        self.now += Duration::from_millis(millis);
        let events = self.decoder.expire(self.now);
        self.handle(events)
    }

    fn handle(&mut self, events: Vec<TerminalEvent>) -> Vec<Effect> {
        let mut effects = Vec::new();
        for event in events {
            let input = match event {
                TerminalEvent::Key(key) => Some(Input::Key(key)),
                TerminalEvent::Paste(text) => Some(Input::Paste(text)),
                TerminalEvent::Focus(has_focus) => Some(Input::Focus(has_focus)),
                TerminalEvent::Mouse(mouse) => self.screen.state.mouse(&self.screen.client.model, mouse),
                TerminalEvent::Report(_) | TerminalEvent::Hangup => None,
            };
            let new = input.map(|input| self.screen.client.input(input)).unwrap_or_default();
            self.screen.run(new.clone());
            effects.extend(new);
        }
        self.screen.draw();
        effects
    }
}

fn is_sending(effect: &Effect) -> bool {
    matches!(
        effect,
        Effect::Quit | Effect::Net(Command::Send { .. } | Command::Join { .. } | Command::Leave(_))
    )
}

proptest! {
    #[test]
    fn cut_and_split_reports_send_nothing_and_ctrl_c_quits(reports in reports()) {
        let mut screen = TypedScreen::new();
        let mut effects = Vec::new();
        for (which, length, mut splits) in reports {
            let bytes = REPORTS[which];
            let bytes = &bytes[..length.min(bytes.len())];
            splits.sort_unstable();
            let mut sent = 0;
            for (at, pause) in splits {
                let at = at.clamp(sent, bytes.len());
                effects.extend(screen.send(&bytes[sent..at]));
                effects.extend(screen.pass(pause));
                sent = at;
            }
            effects.extend(screen.send(&bytes[sent..]));
        }
        effects.extend(screen.pass(1_000));
        prop_assert!(!effects.iter().any(is_sending), "{:?}", effects);
        let mut quit = screen.send(b"\x03");
        quit.extend(screen.send(b"\x03"));
        prop_assert!(quit.contains(&Effect::Quit), "{:?}", quit);
    }

    #[test]
    fn ctrl_c_twice_quits_after_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut screen = TypedScreen::new();
        let quits = |effects: Vec<Effect>| effects.contains(&Effect::Quit);
        // Random bytes may be the keys that quit.
        let mut has_quit = quits(screen.send(&bytes)) | quits(screen.pass(1_000));
        has_quit |= quits(screen.send(b"\x03"));
        has_quit |= quits(screen.send(b"\x03"));
        prop_assert!(has_quit);
    }
}

#[test]
fn escape_and_a_key_without_an_action_for_alt_are_two_keys() {
    let mut screen = TypedScreen::new();
    screen.send(b"\x1bOP");
    assert!(screen.screen.text().contains("HELP"));
    let effects = screen.send(b"\x1b\x1b[5~");
    assert!(!screen.screen.text().contains("HELP"), "Esc closes the help");
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Scroll(Scroll::PageUp))), "{effects:?}");
    assert_eq!(screen.screen.client.draft(), "");
    // With an action for Alt, it is one key.
    screen.send(b"\x1b\x1b[B");
    assert_eq!(screen.screen.client.model.current(), Some(1));
}

#[test]
fn a_key_of_a_cyrillic_layout_does_what_its_place_does() {
    let mut screen = TypedScreen::new();
    screen.send("привет".as_bytes());
    // Ctrl with the letter at the place of `u` cuts the line.
    screen.send(b"\x1b[1075::117;5u");
    assert_eq!(screen.screen.client.draft(), "");
    screen.send(b"\x1b[1083::107;5u");
    assert!(screen.screen.text().contains("ROOMS"));
}

#[test]
fn a_key_with_super_hyper_or_meta_is_not_text() {
    let mut screen = TypedScreen::new();
    for modifiers in [9, 10, 17, 33] {
        screen.send(format!("\x1b[97;{modifiers}u").as_bytes());
    }
    assert_eq!(screen.screen.client.draft(), "");
}
