//! Selecting with the mouse: the text is copied to the terminal's clipboard (OSC 52).

use crate::conversation::alice_and_bob;
use crate::server::Server;
use crate::terminal::{Terminal, WIDE};

/// Column and row of a text on the screen, from 1.
fn place_of(screen: &str, text: &str) -> (usize, usize) {
    let (row, line) = screen.lines().enumerate().find(|(_, line)| line.contains(text)).expect("the text");
    (line.split(text).next().expect("its start").chars().count() + 1, row + 1)
}

/// A report of the left button in the SGR encoding.
fn report(button: u8, (column, row): (usize, usize), last: char) -> String {
    format!("\x1b[<{button};{column};{row}{last}")
}

/// Presses the button on one text, and drags to the end of another. Returns the number of bytes written until then.
fn drag(terminal: &mut Terminal, from: &str, to: &str) -> usize {
    let seen = terminal.shows(to);
    let (column, row) = place_of(&seen.text, to);
    let press = report(0, place_of(&seen.text, from), 'M');
    terminal.press(&(press + &report(32, (column + to.chars().count() - 1, row), 'M')));
    // The selected cells are reversed.
    terminal.wait_until_written(seen.written, "\x1b[7m");
    seen.written
}

fn release(terminal: &mut Terminal) {
    terminal.press(&report(0, (1, 1), 'm'));
}

#[test]
fn a_drag_copies_its_text_while_messages_arrive() {
    let server = Server::start();
    let (mut alice, mut bob) = alice_and_bob(&server);
    bob.submit("the one to copy");
    let written = drag(&mut alice, "one", "copy");
    for number in 1..=5 {
        bob.submit(&format!("meanwhile {number}"));
    }
    alice.shows("meanwhile 5");
    release(&mut alice);
    alice.shows("copied 11 characters");
    alice.wait_until_written(written, "\x1b]52;c;b25lIHRvIGNvcHk=\x1b\\");
}

#[test]
fn a_drag_from_the_column_of_nicks_copies_tabs_as_tabs() {
    let server = Server::start();
    let (mut alice, mut bob) = alice_and_bob(&server);
    bob.press("\x1b[200~```make\nall:\n\tcc x.c\n```\x1b[201~\r");
    let seen = alice.shows("cc x.c");
    // The nick is beside the title of the code.
    assert!(seen.text.contains("bob  │ make"), "{}", seen.text);
    let written = drag(&mut alice, "bob  │", "cc x.c");
    release(&mut alice);
    alice.wait_until_written(written, "\x1b]52;c;YWxsOgoJY2MgeC5j\x1b\\");
}

#[test]
fn a_click_on_a_link_without_a_desktop_copies_it() {
    let server = Server::start();
    let (alice, mut bob) = alice_and_bob(&server);
    bob.submit("see https://example.org/a for more");
    alice.shows("https://example.org/a");
    let mut reader =
        Terminal::start(WIDE, &server.token("carol"), &["--url", &server.url(), "--room", "lobby"]);
    reader.wait_for_connection();
    let seen = reader.shows("https://example.org/a");
    let at = place_of(&seen.text, "example.org");
    reader.press(&(report(0, at, 'M') + &report(0, at, 'm')));
    reader.shows("copied, as there is no browser here: https://example.org/a");
    reader.wait_until_written(seen.written, "\x1b]52;c;aHR0cHM6Ly9leGFtcGxlLm9yZy9h\x1b\\");
}
