//! The first frame to a new connection: limits and features of the server.

use serde::{Deserialize, Serialize};

use crate::claims::Role;
use crate::entry::EntryKind;
use crate::name::UserId;
use crate::timestamp::Timestamp;

/// The first frame to a new connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// `Connected successfully`.
    pub message: String,
    /// The user of the token.
    pub user_id: UserId,
    /// Connections on all instances, the new one included.
    pub online_count: u64,
    /// The end of the token.
    pub expires_at: Timestamp,
    pub limits: Limits,
    /// The program of the server. Older servers do not send it, nor the next two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerProgram>,
    /// The role of the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// The features that the server and its store have, beyond those that every server has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features: Option<Vec<Feature>>,
}

/// The program of a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerProgram {
    pub name: String,
    pub version: String,
}

/// A feature that a server may have. Without it, the server refuses its frames with `unsupported`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Feature {
    /// `reply_to`, and `thread` and `around` of `history`.
    Reply,
    Edit,
    Delete,
    Reaction,
    /// `pin`, and `pinned` of `history`.
    Pin,
    Room,
    Direct,
    Read,
    Inbox,
    Notify,
    Search,
    /// `prefix` and `limit` of `members`. A server without it ignores these fields.
    MemberPrefix,
    /// A feature that this version does not know. A server never sends it.
    #[serde(other)]
    Unknown,
}

impl Feature {
    /// All features that a server may have.
    pub const ALL: &[Self] = &[
        Self::Reply,
        Self::Edit,
        Self::Delete,
        Self::Reaction,
        Self::Pin,
        Self::Room,
        Self::Direct,
        Self::Read,
        Self::Inbox,
        Self::Notify,
        Self::Search,
        Self::MemberPrefix,
    ];
}

impl EntryKind {
    /// The feature that a server needs to store entries of the kind. Every server stores messages.
    #[must_use]
    pub const fn feature(self) -> Option<Feature> {
        match self {
            Self::Message => None,
            Self::Edit => Some(Feature::Edit),
            Self::Delete => Some(Feature::Delete),
            Self::Reaction => Some(Feature::Reaction),
            Self::Pin => Some(Feature::Pin),
            Self::Room => Some(Feature::Room),
        }
    }
}

/// Limits of the server that a client should respect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Longest text, in characters.
    pub text_chars: u32,
    /// Largest frame, in bytes.
    pub frame_bytes: u32,
    /// Most rooms of one connection.
    pub rooms: u32,
    /// Sustained messages per second of one connection; 0 means no limit.
    pub messages_per_second: u32,
}
