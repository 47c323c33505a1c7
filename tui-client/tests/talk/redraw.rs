//! The screen in tmux is the same as after a fresh redraw, whatever was shown and changed before.

use realtime_shared::UserId;
use serde_json::json;

use crate::fake_server::{FakeServer, Script};
use crate::hostile_text::{HOSTILE, tower};
use crate::output_check::FRAME_ENDS;
use crate::terminal::{MEDIUM, NARROW, Size, WIDE};
use crate::tmux::Tmux;

const STEPS: usize = 1_000;
/// Steps between two comparisons.
const ROUND: usize = 25;
/// Begins a fresh redraw.
const ERASE: &str = "\x1b[2J";
/// Variable with the seed to repeat.
const SEED: &str = "REALTIME_TEST_SEED";

const SIZES: [Size; 6] = [WIDE, MEDIUM, NARROW, (119, 39), (61, 15), (23, 7)];

/// Text in scripts and signs whose width terminals dispute.
const DISPUTED: &[&str] = &[
    "🇪",
    "🇩🇪🇫🇷",
    // No joined emoji: tmux 3.3 drops parts of them, depending on how the bytes arrive.
    "👩👨🏽💻",
    "👍🏽👍🏿",
    "🫨🪿🩷\u{1FAE9}\u{1FAC8}",
    "\u{1FAC7}\u{1F6DA}",
    "❤\u{fe0f}🔥",
    "1\u{fe0f}\u{20e3}#\u{20e3}",
    "বাংলা লেখা",
    "ক্ষ কো",
    "हिन्दी क्ष्म्य की",
    "தமிழ் கா",
    "ಕೀ ಕೊ",
    "ക്ഷ ൎക",
    "ක්‍ෂ කා",
    "ภาษาไทย กำ ที่",
    "ខ្មែរ ខ្មុំ",
    "မြန်မာ",
    "བོད་སྐད",
    "\u{1100}\u{1161}\u{11a8} 한 \u{1161} \u{11a8}",
    "한글 각",
    "日本語の文章",
    "ｶﾞ ﾊﾟ が か゚",
    "שָׁלוֹם עולם",
    "السلام عليكم",
    "e\u{301}\u{302}\u{303} Z\u{351}\u{36b}",
    "☰ ䷀ 𝌀 ㉈ ៘",
    "ꦏꦃ ᬓᬵ",
    "plain words",
    "a",
];

/// A random text: disputed, hostile, or a mixture.
fn text(random: &mut fastrand::Rng) -> String {
    let pieces = (0..random.usize(1..6)).map(|_| match random.u8(..10) {
        0 => random.choice(HOSTILE).copied().unwrap_or_default().to_owned(),
        1 => tower(),
        2 => random.char(..).to_string(),
        _ => random.choice(DISPUTED).copied().unwrap_or_default().to_owned(),
    });
    pieces.collect::<Vec<_>>().join(if random.bool() { " " } else { "" })
}

/// A random name that is valid as a user's id.
fn name(random: &mut fastrand::Rng) -> String {
    let name = random.choice(DISPUTED).copied().unwrap_or_default().to_owned();
    if UserId::new(&name).is_ok() { name } else { "bob".to_owned() }
}

/// Text that can be pasted: no control character, which would be a key.
fn pasted(random: &mut fastrand::Rng) -> String {
    let text: String = text(random).chars().filter(|c| !c.is_control()).collect();
    format!("\x1b[200~{text}\x1b[201~")
}

fn step(fake: &mut FakeServer, tmux: &Tmux, random: &mut fastrand::Rng, size: &mut Size) {
    match random.u8(..16) {
        0..=4 => {
            let (name, text) = (name(random), text(random));
            fake.post("lobby", &name, &text);
        }
        5 => {
            let typing = json!({"type": "typing", "room": "lobby", "user_id": name(random), "is_typing": random.bool()});
            fake.send_frame(&typing);
        }
        6 => {
            let members: Vec<String> = (0..random.usize(1..6)).map(|_| name(random)).collect();
            fake.send_frame(
                &json!({"type": "members", "room": "lobby", "members": members, "member_count": members.len()}),
            );
        }
        7..=9 => tmux.press(&pasted(random)),
        10 => tmux.press(["\x7f", "\x17", "\x15", "\x1b[D"][random.usize(..4)]),
        11 => tmux.press(["\x1b[5~", "\x1b[6~"][random.usize(..2)]),
        12 => tmux.press(["\x1bOP", "\x1bOQ", "\x1bOR"][random.usize(..3)]),
        13 => tmux.press("\x1b[15~"),
        14 => {
            let from = (random.u8(20..60), random.u8(2..10));
            let to = (random.u8(20..80), random.u8(2..20));
            tmux.press(&format!("\x1b[<0;{};{}M\x1b[<32;{};{}M", from.0, from.1, to.0, to.1));
        }
        _ => {
            // The terminal resizes some time later, and the client then erases the screen.
            let written = tmux.written();
            let others: Vec<Size> = SIZES.into_iter().filter(|other| other != size).collect();
            *size = others[random.usize(..others.len())];
            tmux.resize(*size);
            tmux.wait_until_written(written, ERASE);
        }
    }
}

/// Waits until the client has handled all earlier input and frames.
fn settle(fake: &mut FakeServer, tmux: &Tmux, round: usize) {
    // Close overlays, release the mouse, empty the composer, and go to the newest message. A click into the list of rooms
    // may have shown another one.
    tmux.press("\x1b[<0;50;5m\x1b[15~\x1b[15~\x1b1\x1b[F\x15\x15\x15\x15\x15\x15\x15\x15\x1b[F\x1b[F");
    fake.post("lobby", "bob", &format!("<m{round}>"));
    tmux.press(&format!("<k{round}>"));
    tmux.shows(&[&format!("<m{round}>"), &format!("<k{round}>")]);
    // Messages become read after the frame that shows them. A later key is drawn with the new counts.
    tmux.press(".");
    tmux.shows(&[&format!("<k{round}>.")]);
}

fn is_color(parameters: &str) -> bool {
    parameters.starts_with("38;")
}

/// The rows of a screen. Each character has its style, and blank ends are cut, written or not.
fn cells(screen: &str) -> Vec<String> {
    let mut style: Vec<String> = Vec::new();
    let row = |line: &str, style: &mut Vec<String>| {
        let mut row = String::new();
        let mut rest = line;
        while let Some(c) = rest.chars().next() {
            if let Some((parameters, after)) =
                rest.strip_prefix("\x1b[").and_then(|sequence| sequence.split_once('m'))
            {
                // tmux writes `0;1` for what ends all styles and begins another one.
                let parameters = match parameters.strip_prefix('0') {
                    Some(begun) => {
                        style.clear();
                        begun.trim_start_matches(';')
                    }
                    None => parameters,
                };
                match parameters {
                    "" => {}
                    "39" => style.retain(|begun| begun.len() < 2 || !begun.starts_with(['3', '9'])),
                    "49" => style.retain(|begun| begun.len() < 2 || !begun.starts_with(['4', '1'])),
                    begun => {
                        style.retain(|before| !(is_color(before) && is_color(begun)));
                        style.push(begun.to_owned());
                    }
                }
                rest = after;
                continue;
            }
            if style.is_empty() {
                row.push(c);
            } else {
                row.extend(["{", &style.join(";"), "}"]);
                row.push(c);
            }
            rest = &rest[c.len_utf8()..];
        }
        row.trim_end().to_owned()
    };
    screen.lines().map(|line| row(line, &mut style)).collect()
}

/// The rows of the screen, and the same after a fresh redraw. The client draws no frame between them: a signal that ends, a
/// late answer or a round trip would change the rows.
fn screens(tmux: &Tmux) -> (Vec<String>, Vec<String>) {
    loop {
        let written = tmux.written();
        let before = cells(&tmux.styled_screen());
        tmux.press("\x0c");
        let erased = tmux.wait_until_written(written, ERASE);
        let drawn = tmux.wait_until_written(written, FRAME_ENDS);
        if drawn > erased {
            return (before, cells(&tmux.styled_screen()));
        }
        tmux.wait_until_written(erased, FRAME_ENDS);
    }
}

#[test]
fn the_screen_is_the_same_as_after_a_fresh_redraw() {
    let seed =
        std::env::var(SEED).ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    let mut random = fastrand::Rng::with_seed(seed);
    let config = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(&config, "[keys]\nclose = ['F5']\n").expect("written");
    let config = config.path().to_str().expect("UTF-8");
    let mut fake = FakeServer::start(Script::default());
    let client = env!("CARGO_BIN_EXE_realtime-tui");
    let url = fake.url();
    let program = [client, "--url", &url, "--room", "lobby", "--no-state", "--config", config];
    let tmux = Tmux::start(MEDIUM, &program, &[("REALTIME_TOKEN", "a.b.c")]);
    tmux.shows(&["beginning of #lobby"]);
    let mut size = MEDIUM;
    for round in 0..STEPS / ROUND {
        for _ in 0..ROUND {
            step(&mut fake, &tmux, &mut random, &mut size);
        }
        settle(&mut fake, &tmux, round);
        let (before, after) = screens(&tmux);
        let differing = before.iter().zip(&after).filter(|(before, after)| before != after);
        let differing: Vec<String> =
            differing.map(|(before, after)| format!("{before:?}\n{after:?}\n")).collect();
        assert!(
            before == after,
            "{SEED}={seed}, round {round}: rows, and the same after a fresh redraw\n{}",
            differing.concat()
        );
    }
}
