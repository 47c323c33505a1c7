//! Input of a terminal: from its bytes to [`TerminalEvent`]s. Pure.
//!
//! ```text
//!  bytes ─▶ decoder ─▶ tokenizer ─▶ meaning ─▶ events
//!              │          │            │
//!              │          │            ├─▶ key_table   sequences of function keys, old and new
//!              │          │            ├─▶ key_codes   numbered keys of the kitty protocol and of modifyOtherKeys
//!              │          │            └─▶ mouse       SGR, urxvt and X10 reports
//!              │          └─ controls, characters, CSI, SS3, strings
//!              └─ waits; pastes and their rest; strings or Alt (string_start)
//! ```
//!
//! Invariants, for any bytes in any pieces:
//!
//! - A final byte ends a sequence, known or not. ESC begins anew. A sequence without an end is dropped after a wait.
//! - A sequence or a string is never text. Only characters and pastes are.
//! - Ctrl-C is a key, except within a paste, where it is dropped. A paste ends after a second without bytes.
//! - A paste whose opening mark was split, at any time, is still a paste. Its line ends are never keys.
//! - Line ends of a paste that continues after its wait are not keys either, for ten seconds.
//!
//! To add a key, add its sequence to `key_table`, and a row to the table of its tests.

mod decoder;
mod event;
mod key_codes;
mod key_table;
mod meaning;
mod mouse;
mod parameters;
mod paste;
mod rest;
mod string_start;
#[cfg(test)]
mod tests;
mod tokenizer;

pub use decoder::Decoder;
pub use event::{
    KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind, Report, TerminalEvent,
};
