//! WebSocket frames of the server (RFC 6455, section 5.2): unmasked, never fragmented.
//!
//! A leaf module: rooms frame their entries, connections their own frames. [`crate::socket`] reads frames.

use realtime_shared::CloseCode;

/// Longest payload of a control frame (RFC 6455, section 5.5).
const CONTROL_BYTES: usize = 125;

const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;

/// Bytes that [`text`] writes for a payload of `len` bytes.
#[must_use]
pub fn framed_len(len: usize) -> usize {
    len + match len {
        0..=125 => 2,
        126..=0xFFFF => 4,
        _ => 10,
    }
}

/// Appends a text frame.
pub fn text(out: &mut Vec<u8>, payload: &str) {
    frame(out, TEXT, payload.as_bytes());
}

/// Appends a binary frame.
pub fn binary(out: &mut Vec<u8>, payload: &[u8]) {
    frame(out, BINARY, payload);
}

/// Appends a ping without a payload.
pub fn ping(out: &mut Vec<u8>) {
    frame(out, PING, b"");
}

/// Appends a pong; truncates a payload that is too long for a control frame.
pub fn pong(out: &mut Vec<u8>, payload: &[u8]) {
    frame(out, PONG, &payload[..payload.len().min(CONTROL_BYTES)]);
}

/// Appends a close frame with the code and its reason; without either if the code is never sent.
pub fn close(out: &mut Vec<u8>, code: CloseCode) {
    close_with(out, code.to_u16(), code.reason());
}

/// Appends a close frame with any code and reason; without either for 1005 and 1006, which are never sent.
pub fn close_with(out: &mut Vec<u8>, code: u16, reason: &str) {
    let mut payload = Vec::with_capacity(CONTROL_BYTES);
    if !matches!(code, 1005 | 1006) {
        payload.extend(code.to_be_bytes());
        let end = reason.floor_char_boundary(CONTROL_BYTES - payload.len());
        payload.extend(&reason.as_bytes()[..end]);
    }
    frame(out, CLOSE, &payload);
}

fn frame(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    const FIN: u8 = 0x80;
    out.reserve(framed_len(payload.len()));
    out.push(FIN | opcode);
    match payload.len() {
        len @ 0..=125 => out.push(u8::try_from(len).expect("at most 125")),
        len @ 126..=0xFFFF => {
            out.push(126);
            out.extend(u16::try_from(len).expect("at most 65535").to_be_bytes());
        }
        len => {
            out.push(127);
            out.extend((len as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_fits_each_payload_length() {
        for (len, header) in [
            (0, &[0x81, 0][..]),
            (125, &[0x81, 125]),
            (126, &[0x81, 126, 0, 126]),
            (65_535, &[0x81, 126, 0xFF, 0xFF]),
            (65_536, &[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let mut out = Vec::new();
            text(&mut out, &"x".repeat(len));
            assert_eq!(&out[..header.len()], header);
            assert_eq!(out.len(), header.len() + len);
            assert_eq!(out.len(), framed_len(len));
        }
    }

    #[test]
    fn control_frames_stay_within_their_limit() {
        let mut out = Vec::new();
        close_with(&mut out, 1000, &"ü".repeat(100));
        assert_eq!(&out[..4], &[0x88, 124, 0x03, 0xE8]);
        out.clear();
        close(&mut out, CloseCode::Lost);
        assert_eq!(out, [0x88, 0]);
    }
}
