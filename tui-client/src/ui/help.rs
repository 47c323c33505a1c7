//! The keys, commands and signs, as rows for the overlay.

use crate::app::{COMMANDS, KEYS};

/// What the signs of the screen mean; the README has the same list.
pub const SIGNS: &[(&str, &str)] = &[
    ("● 23 ms", "connected, and the time from a ping to its pong"),
    ("◐ connecting", "a connection is being made"),
    ("○ retry 12 s", "no connection; the next try comes then"),
    ("✗ stopped", "no connection, and no try follows by itself"),
    ("↑ 3 queued", "messages that wait for the connection"),
    ("… queued", "your message waits to be sent"),
    ("…", "your message is sent and not known to be stored"),
    ("✓", "your message is stored"),
    ("✗ not sent", "your message was refused, and why"),
    ("@1 4", "four unread messages, one of them names you"),
    ("▸", "the room you look at"),
    ("✎", "is typing"),
    ("↓ 12 newer", "you are scrolled back, and so many items are below"),
];

/// The lists, each with its title.
pub(super) const LISTS: [(&str, &[(&str, &str)]); 3] =
    [("KEYS", KEYS), ("COMMANDS", COMMANDS), ("SIGNS", SIGNS)];
