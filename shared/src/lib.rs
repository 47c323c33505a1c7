#![doc = include_str!("../README.md")]

pub mod claims;
pub mod client_event;
pub mod close;
pub mod codec;
pub mod content;
pub mod direct;
pub mod entry;
pub mod entry_event;
pub mod error;
pub mod event;
pub mod field;
pub mod fold;
pub mod inbox;
pub mod mention;
pub mod message;
pub mod name;
mod omit;
pub mod position;
pub mod rules;
pub mod settings;
#[cfg(feature = "proptest")]
pub mod strategies;
pub mod timestamp;
pub mod welcome;

pub use claims::{Audience, Claims, Role};
pub use client_event::{ClientEvent, ClientFrame, HistoryRequest, Ping, Post, SearchRequest};
pub use close::{CloseCode, Verdict};
pub use codec::{DecodeError, Fault};
pub use content::{Change, Content, Delete, Edit, MessageContent, Pin, Reaction, RoomChange};
pub use direct::DirectPair;
pub use entry::{EntryFields, EntryKind, EntryRef};
pub use entry_event::{ChangeEntry, EntryEvent, EntryHead};
pub use error::{ErrorCode, ErrorScope};
pub use event::{
    Ack, Covers, ErrorEvent, Found, History, Joined, LeaveReason, Left, Members, Notice, Pong, Recovery,
    Resync, RoomSummary, Rooms, ServerEvent, ServerFrame, SystemEvent, TokenExpiring, Typing,
};
pub use field::{Emoji, Mentions, Posting, SlowMode};
pub use fold::MessageState;
pub use inbox::{Direct, Inbox, InboxRoom, LastMessage, Notify, NotifyReason, Read};
pub use message::{Deleted, Message, ReactionCount};
pub use name::{ClientMsgId, EntryId, Line, NameError, Nonce, Ref, RoomName, Text, TextError, UserId};
pub use position::{Epoch, Position, Seq};
pub use settings::RoomSettings;
pub use timestamp::Timestamp;
pub use welcome::{Feature, Limits, ServerProgram, Welcome};
