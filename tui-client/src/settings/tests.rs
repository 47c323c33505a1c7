//! Texts with their settings and faults.

use std::path::PathBuf;
use std::time::Duration;

use proptest::prelude::*;
use realtime_shared::RoomName;

use super::keys::{Shown, TABLES};
use super::*;
use crate::app::timeline::HeldBytes;
use crate::app::{Action, Chord, Keymap, Theme};

fn faults(text: &str) -> Vec<String> {
    read(text.as_bytes()).1.iter().map(ToString::to_string).collect()
}

#[track_caller]
fn good(text: &str) -> Settings {
    let (settings, faults) = read(text.as_bytes());
    assert!(faults.is_empty(), "{text}: {faults:?}");
    settings
}

/// The one fault of a text, with its line.
#[track_caller]
fn fault(text: &str) -> String {
    let mut faults = faults(text);
    assert_eq!(faults.len(), 1, "{text}: {faults:?}");
    faults.remove(0)
}

fn pressed(keymap: &Keymap, key: &str) -> Option<Action> {
    keymap.action(key.parse::<Chord>().expect(key).event())
}

/// The example with all values uncommented, except these keys.
fn written_out(without: &[&str]) -> String {
    let is_value = |line: &&str| line.starts_with('#') && !line.starts_with("# ") && *line != "#";
    let example = example();
    let lines = example.lines().map(|line| match line.strip_prefix('#').filter(|_| is_value(&line)) {
        Some(value) if without.iter().any(|key| value.starts_with(&format!("{key} ="))) => "",
        Some(value) => value,
        None => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_example_file_equals_the_printed_example() {
    let file = include_str!("../../config.example.toml");
    assert!(file == example(), "run `realtime-tui --print-config > tui-client/config.example.toml`");
}

#[test]
fn the_example_sets_the_defaults() {
    assert_eq!(good(&example()), Settings::default());
    assert_eq!(good(&written_out(&["rooms", "token_file", "token_command"])), Settings::default());
    assert_eq!(good(&written_out(&["token_command"])).rooms.len(), 2);
}

#[test]
fn each_key_accepts_its_value_in_the_example() {
    for table in TABLES {
        for key in table.keys {
            let header = if table.name.is_empty() { String::new() } else { format!("[{}]\n", table.name) };
            let (Shown::Default(value) | Shown::Example(value)) = key.shown;
            let settings = good(&format!("{header}{} = {value}", key.name));
            let is_default = matches!(key.shown, Shown::Default(_));
            assert_eq!(settings == Settings::default(), is_default, "{}", key.name);
            assert!(key.about.lines().all(|line| line.chars().count() <= 110), "{}", key.name);
        }
    }
}

#[test]
fn all_keys_apply() {
    let settings = good(
        r#"
        url = "ws://chat.example/ws"
        rooms = ["dev", "ops", "dev"]
        token_command = "pass show chat | head -n 1"
        state = false
        theme = "16"
        ascii = true
        mouse = false
        escape_delay_ms = 250
        history_mib = 16
        typing = false
        notify.bell = false

        [keys]
        retry = ["ctrl-g", "F9"]
        quit = "Ctrl-Q"
        help = []
        "#,
    );
    assert_eq!(settings.url, "ws://chat.example/ws");
    assert_eq!(settings.rooms.iter().map(RoomName::as_str).collect::<Vec<_>>(), ["dev", "ops"]);
    let arguments = vec!["-c".to_owned(), "pass show chat | head -n 1".to_owned()];
    let command = TokenCommand { program: "sh".to_owned(), arguments };
    assert_eq!(settings.token, Some(TokenFrom::Command(command)));
    assert_eq!((settings.state, settings.theme, settings.ascii), (false, Theme::Sixteen, true));
    assert_eq!((settings.mouse, settings.typing), (false, false));
    assert_eq!(settings.escape_delay, Duration::from_millis(250));
    assert_eq!(settings.held_bytes, HeldBytes(16 << 20));
    assert_eq!(settings.notify, Notify { bell: false, ..Notify::default() });
    let map = &settings.keymap;
    assert_eq!(pressed(map, "F9"), Some(Action::Retry));
    assert_eq!((pressed(map, "Ctrl-Q"), pressed(map, "Ctrl-C")), (Some(Action::Quit), None));
    assert_eq!(pressed(map, "F1"), None);
}

#[test]
fn the_wait_after_escape_has_limits() {
    for (value, is_good) in [("24", false), ("25", true), ("1_000", true), ("1001", false), ("-100", false)] {
        let (settings, faults) = read(format!("escape_delay_ms = {value}").as_bytes());
        assert_eq!(faults.is_empty(), is_good, "{value}");
        assert!(is_good || settings == Settings::default(), "{value}");
    }
    for value in ["7", "4097", "-1", "9999999999999"] {
        let expected = "1: `history_mib`: it must be 8 to 4096 MiB";
        assert_eq!(fault(&format!("history_mib = {value}")), expected);
    }
    assert_eq!(fault("escape_delay_ms = 0"), "1: `escape_delay_ms`: it must be 25 to 1000 milliseconds");
}

#[test]
fn a_token_has_one_source() {
    assert_eq!(good("token_file = '~/t'").token, Some(TokenFrom::File(PathBuf::from("~/t"))));
    let words = good("token_command = ['pass', 'show', '']").token;
    let arguments = vec!["show".to_owned(), String::new()];
    assert_eq!(words, Some(TokenFrom::Command(TokenCommand { program: "pass".to_owned(), arguments })));
    let both = "token_command = 'a'\ntoken_file = 'b'";
    assert_eq!(
        fault(both),
        "2: `token_file`: token_file and token_command exclude each other; the first one applies"
    );
    assert!(matches!(read(both.as_bytes()).0.token, Some(TokenFrom::Command(_))));
}

#[test]
fn faults_are_reported_with_their_line() {
    for (text, said) in [
        ("\nthem = 'dark'", "2: no key is called `them`; did you mean `theme`?"),
        ("token-file = 'x'", "1: no key is called `token-file`; did you mean `token_file`?"),
        ("colour = 1", "1: no key is called `colour`"),
        ("[notify]\n\nbel = true", "3: no key is called `notify.bel`; did you mean `bell`?"),
        ("[notify]\nurl = 'x'", "2: no key is called `notify.url`; `url` belongs above the first [table]"),
        ("bell = true", "1: no key is called `bell`; `bell` belongs in [notify]"),
        ("[notfy]\nbell = true", "1: no table is called `notfy`; did you mean `notify`?"),
        ("notify = true", "1: `notify`: expected a table [notify]"),
        ("[[keys]]\nquit = 'F4'", "1: `keys`: expected a table [keys]"),
        ("[url]", "1: `url`: invalid type: map, expected a string"),
        ("mouse = 'no'", "1: `mouse`: invalid type: string \"no\", expected a boolean"),
        ("mouse = 1", "1: `mouse`: invalid type: integer `1`, expected a boolean"),
        ("theme = 16", "1: `theme`: invalid type: integer `16`, expected a string"),
        (
            "theme = 'drak'",
            "1: `theme`: unknown variant `drak`, expected one of `auto`, `dark`, `light`, `16`, `none`",
        ),
        (
            "[notify]\non = 'x'",
            "2: `notify.on`: unknown variant `x`, expected one of `mentions`, `all`, `nothing`",
        ),
        ("url = 'http://x'", "1: `url`: `http://x` does not begin with ws:// or wss://"),
        ("token_file = ''", "1: `token_file`: it is empty"),
        ("token_command = []", "1: `token_command`: it contains no program"),
        ("token_command = ['a', 1]", "1: `token_command`: expected a script for `sh -c`, or a list of words"),
        ("token_command = true", "1: `token_command`: expected a script for `sh -c`, or a list of words"),
        ("rooms = 'dev'", "1: `rooms`: invalid type: string \"dev\", expected a sequence"),
        (
            "rooms = [\n'dev',\n'dm:bob']",
            "3: `rooms`: `dm:bob`: names that begin with dm: or sys: are reserved",
        ),
        ("[keys]\nretyr = ['F9']", "2: no action is called `retyr`; did you mean `retry`?"),
        ("[keys]\nretry = 7", "2: `keys.retry`: invalid type: integer `7`, expected a sequence"),
        ("[keys]\nretry = ['k']", "2: `keys.retry`: `k` is text: add Ctrl or Alt"),
        ("[keys]\nretry = ['F5']\nhelp = ['f5']", "3: `keys.help`: F5 is already a key of `retry`"),
    ] {
        assert_eq!(fault(text), said, "{text}");
    }
}

#[test]
fn a_fault_drops_its_own_key() {
    let text =
        "ascii = true\nrooms = ['dm:x', 'dev', 7]\nmouse = 1\ntyping = false\n[keys]\nretry = ['F5', 'x']";
    let (settings, faults) = read(text.as_bytes());
    assert_eq!(faults.iter().map(|fault| fault.line).collect::<Vec<_>>(), [2, 2, 3, 6].map(Some));
    assert_eq!((settings.ascii, settings.mouse, settings.typing), (true, true, false));
    assert_eq!(settings.rooms.iter().map(RoomName::as_str).collect::<Vec<_>>(), ["dev"]);
    assert_eq!(pressed(&settings.keymap, "F5"), Some(Action::Retry));
    let (settings, _) = read(b"[keys]\nretry = ['x']");
    assert_eq!(pressed(&settings.keymap, "Ctrl-R"), Some(Action::Retry), "it keeps what it has");
}

#[test]
fn a_line_that_is_not_toml_is_dropped_alone() {
    for (broken, line) in [
        ("theme = dark", 2),
        ("theme = \"dark", 2),
        ("theme =", 2),
        ("theme", 2),
        ("= 'dark'", 2),
        ("theme 'dark'", 2),
        ("theme = 'dark' 'light'", 2),
        ("ascii = true", 2),
        ("\u{0}", 2),
    ] {
        let text = format!("ascii = true\n{broken}\nmouse = false\n");
        let (settings, faults) = read(text.as_bytes());
        assert_eq!(
            faults.iter().map(|fault| fault.line).collect::<Vec<_>>(),
            [Some(line)],
            "{text}: {faults:?}"
        );
        assert_eq!((settings.ascii, settings.mouse, settings.theme), (true, false, Theme::Auto), "{text}");
    }
}

#[test]
fn a_broken_url_does_not_become_the_default_server() {
    for broken in ["url = ws://chat.example", "  url='ws://chat.example", "url="] {
        let (settings, faults) = read(format!("ascii = true\n{broken}\n").as_bytes());
        assert_eq!((settings.url.as_str(), faults.len()), ("", 1), "{broken}: {faults:?}");
    }
    let (settings, _) = read(b"url = 'ws://chat.example'\nurls = x");
    assert_eq!(settings.url, "ws://chat.example");
}

#[test]
fn consequences_of_a_broken_line_are_not_reported() {
    let text =
        "[notify\nbell = false\n[keys]\nretry = [\n  'F5',\n  F6,\n]\nhelp = 'F7'\n[notify]\ndesktop = false";
    let (settings, faults) = read(text.as_bytes());
    assert_eq!(faults.iter().map(|fault| fault.line).collect::<Vec<_>>(), [Some(1), Some(6)]);
    assert_eq!((settings.notify.bell, settings.notify.desktop), (true, false));
    assert_eq!(pressed(&settings.keymap, "F7"), Some(Action::Help));
    assert_eq!(pressed(&settings.keymap, "F5"), None, "the list is broken");
}

#[test]
fn invalid_utf_8_is_reported() {
    let (settings, faults) = read(b"ascii = true\n# caf\xe9\nmouse = false");
    assert_eq!(faults.iter().map(ToString::to_string).collect::<Vec<_>>(), ["2: this is not UTF-8"]);
    assert_eq!((settings.ascii, settings.mouse), (true, false));
}

#[test]
fn faults_are_short_and_safe_to_show() {
    let long = "x".repeat(10_000);
    for text in [format!("{long} = 1"), format!("theme = '{long}'"), "theme = \"a\\u001b[2J\\nb\"".to_owned()]
    {
        let said = fault(&text);
        assert!(said.chars().count() < 300 && !said.contains(char::is_control), "{said}");
    }
}

/// Random texts that are nearly valid.
fn nearly() -> impl Strategy<Value = String> {
    let words: Vec<String> =
        example().split_inclusive([' ', '\n', '"', '#', '[']).map(str::to_owned).collect();
    let word = prop_oneof![
        4 => prop::sample::select(words),
        1 => "\\PC{0,3}",
        1 => prop::sample::select(vec!["\n", " = ", "'", "\"\"\"", "[[", "{", "}", ".", ",", "\r", "\u{0}"])
            .prop_map(str::to_owned),
    ];
    prop::collection::vec(word, 0..60).prop_map(|words| words.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let lines = bytes.split(|byte| *byte == b'\n').count();
        for fault in read(&bytes).1 {
            prop_assert!(fault.line.is_some_and(|line| (1..=lines).contains(&line)), "{fault}");
        }
    }

    #[test]
    fn any_text_is_read(text in nearly()) {
        let lines = text.matches('\n').count() + 1;
        for fault in read(text.as_bytes()).1 {
            prop_assert!(fault.line.is_some_and(|line| (1..=lines).contains(&line)), "{fault}");
        }
    }
}
