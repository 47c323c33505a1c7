//! Tokens of the input: a state machine after Paul Williams' parser, for the direction from the terminal.
//!
//! ```text
//!  Ground ──ESC──▶ Escape ──[──▶ Csi ──M──▶ X10 ──3 bytes──▶ token
//!                    │            └──final byte──▶ token
//!                    ├──O──▶ Ss3 ──final byte──▶ token
//!                    ├──] P _ ^ X──▶ Text ──ST, or BEL after ]──▶ token
//!                    └──other──▶ token with Alt
//! ```
//!
//! Differences to a parser of output: an ESC before a sequence is Alt, a lone ESC is a key, Ctrl-C interrupts every state,
//! other controls drop the sequence that they interrupt, and X10 reports, the Linux console (`CSI [ A`) and rxvt
//! (`CSI 7 $`) break the grammar. The introducers of eight bits (C1) are accepted.

/// Limits of the kept bytes of a sequence and of a string. Longer ones are read to their end and are unknown.
const SEQUENCE_BYTES: usize = 64;
const STRING_BYTES: usize = 4_096;

const CTRL_C: u8 = 0x03;
const BEL: u8 = 0x07;
const CANCEL: u8 = 0x18;
const SUBSTITUTE: u8 = 0x1a;
const ESC: u8 = 0x1b;
const ST: u8 = 0x9c;

/// A token of the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    /// An ESC stands before it.
    pub(super) is_escaped: bool,
}

impl Token {
    /// True for the closing mark of a paste.
    pub(super) fn is_closing_mark(&self) -> bool {
        matches!(&self.kind, TokenKind::Csi(body, b'~') if body == b"201")
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// The Esc key.
    Escape,
    /// A control character, DEL included.
    Control(u8),
    Char(char),
    /// A control sequence: its parameters with intermediate bytes, and its final byte.
    Csi(Vec<u8>, u8),
    Ss3(Vec<u8>, u8),
    /// A mouse report of three bytes.
    X10([u8; 3]),
    /// A string: its introducer after ESC, and its text.
    Text(u8, Vec<u8>),
    /// A sequence beyond the limits.
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ground,
    /// Within a character; the number of its bytes.
    Utf8(usize),
    Escape,
    Csi,
    X10,
    Ss3,
    /// Within a string, by its introducer; true after an ESC, which may end it.
    Text(u8, bool),
}

/// Unfinished input of a [`Tokenizer`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pending {
    Nothing,
    /// Bytes that are a key if nothing follows: ESC, or ESC and an introducer.
    Key,
    /// Bytes that are nothing if nothing follows.
    Sequence,
}

#[derive(Debug)]
pub(super) struct Tokenizer {
    state: State,
    /// An ESC stands before the current token.
    is_escaped: bool,
    /// The current token began with one byte instead of an ESC and a letter.
    is_eight_bits: bool,
    is_cut: bool,
    body: Vec<u8>,
}

impl Tokenizer {
    pub(super) const fn new() -> Self {
        Self {
            state: State::Ground,
            is_escaped: false,
            is_eight_bits: false,
            is_cut: false,
            body: Vec::new(),
        }
    }

    /// Drops unfinished input.
    pub(super) fn reset(&mut self) {
        self.state = State::Ground;
        self.is_escaped = false;
        self.is_eight_bits = false;
        self.is_cut = false;
        self.body.clear();
    }

    pub(super) fn pending(&self) -> Pending {
        match self.state {
            State::Ground => Pending::Nothing,
            State::Escape => Pending::Key,
            State::Csi | State::Ss3 | State::Text(_, false)
                if self.body.is_empty() && !self.is_eight_bits =>
            {
                Pending::Key
            }
            _ => Pending::Sequence,
        }
    }

    /// The letter after ESC that has introduced a string, if nothing of its text is read yet.
    pub(super) fn string_introducer(&self) -> Option<u8> {
        match self.state {
            State::Text(introducer, false) if self.pending() == Pending::Key => Some(introducer),
            _ => None,
        }
    }

    /// Ends unfinished input, after which nothing came.
    pub(super) fn expire(&mut self, tokens: &mut Vec<Token>) {
        if self.pending() == Pending::Key {
            if self.is_escaped {
                tokens.push(Token { kind: TokenKind::Escape, is_escaped: false });
            }
            let introducer = match self.state {
                State::Csi => Some('['),
                State::Ss3 => Some('O'),
                State::Text(introducer, _) => Some(char::from(introducer)),
                _ => None,
            };
            tokens.push(match introducer {
                Some(c) => Token { kind: TokenKind::Char(c), is_escaped: true },
                None => Token { kind: TokenKind::Escape, is_escaped: false },
            });
        }
        self.reset();
    }

    pub(super) fn step(&mut self, byte: u8, tokens: &mut Vec<Token>) {
        if byte == CTRL_C {
            if self.state == State::Escape {
                self.expire(tokens);
            }
            self.reset();
        }
        match self.state {
            State::Ground => self.ground(byte, tokens),
            State::Utf8(length) => self.utf8(byte, length, tokens),
            State::Escape => self.escape(byte, tokens),
            State::Csi => self.csi(byte, tokens),
            State::X10 => self.x10(byte, tokens),
            State::Ss3 => self.ss3(byte, tokens),
            State::Text(introducer, has_escape) => self.text(byte, introducer, has_escape, tokens),
        }
    }

    fn ground(&mut self, byte: u8, tokens: &mut Vec<Token>) {
        match byte {
            ESC => self.begin_escape(),
            0..0x20 | 0x7f => self.emit(TokenKind::Control(byte), tokens),
            0x20..0x7f => self.emit(TokenKind::Char(char::from(byte)), tokens),
            0x80..0xc0 => self.begin_eight_bits(byte),
            0xc2..=0xdf => self.begin_utf8(byte, 2),
            0xe0..=0xef => self.begin_utf8(byte, 3),
            0xf0..=0xf4 => self.begin_utf8(byte, 4),
            // No character begins with these bytes.
            _ => self.reset(),
        }
    }

    fn begin_escape(&mut self) {
        self.reset();
        self.state = State::Escape;
    }

    fn begin_utf8(&mut self, byte: u8, length: usize) {
        self.state = State::Utf8(length);
        self.body.push(byte);
    }

    fn utf8(&mut self, byte: u8, length: usize, tokens: &mut Vec<Token>) {
        if !(0x80..0xc0).contains(&byte) {
            self.reset();
            return self.ground(byte, tokens);
        }
        self.body.push(byte);
        if self.body.len() < length {
            return;
        }
        let character = std::str::from_utf8(&self.body).ok().and_then(|text| text.chars().next());
        self.body.clear();
        match character {
            Some(c @ '\u{80}'..='\u{9f}') => self.begin_eight_bits(c as u8),
            Some(c) => self.emit(TokenKind::Char(c), tokens),
            None => self.reset(),
        }
    }

    /// Begins a sequence by its introducer of eight bits. Other bytes of this range are dropped.
    fn begin_eight_bits(&mut self, byte: u8) {
        self.state = State::Ground;
        match byte {
            0x8f..=0x90 | 0x98 | 0x9b | 0x9d..=0x9f => {
                self.introduce(byte - 0x40);
                self.is_eight_bits = true;
            }
            _ => self.reset(),
        }
    }

    /// Begins a sequence, if the byte introduces one after ESC.
    fn introduce(&mut self, byte: u8) -> bool {
        self.state = match byte {
            b'[' => State::Csi,
            b'O' => State::Ss3,
            b']' | b'P' | b'_' | b'^' | b'X' => State::Text(byte, false),
            _ => return false,
        };
        true
    }

    fn escape(&mut self, byte: u8, tokens: &mut Vec<Token>) {
        if byte != ESC && self.introduce(byte) {
            return;
        }
        if self.is_escaped {
            tokens.push(Token { kind: TokenKind::Escape, is_escaped: false });
        }
        self.is_escaped = true;
        if byte != ESC {
            self.state = State::Ground;
            self.ground(byte, tokens);
        }
    }

    fn csi(&mut self, byte: u8, tokens: &mut Vec<Token>) {
        match byte {
            ESC => self.begin_escape(),
            b'[' if self.body.is_empty() => self.body.push(byte),
            b'M' if self.body.is_empty() => self.state = State::X10,
            b'$' if !self.body.is_empty() && self.body.iter().all(u8::is_ascii_digit) => {
                self.emit_csi(byte, tokens);
            }
            0x20..0x40 => self.push(byte, SEQUENCE_BYTES),
            0x40..0x7f => self.emit_csi(byte, tokens),
            _ => self.abort(byte, tokens),
        }
    }

    fn emit_csi(&mut self, last: u8, tokens: &mut Vec<Token>) {
        let body = std::mem::take(&mut self.body);
        self.emit(TokenKind::Csi(body, last), tokens);
    }

    fn x10(&mut self, byte: u8, tokens: &mut Vec<Token>) {
        match byte {
            ESC => self.begin_escape(),
            0..0x20 => self.reset(),
            _ => self.body.push(byte),
        }
        if let &[button, column, row] = &self.body[..] {
            self.emit(TokenKind::X10([button, column, row]), tokens);
        }
    }

    fn ss3(&mut self, byte: u8, tokens: &mut Vec<Token>) {
        match byte {
            ESC => self.begin_escape(),
            b'0'..=b'9' | b';' => self.push(byte, SEQUENCE_BYTES),
            b' ' | 0x40..0x7f => {
                let body = std::mem::take(&mut self.body);
                self.emit(TokenKind::Ss3(body, byte), tokens);
            }
            _ => self.abort(byte, tokens),
        }
    }

    fn text(&mut self, byte: u8, introducer: u8, has_escape: bool, tokens: &mut Vec<Token>) {
        let is_end = (has_escape && byte == b'\\')
            || (introducer == b']' && byte == BEL)
            || (self.is_eight_bits && byte == ST);
        match byte {
            _ if is_end => {
                let body = std::mem::take(&mut self.body);
                self.emit(TokenKind::Text(introducer, body), tokens);
            }
            _ if has_escape => {
                self.begin_escape();
                self.escape(byte, tokens);
            }
            ESC => self.state = State::Text(introducer, true),
            CANCEL | SUBSTITUTE => self.reset(),
            _ => self.push(byte, STRING_BYTES),
        }
    }

    /// Drops the sequence that the byte interrupts. A control character is dropped with it.
    fn abort(&mut self, byte: u8, tokens: &mut Vec<Token>) {
        self.reset();
        if byte >= 0x80 {
            self.ground(byte, tokens);
        }
    }

    fn push(&mut self, byte: u8, limit: usize) {
        if self.body.len() < limit {
            self.body.push(byte);
        } else {
            self.is_cut = true;
        }
    }

    fn emit(&mut self, kind: TokenKind, tokens: &mut Vec<Token>) {
        let kind = if self.is_cut { TokenKind::Unknown } else { kind };
        tokens.push(Token { kind, is_escaped: self.is_escaped });
        self.reset();
    }
}
