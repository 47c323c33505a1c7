//! Addresses in a text: where one ends, and what of it is given to other programs.

use std::fmt;

use unicode_segmentation::UnicodeSegmentation;

/// The longest address that is followed, in bytes: as much as terminals and browsers take.
const TARGET_BYTES: usize = 2_000;

/// The longest name of a mailbox, in bytes (RFC 5321).
const MAILBOX_BYTES: usize = 64;

/// Where a link goes: `http`, `https` or `mailto`, written with visible ASCII only. What else there was is
/// percent-encoded, so that it is one argument of a command and one parameter of an escape sequence.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target(Box<str>);

impl Target {
    /// Where `address`, as it is in a text, goes; `None` where it is none, or too long.
    #[must_use]
    pub fn new(address: &str) -> Option<Self> {
        if address.is_empty() || length(address) != address.len() {
            return None;
        }
        let encoded = |byte| match byte {
            b'!'..=b'~' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        };
        let target: Box<str> = if address.bytes().all(|byte| byte.is_ascii_graphic()) {
            address.into()
        } else {
            address.bytes().map(encoded).collect::<String>().into()
        };
        (target.len() <= TARGET_BYTES).then_some(Self(target))
    }

    /// The address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is for a browser.
    #[must_use]
    pub fn is_web(&self) -> bool {
        scheme(&self.0).is_some_and(|scheme| scheme != MAILTO)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

const MAILTO: &str = "mailto:";

/// The scheme that `text` begins with. Others are no links: a program that opens one would do more than show a page.
fn scheme(text: &str) -> Option<&'static str> {
    ["https://", "http://", MAILTO]
        .into_iter()
        .find(|scheme| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
}

/// How many bytes of the start of `text` are an address; 0 where there is none. Punctuation at its end belongs to the
/// sentence around it, and so does a bracket that is not opened in it.
pub(super) fn length(text: &str) -> usize {
    let Some(scheme) = scheme(text) else { return 0 };
    // Tried before the rest is read, so that many beginnings without an end are no work.
    if !begins(scheme, &text[scheme.len()..]) {
        return 0;
    }
    let graphemes = text.graphemes(true).take_while(|grapheme| is_of_address(grapheme));
    let address = without_end(&text[..graphemes.map(str::len).sum()]);
    if address.get(scheme.len()..).is_some_and(|rest| begins(scheme, rest)) { address.len() } else { 0 }
}

/// Whether what follows the scheme begins as a host or a mailbox does.
fn begins(scheme: &str, rest: &str) -> bool {
    if scheme != MAILTO {
        return begins_host(rest);
    }
    let at = rest.bytes().take(MAILBOX_BYTES + 1).position(|byte| byte == b'@');
    at.is_some_and(|at| at > 0 && begins_host(&rest[at + 1..]))
}

fn begins_host(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphanumeric() || c == '[' || c == '%')
}

/// What RFC 3986 has, and letters of all scripts.
fn is_of_address(grapheme: &str) -> bool {
    match grapheme.as_bytes() {
        [byte] => byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(byte),
        _ => grapheme.starts_with(char::is_alphanumeric),
    }
}

fn without_end(address: &str) -> &str {
    let count = |bracket: char| address.matches(bracket).count();
    let mut round = count(')').saturating_sub(count('('));
    let mut square = count(']').saturating_sub(count('['));
    let mut end = address.len();
    for (at, grapheme) in address.grapheme_indices(true).rev() {
        match grapheme {
            "." | "," | ";" | ":" | "!" | "?" | "'" | "*" | "_" | "~" | "(" | "[" => {}
            ")" if round > 0 => round -= 1,
            "]" if square > 0 => square -= 1,
            _ => break,
        }
        end = at;
    }
    &address[..end]
}
