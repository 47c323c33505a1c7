//! The terminal's modes: set in one place, and put back always.
//!
//! [`Guard`] takes the terminal and gives it back when it is dropped, so also on an error. A panic hook gives it back
//! before the panic is printed, wherever it happens. Signals end or stop the runtime's loop, which drops or suspends
//! the guard. To give back twice is harmless. A terminal that is gone is not an error: there is nothing to put back.
//!
//! A new mode: a line in `enter` and its opposite in `restore`.

mod ask;
mod capabilities;
mod sixteen;

use std::io::{self, Write};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::cursor::Show;
use crossterm::event::{
    DisableBracketedPaste, DisableFocusChange, EnableBracketedPaste, EnableFocusChange,
    KeyboardEnhancementFlags, PopKeyboardEnhancementFlags, PushKeyboardEnhancementFlags,
};
use crossterm::terminal::{
    EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use crossterm::{execute, queue};

pub use ask::{ask, background, can_be_asked};
pub use capabilities::{Capabilities, Depth, Ground, is_dumb, luminance};
pub use sixteen::with_sixteen;

/// Whether the modes are set: what the panic hook and a second call of [`restore`] go by.
static TAKEN: AtomicBool = AtomicBool::new(false);
/// Whether the keyboard's mode is set.
static KEYBOARD: AtomicBool = AtomicBool::new(false);
/// Whether the window's title was kept, to be put back.
static TITLE: AtomicBool = AtomicBool::new(false);
/// Whether the mouse is heard.
static MOUSE: AtomicBool = AtomicBool::new(false);

/// Buttons, the wheel, and movements while a button is pressed, with places of any size. crossterm's command asks for
/// every movement besides, each of which would wake the program.
const HEAR_MOUSE: &str = "\x1b[?1000h\x1b[?1002h\x1b[?1006h";
/// Keeps the window's title on the terminal's stack, and takes it from there (XTWINOPS).
const KEEP_TITLE: &str = "\x1b[22;2t";
const PUT_BACK_TITLE: &str = "\x1b[23;2t";
const LEAVE_MOUSE: &str = "\x1b[?1006l\x1b[?1002l\x1b[?1000l";

/// Holds the terminal; dropped, it gives it back.
#[derive(Debug)]
pub struct Guard {
    has_keyboard_modes: bool,
    hears_mouse: bool,
    keeps_title: bool,
}

impl Guard {
    /// Takes the terminal on standard output: raw, the alternate screen, bracketed paste, focus, and where
    /// `has_keyboard_modes` says that the terminal knows them, distinct keys; with the mouse and with the window's title
    /// where that is wanted.
    pub fn take(has_keyboard_modes: bool, hears_mouse: bool, keeps_title: bool) -> io::Result<Self> {
        install_hook();
        let guard = Self { has_keyboard_modes, hears_mouse, keeps_title };
        guard.resume()?;
        Ok(guard)
    }

    /// Gives the terminal back until [`Guard::resume`].
    pub fn suspend(&self) {
        restore();
    }

    /// Takes the terminal again. Where it is held already its modes are set anew: who continued the program may have
    /// changed them.
    pub fn resume(&self) -> io::Result<()> {
        restore();
        TAKEN.store(true, Ordering::SeqCst);
        let mut out = io::stdout();
        if self.keeps_title {
            TITLE.store(true, Ordering::SeqCst);
            out.write_all(KEEP_TITLE.as_bytes())?;
        }
        let entered = enter(&mut out, self.has_keyboard_modes);
        entered.and_then(|()| self.apply_mouse(&mut out)).inspect_err(|_| restore())
    }

    /// Hears the mouse from now on, or leaves it to the terminal.
    pub fn hear_mouse(&mut self, hears: bool) -> io::Result<()> {
        self.hears_mouse = hears;
        self.apply_mouse(&mut io::stdout())
    }

    fn apply_mouse(&self, out: &mut impl Write) -> io::Result<()> {
        let was_heard = MOUSE.swap(self.hears_mouse, Ordering::SeqCst);
        match (was_heard, self.hears_mouse) {
            (false, true) => out.write_all(HEAR_MOUSE.as_bytes())?,
            (true, false) => out.write_all(LEAVE_MOUSE.as_bytes())?,
            _ => {}
        }
        out.flush()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        restore();
    }
}

fn enter(out: &mut impl Write, has_keyboard_modes: bool) -> io::Result<()> {
    enable_raw_mode()?;
    queue!(out, EnterAlternateScreen, EnableBracketedPaste, EnableFocusChange)?;
    if has_keyboard_modes {
        KEYBOARD.store(true, Ordering::SeqCst);
        queue!(out, PushKeyboardEnhancementFlags(KeyboardEnhancementFlags::DISAMBIGUATE_ESCAPE_CODES))?;
    }
    out.flush()
}

/// Puts everything back, in the opposite order; what fails does not keep the rest from it.
fn restore() {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut out = io::stdout();
    if KEYBOARD.swap(false, Ordering::SeqCst) {
        let _ = execute!(out, PopKeyboardEnhancementFlags);
    }
    if TITLE.swap(false, Ordering::SeqCst) {
        let _ = out.write_all(PUT_BACK_TITLE.as_bytes());
    }
    if MOUSE.swap(false, Ordering::SeqCst) {
        let _ = out.write_all(LEAVE_MOUSE.as_bytes());
    }
    let _ = execute!(
        out,
        EndSynchronizedUpdate,
        DisableFocusChange,
        DisableBracketedPaste,
        Show,
        LeaveAlternateScreen
    );
    let _ = disable_raw_mode();
}

fn install_hook() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            restore();
            print(info);
        }));
    });
}

/// Whether the terminal is one that is known to have the kitty keyboard protocol. The terminal itself is not asked:
/// one that does not answer would hold up the first screen for two seconds.
#[must_use]
pub fn has_keyboard_modes(variable: impl Fn(&str) -> Option<String>) -> bool {
    let term = variable("TERM").unwrap_or_default();
    let program = variable("TERM_PROGRAM").unwrap_or_default();
    let is_multiplexer = term.starts_with("screen") || term.starts_with("tmux");
    let is_known = ["xterm-kitty", "xterm-ghostty", "foot", "alacritty", "wezterm", "rio", "contour"]
        .iter()
        .any(|known| term.starts_with(known));
    !is_multiplexer && (is_known || ["WezTerm", "ghostty", "iTerm.app", "rio"].contains(&program.as_str()))
}

/// Whether links may be written to the terminal (OSC 8). Terminals that do not follow them leave them out, but for old
/// and plain ones, which show them as text.
#[must_use]
pub fn has_hyperlinks(variable: impl Fn(&str) -> Option<String>) -> bool {
    let term = variable("TERM").unwrap_or_default();
    let is_plain = ["dumb", "linux", "screen", "vt", "cons", "ansi", "sun", "wsvt"];
    !term.is_empty() && !is_plain.iter().any(|plain| term.starts_with(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keyboard_modes_are_for_terminals_that_know_them() {
        let with = |term: &'static str, program: &'static str| {
            has_keyboard_modes(move |name| match name {
                "TERM" => Some(term.to_owned()),
                "TERM_PROGRAM" => Some(program.to_owned()),
                _ => None,
            })
        };
        assert!(with("xterm-kitty", ""));
        assert!(with("xterm-256color", "WezTerm"));
        assert!(!with("xterm-256color", ""));
        assert!(!with("tmux-256color", "WezTerm"));
        assert!(!has_keyboard_modes(|_| None));
    }

    #[test]
    fn links_are_for_terminals_that_leave_out_what_they_do_not_know() {
        let with = |term: &'static str| has_hyperlinks(move |_| Some(term.to_owned()));
        assert!(with("xterm-256color") && with("foot") && with("tmux-256color"));
        assert!(!with("dumb") && !with("linux") && !with("screen-256color") && !with(""));
        assert!(!has_hyperlinks(|_| None));
    }
}
