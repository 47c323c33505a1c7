//! Marks: the beginnings of texts, by which messages are recognized when they arrive.
//!
//! A mark is `@`, sender, `:`, number and due time, in fixed counts of hexadecimal digits. It is expected at the
//! offset of the last one; the whole frame is searched only when the fields before it have changed their length.

const SENDER_DIGITS: usize = 6;
const NUMBER_DIGITS: usize = 8;
const DUE_DIGITS: usize = 16;
const COLON: usize = 1 + SENDER_DIGITS;
const NUMBER: usize = COLON + 1;
const DUE: usize = NUMBER + NUMBER_DIGITS;
/// Bytes of a mark; a text is at least as long.
pub(crate) const LENGTH: usize = DUE + DUE_DIGITS;

/// The mark of a message that has arrived.
#[derive(Clone, Copy)]
pub(crate) struct Mark<'a>(&'a [u8]);

/// The reader of marks of one connection.
#[derive(Default)]
pub(crate) struct Marks {
    last_offset: usize,
}

impl Mark<'_> {
    /// The index of the connection that sent the message.
    pub(crate) fn sender(self) -> Option<usize> {
        usize::try_from(read_hex(&self.0[1..COLON])?).ok()
    }

    /// The number of the message among those of its sender.
    pub(crate) fn number(self) -> Option<u32> {
        u32::try_from(read_hex(&self.0[NUMBER..DUE])?).ok()
    }

    /// The due time, in nanoseconds since the scene began.
    pub(crate) fn due(self) -> Option<u64> {
        read_hex(&self.0[DUE..])
    }
}

impl Marks {
    pub(crate) fn read<'a>(&mut self, payload: &'a [u8]) -> Result<Mark<'a>, String> {
        if !is_mark(payload.get(self.last_offset..).unwrap_or_default()) {
            self.last_offset = find(payload).ok_or("a message that this load did not send")?;
        }
        Ok(Mark(&payload[self.last_offset..self.last_offset + LENGTH]))
    }
}

/// A mark whose number and due time are zero.
pub(crate) fn blank(sender: usize) -> String {
    format!("@{sender:0SENDER_DIGITS$x}:{:0NUMBER_DIGITS$}{:0DUE_DIGITS$}", 0, 0)
}

/// Fills in the mark at the front of `bytes`.
pub(crate) fn fill(bytes: &mut [u8], number: u32, due: u64) {
    write_number(&mut bytes[NUMBER..], number);
    write_hex(&mut bytes[DUE..LENGTH], due);
}

/// Writes a message's number at the front of `bytes`, in the digits of a mark.
pub(crate) fn write_number(bytes: &mut [u8], number: u32) {
    write_hex(&mut bytes[..NUMBER_DIGITS], number.into());
}

/// The offset of the first mark.
pub(crate) fn find(bytes: &[u8]) -> Option<usize> {
    bytes.windows(LENGTH).position(is_mark)
}

fn is_mark(bytes: &[u8]) -> bool {
    bytes.len() >= LENGTH && bytes[0] == b'@' && bytes[COLON] == b':'
}

fn write_hex(digits: &mut [u8], mut number: u64) {
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(number & 0xF) as usize];
        number >>= 4;
    }
}

fn read_hex(digits: &[u8]) -> Option<u64> {
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}
