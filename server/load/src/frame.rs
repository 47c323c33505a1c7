//! WebSocket frames, as far as a load generator needs them.
//!
//! Of a server's frame only the header is read. A client's frame is masked with zeros, which leaves the payload
//! unchanged and lets it be prepared once.

use std::ops::Range;

pub(crate) const CONTINUATION: u8 = 0x0;
pub(crate) const TEXT: u8 = 0x1;
pub(crate) const CLOSE: u8 = 0x8;
pub(crate) const PING: u8 = 0x9;
pub(crate) const PONG: u8 = 0xA;

const FINAL: u8 = 0x80;
const MASKED: u8 = 0x80;
/// Markers in place of a length over 125, which follows in two or in eight bytes.
const LENGTH_16: u8 = 0x7E;
const LENGTH_64: u8 = 0x7F;
const ZERO_MASK: [u8; 4] = [0; 4];

/// A complete frame.
pub(crate) struct ServerFrame {
    pub(crate) opcode: u8,
    /// The range of the payload; the next frame begins at its end.
    pub(crate) payload: Range<usize>,
}

/// The frame at `start`; `None` if it is incomplete.
pub(crate) fn next_frame(bytes: &[u8], start: usize) -> Option<ServerFrame> {
    let header = bytes.get(start..)?;
    let (&first, &second) = (header.first()?, header.get(1)?);
    let (length, header_len) = match second {
        LENGTH_16 => (usize::from(u16::from_be_bytes(header.get(2..4)?.try_into().ok()?)), 4),
        LENGTH_64 => (usize::try_from(u64::from_be_bytes(header.get(2..10)?.try_into().ok()?)).ok()?, 10),
        // A masked server frame reads as an absurd length, so it never completes and the run fails.
        short => (usize::from(short), 2),
    };
    let payload_start = start + header_len;
    let payload_end = payload_start.checked_add(length)?;
    (payload_end <= bytes.len())
        .then_some(ServerFrame { opcode: first & 0x0F, payload: payload_start..payload_end })
}

/// Appends a client's frame, masked with zeros. `payload` is at most 65,535 bytes.
pub(crate) fn push_client_frame(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    out.push(FINAL | opcode);
    match u8::try_from(payload.len()) {
        Ok(short) if short < LENGTH_16 => out.push(MASKED | short),
        _ => {
            let length = u16::try_from(payload.len()).expect("the load sends no frame over 64 KiB");
            out.push(MASKED | LENGTH_16);
            out.extend_from_slice(&length.to_be_bytes());
        }
    }
    out.extend_from_slice(&ZERO_MASK);
    out.extend_from_slice(payload);
}
