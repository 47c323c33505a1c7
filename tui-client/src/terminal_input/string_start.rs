//! Start of a string, or Alt with the letter that would introduce it.
//!
//! Answers of terminals begin with known bytes, and arrive in one read, or at least more than their introducer does. So
//! Alt-], Alt-Shift-P and the like are keys, also if the next key follows at once.

const BEL: u8 = 0x07;
const CANCEL: u8 = 0x18;
const SUBSTITUTE: u8 = 0x1a;
const ESC: u8 = 0x1b;

/// True if the bytes after an introducer are typed. `begins_read`: the introducer was the end of another read.
pub(super) fn is_typed(introducer: u8, bytes: &[u8], begins_read: bool) -> bool {
    let Some(first) = bytes.first() else { return false };
    let is_answer = match introducer {
        b']' => matches!(first, b'0'..=b'9' | b'L' | b'l' | b'I'),
        b'P' => matches!(first, b'0'..=b'9' | b';'..=b'?' | b'!' | b'$' | b'+'),
        b'_' => *first == b'G',
        _ => false,
    };
    let is_end = |byte: &u8| matches!(*byte, BEL | CANCEL | SUBSTITUTE | ESC | 0x80..=0x9f);
    // An ESC within the read may be the string's end.
    !is_answer && !bytes.iter().any(is_end) && (begins_read || introducer == b']')
}
