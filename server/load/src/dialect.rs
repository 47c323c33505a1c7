//! The dialects of servers: the protocol's base dialect, or the same frames as events of Socket.IO.
//!
//! Socket.IO 4 puts each packet into a text frame behind digits: `0{…}` opens a session, `40` connects client
//! and server, `2` ping, `3` pong, `42["name",argument]` an event. The base dialect's frame is the argument, and
//! its type the event's name. Other files do not know Socket.IO.

/// A dialect of the WebSocket at [`Dialect::path`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Dialect {
    Base,
    SocketIo,
}

/// A text frame from a server.
pub(crate) enum Incoming<'a> {
    /// A frame of the base dialect.
    Frame(&'a [u8]),
    /// A packet that requires this answer.
    Answer(&'static str),
    /// A packet without an answer.
    Nothing,
}

impl Dialect {
    /// Path and query of the upgrade, without the token.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Base => "/ws",
            Self::SocketIo => "/socket.io/?EIO=4&transport=websocket",
        }
    }

    /// The text of a frame of type `kind`.
    pub(crate) fn encode(self, kind: &str, frame: &serde_json::Value) -> String {
        match self {
            Self::Base => frame.to_string(),
            Self::SocketIo => format!(r#"42["{kind}",{frame}]"#),
        }
    }

    /// Decodes a text from a server. Text that is not a packet passes as a frame, and fails when it is parsed.
    pub(crate) fn decode(self, text: &[u8]) -> Incoming<'_> {
        match (self, text) {
            (Self::SocketIo, [b'0', ..]) => Incoming::Answer("40"),
            (Self::SocketIo, [b'2', ..]) => Incoming::Answer("3"),
            (Self::SocketIo, [b'4', b'0', ..]) => Incoming::Nothing,
            (Self::SocketIo, [b'4', b'2', event @ .., b']']) => Incoming::Frame(argument(event)),
            _ => Incoming::Frame(text),
        }
    }
}

/// The argument of `["name",argument`.
fn argument(event: &[u8]) -> &[u8] {
    let comma = event.iter().position(|&byte| byte == b',');
    comma.map_or(event, |comma| &event[comma + 1..])
}
