#![doc = include_str!("../README.md")]

pub mod claims;
pub mod close;
pub mod codec;
pub mod entry;
pub mod error;
pub mod event;
pub mod name;
pub mod position;
#[cfg(feature = "proptest")]
pub mod strategies;
pub mod timestamp;

pub use claims::{Audience, Claims, Role};
pub use close::{CloseCode, Verdict};
pub use codec::{DecodeError, Fault};
pub use entry::{EntryKind, EntryRef};
pub use error::ErrorCode;
pub use event::{
    Ack, ClientEvent, ClientFrame, EntryEvent, ErrorEvent, History, Joined, LeaveReason, Left, Limits,
    Members, Message, Notice, Ping, Pong, Post, Recovery, Resync, RoomSummary, Rooms, ServerEvent,
    ServerFrame, SystemEvent, TokenExpiring, Typing, Welcome,
};
pub use name::{ClientMsgId, EntryId, NameError, Nonce, Ref, RoomName, Text, TextError, UserId};
pub use position::{Epoch, Position, Seq};
pub use timestamp::Timestamp;
