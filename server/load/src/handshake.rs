//! Upgrade request of a client, and the answer to it.

use std::net::SocketAddr;

/// The example key of RFC 6455, 1.3, whose answer is known without computing SHA-1.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ANSWER: &[u8] = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// The request, with the token in the query.
pub(crate) fn request(address: SocketAddr, path: &str, token: &str) -> String {
    let separator = if path.contains('?') { '&' } else { '?' };
    format!(
        "GET {path}{separator}token={token} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
    )
}

/// The end of the answer; `None` while it is incomplete.
pub(crate) fn end(bytes: &[u8]) -> Result<Option<usize>, String> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let head = &bytes[..end];
    let accepted = head.windows(ANSWER.len()).any(|part| part == ANSWER);
    if head.starts_with(b"HTTP/1.1 101 ") && accepted {
        return Ok(Some(end + 4));
    }
    let line = head.split(|&byte| byte == b'\r').next().unwrap_or_default();
    Err(format!("the upgrade was answered with {}", String::from_utf8_lossy(line)))
}
