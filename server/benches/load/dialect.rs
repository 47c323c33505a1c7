//! What a server speaks on its WebSocket: the protocol's base dialect, or the same frames as events of Socket.IO.
//!
//! Socket.IO 4 puts each packet into a text frame behind digits: `0{…}` a session opens, `40` the client and the
//! server connect, `2` ping, `3` pong, `42["name",argument]` an event. The base dialect's frame is the argument, and
//! its type the event's name, so that beyond this file nobody knows of it.

/// A dialect of the WebSocket at [`Dialect::path`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Dialect {
    Base,
    SocketIo,
}

/// What a text frame from a server is.
pub(crate) enum Incoming<'a> {
    /// A frame of the base dialect.
    Frame(&'a [u8]),
    /// A packet that has to be answered with this text.
    Ask(&'static str),
    /// A packet that asks for nothing.
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

    /// The text of a frame with that type.
    pub(crate) fn encode(self, kind: &str, frame: &serde_json::Value) -> String {
        match self {
            Self::Base => frame.to_string(),
            Self::SocketIo => format!(r#"42["{kind}",{frame}]"#),
        }
    }

    /// What to make of a text from a server. Text that is no packet is passed on, for whoever reads it to say so.
    pub(crate) fn decode(self, text: &[u8]) -> Incoming<'_> {
        match (self, text) {
            (Self::SocketIo, [b'0', ..]) => Incoming::Ask("40"),
            (Self::SocketIo, [b'2', ..]) => Incoming::Ask("3"),
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
