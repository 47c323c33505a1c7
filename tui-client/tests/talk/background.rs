//! The query for the terminal's background, and the effect of its answer.

use crate::server::Server;
use crate::terminal::{BLACK, MEDIUM, Terminal, WHITE};

/// Grey of stamps and rules on dark and light backgrounds, and on an unknown one.
const ON_DARK: &str = "38;5;247";
const ON_LIGHT: &str = "38;5;241";
const ON_EITHER: &str = "38;5;243";

const QUESTION: &str = "\x1b]11;?";

fn start(server: &Server, answer: &str, options: &[&str]) -> Terminal {
    let url = server.url();
    let arguments = [&["--url", &url, "--room", "lobby"][..], options].concat();
    Terminal::start_on(answer, MEDIUM, &server.token("alice"), &arguments)
}

/// Bytes written until the first frame with a connection.
fn begins(client: &Terminal) -> String {
    client.wait_for_connection();
    String::from_utf8(client.written_from(0)).expect("UTF-8")
}

/// Until the answer arrives, the colours are readable on both backgrounds.
#[test]
fn colours_follow_the_background_of_the_terminal() {
    let server = Server::start();
    for (answer, grey, other) in [
        (BLACK, ON_DARK, ON_LIGHT),
        (WHITE, ON_LIGHT, ON_DARK),
        ("\x1b]11;black\x07", ON_EITHER, ON_DARK),
        ("", ON_EITHER, ON_DARK),
    ] {
        let mut client = start(&server, answer, &[]);
        client.shows("beginning of #lobby");
        client.wait_for_answer();
        // The client handles the answer before a later key.
        client.press("x");
        client.shows("› x");
        let written = begins(&client);
        assert!(written.contains(ON_EITHER) && written.contains(grey), "{answer:?}: {written:?}");
        assert!(!written.contains(other), "{answer:?}: {written:?}");
    }
}

#[test]
fn a_chosen_theme_sends_no_background_query() {
    let server = Server::start();
    for (theme, grey) in [("dark", Some(ON_DARK)), ("light", Some(ON_LIGHT)), ("none", None)] {
        let client = start(&server, "", &["--theme", theme]);
        let written = begins(&client);
        assert!(!written.contains(QUESTION), "{theme}");
        assert_eq!(written.contains("\x1b[38;5;"), grey.is_some(), "{theme}: {written:?}");
        assert!(grey.is_none_or(|grey| written.contains(grey)), "{theme}: {written:?}");
    }
}

#[test]
fn a_plain_terminal_gets_no_query_and_no_title() {
    let server = Server::start();
    let url = server.url();
    let arguments = ["--url", &url, "--room", "lobby"];
    for term in ["ansi", "linux", "vt52", "vt220", "sun-color", "cygwin", "eterm-color"] {
        let client = Terminal::start_in(MEDIUM, &server.token("alice"), &arguments, &[("TERM", term)]);
        client.shows("#lobby");
        client.shows("beginning of #lobby");
        let written = String::from_utf8(client.written_from(0)).expect("UTF-8");
        assert!(!written.contains("\x1b]"), "{term}: {written:?}");
    }
    let screen = Terminal::start_in(MEDIUM, &server.token("alice"), &arguments, &[("TERM", "screen")]);
    let written = begins(&screen);
    assert!(!written.contains(QUESTION) && written.contains("\x1b]2;"), "{written:?}");
}

#[test]
fn keys_typed_around_the_answer_are_kept() {
    let server = Server::start();
    let mut client = start(&server, &format!("a {BLACK}b "), &[]);
    client.shows("› a b");
    client.press("c");
    client.shows("› a b c");
    client.press("\x03\x03");
    assert_eq!(client.ended().code, 0);
}

#[test]
fn a_late_answer_applies_and_is_not_typed() {
    let server = Server::start();
    let mut client = start(&server, "", &[]);
    assert!(begins(&client).contains(ON_EITHER));
    client.press(&format!("a{WHITE}b"));
    client.shows("› ab");
    client.wait_until("answer that is gone", |screen| !screen.contains("rgb"));
    assert!(begins(&client).contains(ON_LIGHT));
}

/// Keys and frames are handled before the answer arrives.
#[test]
fn the_client_does_not_wait_for_the_answer() {
    let server = Server::start();
    let mut client = start(&server, "\x1bOP", &[]);
    client.shows("HELP");
    client.press("\x1b");
    client.shows_no_more("HELP");
    client.shows("beginning of #lobby");
    client.press("x\x1b[Dy");
    client.shows("› yx");
}

/// True if a colour of the palette is set.
fn has_colors(written: &str) -> bool {
    let styles =
        written.split("\x1b[").filter_map(|sequence| sequence.split_once('m')).map(|(style, _)| style);
    let is_color = |number: &str| matches!(number.parse(), Ok(30..=38 | 40..=48 | 90..=107));
    styles
        .filter(|style| style.bytes().all(|b| b.is_ascii_digit() || b == b';'))
        .any(|style| style.split(';').any(is_color))
}

#[test]
fn the_terminal_name_decides_about_query_and_colours() {
    let server = Server::start();
    for (term, is_asked, green) in [
        ("xterm", true, Some("\x1b[32;")),
        ("xterm-256color", true, Some("\x1b[38;5;113;")),
        ("screen-256color", false, Some("\x1b[38;5;29;")),
        ("linux", false, Some("\x1b[32;")),
        ("vt220", false, None),
    ] {
        let token = server.token("alice");
        let arguments = ["--url", &server.url(), "--room", "lobby"];
        let mut client = Terminal::start_in(MEDIUM, &token, &arguments, &[("TERM", term)]);
        client.shows("beginning of #lobby");
        if is_asked {
            client.wait_for_answer();
        }
        // The client sends the query before it reads keys, and reads the answer before a later key.
        client.press("x");
        client.wait_until("key in the composer", |screen| screen.trim_end().ends_with('x'));
        let written = String::from_utf8(client.written_from(0)).expect("UTF-8");
        assert_eq!(written.contains(QUESTION), is_asked, "{term}");
        assert_eq!(has_colors(&written), green.is_some(), "{term}: {written:?}");
        assert!(green.is_none_or(|green| written.contains(green)), "{term}: {written:?}");
        if term == "linux" {
            assert!(client.shows("beginning of #lobby").text.is_ascii());
        }
    }
}
