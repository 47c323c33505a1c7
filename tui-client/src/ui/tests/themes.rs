//! Screens with their styles, in each theme, and in ASCII.

use ratatui::buffer::Cell;
use ratatui::style::{Color, Modifier};

use super::*;
use crate::terminal::Ground;

const DARK: Capabilities =
    Capabilities { depth: Depth::Indexed, ground: Some(Ground::Dark), has_signs: true };

/// The screen with changes of style: `«113 bold»` before the first cell of a style. A space has no style unless it is
/// visible.
fn styled(buffer: &Buffer) -> String {
    let mut lines = String::new();
    for y in 0..buffer.area.height {
        let mut line = String::new();
        let mut before = String::new();
        let mut x = 0;
        while x < buffer.area.width {
            let cell = &buffer[(x, y)];
            let is_space = cell.symbol() == " " && !cell.modifier.intersects(VISIBLE);
            let is_marked = before.contains("reversed") || before.contains("underlined");
            let look = if is_space && !is_marked { before.clone() } else { look(cell) };
            if look != before {
                line.extend(["«", &look, "»"]);
                before = look;
            }
            line.push_str(cell.symbol());
            x += cells(cell.symbol());
        }
        lines.push_str(line.trim_end());
        lines.push('\n');
    }
    lines
}

/// Styles of each row: first column and number of cells. Rows and columns count from 0.
pub(super) fn styles(buffer: &Buffer) -> String {
    let mut rows = Vec::new();
    for y in 0..buffer.area.height {
        let mut runs: Vec<(u16, u16, String)> = Vec::new();
        for x in 0..buffer.area.width {
            let cell = &buffer[(x, y)];
            let look = look(cell);
            let is_space = cell.symbol() == " " && !cell.modifier.intersects(VISIBLE);
            match runs.last_mut() {
                Some((from, cells, last)) if *last == look && *from + *cells == x => *cells += 1,
                _ if look.is_empty() || is_space => {}
                _ => runs.push((x, 1, look)),
            }
        }
        if !runs.is_empty() {
            let runs = runs.iter().map(|(from, cells, look)| format!("{from}+{cells} {look}"));
            rows.push(format!("{y:>3}: {}\n", runs.collect::<Vec<_>>().join(", ")));
        }
    }
    rows.concat()
}

/// Modifiers that are visible on a space.
const VISIBLE: Modifier = Modifier::REVERSED.union(Modifier::UNDERLINED);

/// Colour by number or value, and modifiers; empty for the default style.
fn look(cell: &Cell) -> String {
    assert_eq!(cell.bg, Color::Reset, "a theme sets no background");
    let color = match cell.fg {
        Color::Reset => None,
        Color::Indexed(index) => Some(index.to_string()),
        other => Some(other.to_string()),
    };
    let modifiers = [
        (Modifier::BOLD, "bold"),
        (Modifier::ITALIC, "italic"),
        (Modifier::UNDERLINED, "underlined"),
        (Modifier::REVERSED, "reversed"),
    ];
    let set = modifiers.iter().filter(|(modifier, _)| cell.modifier.contains(*modifier));
    let words = color.into_iter().chain(set.map(|(_, word)| (*word).to_owned()));
    words.collect::<Vec<_>>().join(" ")
}

/// A busy screen: all kinds of texts, signs and states.
fn busy() -> Client {
    let mut client = lively();
    let chat = "chat-general";
    client.receive(chat, "alice", "**bold**, *italic*, `code`, @you: https://example.org/x");
    client.receive(chat, "bob", "> quoted\n```rust\nfn main() {}\n```");
    client.ctrl('u');
    let put_off = client.send("not now");
    client.state(&put_off, SendState::PutOff("the store is busy".to_owned()));
    client.member_types(chat, "bob", true);
    client
}

fn in_theme(client: Client, size: (u16, u16), theme: Theme, capabilities: Capabilities) -> TestScreen {
    let mut screen = TestScreen::new(client, size);
    screen.state = ViewState::new(capabilities);
    screen.client.model.theme = theme;
    screen.draw();
    screen
}

#[test]
fn a_busy_screen_in_each_theme() {
    let sixteen = Capabilities { depth: Depth::Sixteen, ..DARK };
    let unknown = Capabilities { ground: None, ..DARK };
    for (name, theme, capabilities) in [
        ("dark", Theme::Dark, DARK),
        ("dark_true", Theme::Dark, Capabilities { depth: Depth::True, ..DARK }),
        ("light", Theme::Light, DARK),
        ("either", Theme::Auto, unknown),
        ("16_dark", Theme::Sixteen, sixteen),
        ("16_light", Theme::Sixteen, Capabilities { ground: Some(Ground::Light), ..sixteen }),
        ("none", Theme::None, DARK),
    ] {
        let screen = in_theme(busy(), SIZES[0], theme, capabilities);
        snapshot(&format!("theme_{name}"), &styled(screen.terminal.backend().buffer()));
    }
}

#[test]
fn a_busy_screen_in_ascii() {
    let screen = in_theme(busy(), SIZES[0], Theme::None, Capabilities { has_signs: false, ..DARK });
    snapshot("theme_ascii", &text(screen.terminal.backend().buffer()));
}

#[test]
fn themes_over_the_screen() {
    snapshots("themes", || {
        let mut client = lively();
        client.ctrl('u');
        client.enter("/theme");
        client.press(KeyCode::Down);
        client
    });
}

/// A client with ASCII messages only, so that all other characters are the client's own.
fn plain() -> Client {
    let mut client = Client::online(&["chat-general", "dev", "ops"]);
    let chat = "chat-general";
    client.round_trip(Duration::from_millis(23));
    client.receive(chat, "alexandra-the-great", "> quoted\n```rust\nfn main() { println!(\"so long that it is broken somewhere, on a wide screen too, I hope\") }\n```");
    client.member_joins(chat, "dave");
    client.member_leaves(chat, "carol");
    client.pass(86_400_000);
    client.joined(chat, Some(Recovery::Complete { replayed: 37 }), Some(Duration::from_secs(12)));
    client.receive(chat, "bob", "https://example.org/ and @you");
    client.receive("dev", "bob", "@you x");
    for n in 0..40 {
        client.member_joins(chat, &format!("visitor{n}"));
    }
    let stored = client.send("stored");
    client.deliver_copy(chat, &stored, "stored");
    let sent = client.send("sent");
    client.state(&sent, SendState::Sent);
    let put_off = client.send("not now");
    client.state(&put_off, SendState::PutOff("the store is busy".to_owned()));
    let refused = client.send("no");
    client.state(&refused, SendState::Refused("you may not".to_owned()));
    client.member_types(chat, "bob", true);
    client
}

/// Screens that contain all signs together.
fn plain_screens() -> Vec<Client> {
    let press = |key: KeyCode| {
        let mut client = plain();
        client.press(key);
        client
    };
    let alt = |key| {
        let mut client = plain();
        let viewed = client.viewed(0, 7);
        client.input(viewed);
        client.alt(key);
        client
    };
    let control = |key| {
        let mut client = plain();
        client.ctrl(key);
        client
    };
    let mut offline = plain();
    offline.lose_connection(Duration::from_secs(9));
    offline.send("queued");
    let mut writing = plain();
    writing.write("/t");
    writing.press(KeyCode::Tab);
    let mut themes = plain();
    themes.enter("/theme");
    let mut out = plain();
    out.model.rooms[2].membership = crate::app::Membership::Outside;
    let mut stopped = plain();
    stopped.net(Event::State(crate::net::ConnectionState::Stopped {
        reason: crate::net::Disconnect::Silent,
        token: None,
    }));
    let mut lobby = Client::offline(&[]);
    lobby.connect();
    vec![
        plain(),
        press(KeyCode::F(1)),
        press(KeyCode::F(2)),
        press(KeyCode::F(3)),
        press(KeyCode::PageUp),
        alt('o'),
        alt('2'),
        control('k'),
        control('p'),
        offline,
        writing,
        themes,
        out,
        stopped,
        lobby,
        Client::offline(&["chat-general"]),
        after_an_absence(),
        scrolling::long(),
    ]
}

#[test]
fn only_ascii_is_drawn_with_the_ascii_option() {
    let capabilities = Capabilities { has_signs: false, ..DARK };
    for (index, size) in
        plain_screens().iter().enumerate().flat_map(|(index, _)| SIZES.map(|size| (index, size)))
    {
        let mut screen = in_theme(plain_screens().swap_remove(index), size, Theme::Auto, capabilities);
        for scroll in [Scroll::Bottom, Scroll::PageUp, Scroll::PageUp, Scroll::Top] {
            screen.state.scroll(&screen.client.model, scroll);
            screen.draw();
            let text = text(screen.terminal.backend().buffer());
            assert!(text.is_ascii(), "screen {index} at {size:?}:\n{text}");
        }
    }
}

/// Signs come from the look, so that `--ascii` covers all of them. Tests and comments may contain them.
#[test]
fn panes_contain_no_signs_beyond_ascii() {
    let sources = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/ui")).expect("sources");
    for path in sources.map(|entry| entry.expect("a file").path()).filter(|path| path.is_file()) {
        let source = std::fs::read_to_string(&path).expect("a source");
        let code = source.split("#[cfg(test)]").next().unwrap_or_default();
        for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
            let is_own = line.contains("look.own(");
            assert!(line.is_ascii() || is_own || path.ends_with("tests.rs"), "{}: {line}", path.display());
        }
    }
}
