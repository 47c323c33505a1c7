//! Addresses in a text: their length, and their form for other programs.

use std::fmt;

use unicode_segmentation::UnicodeSegmentation;

/// Longest address that is a link, in bytes: the limit of common terminals and browsers.
const TARGET_BYTES: usize = 2_000;

/// Longest local part of a mail address, in bytes (RFC 5321).
const MAILBOX_BYTES: usize = 64;

/// Target of a link: `http`, `https` or `mailto`, in visible ASCII. Other characters are percent-encoded, so that it is
/// one argument of a command and one parameter of an escape sequence.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target(Box<str>);

impl Target {
    /// Target of `address`, as written in a text; `None` if it is not an address, or too long.
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

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True for `http` and `https`.
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

/// Scheme that `text` begins with. Other schemes are not links: opening them may do more than show a page.
fn scheme(text: &str) -> Option<&'static str> {
    ["https://", "http://", MAILTO]
        .into_iter()
        .find(|scheme| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
}

/// Length in bytes of the address at the start of `text`; 0 if there is none. Punctuation at its end belongs to the
/// sentence, and so does a closing bracket without an opening one.
pub(super) fn length(text: &str) -> usize {
    let Some(scheme) = scheme(text) else { return 0 };
    // Checked before the rest is read, so that many invalid beginnings cost little.
    if !begins(scheme, &text[scheme.len()..]) {
        return 0;
    }
    let graphemes = text.graphemes(true).take_while(|grapheme| is_of_address(grapheme));
    let address = without_end(&text[..graphemes.map(str::len).sum()]);
    if address.get(scheme.len()..).is_some_and(|rest| begins(scheme, rest)) { address.len() } else { 0 }
}

/// True if the text behind the scheme begins as a host or a mailbox does.
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

/// Characters of RFC 3986, and letters of all scripts.
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
