//! Modes of the terminal: set in one place, and always restored.
//!
//! [`Guard`] takes the terminal and restores it when dropped, so on an error as well. A panic hook restores it before
//! the panic is printed. Signals end or stop the runtime's loop, which drops or suspends the guard. Restoring twice is
//! harmless. A terminal that is gone is not an error: nothing is left to restore.
//!
//! To add a mode, write it in `enter` and its opposite in `restore`.

mod capabilities;
mod output;
mod queries;
mod reader;
mod sixteen_colors;
mod size;

use std::io::{self, Write};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossterm::cursor::Show;
use crossterm::event::{
    DisableBracketedPaste, DisableFocusChange, EnableBracketedPaste, EnableFocusChange,
    KeyboardEnhancementFlags, PopKeyboardEnhancementFlags, PushKeyboardEnhancementFlags,
};
use crossterm::queue;
use crossterm::terminal::{
    DisableLineWrap, EnableLineWrap, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode,
};
use rustix::termios::{QueueSelector, tcflush};

pub use capabilities::{Capabilities, Depth, Ground, is_dumb, is_plain, luminance};
pub use output::{Output, output};
pub use queries::{Queries, answers_queries, parse_background};
pub use reader::Reader;
pub use sixteen_colors::with_sixteen;
pub use size::size;

/// The modes are set. The panic hook and a second call of [`restore`] check it.
static TAKEN: AtomicBool = AtomicBool::new(false);
/// The keyboard's mode is set.
static KEYBOARD: AtomicBool = AtomicBool::new(false);
/// The window's title was saved and has to be restored.
static TITLE: AtomicBool = AtomicBool::new(false);
/// The mouse is captured.
static MOUSE: AtomicBool = AtomicBool::new(false);

/// Captures buttons, the wheel, movement while a button is pressed, and coordinates of any size. crossterm's command
/// also requests every other movement, each of which would wake the program.
const CAPTURE_MOUSE: &str = "\x1b[?1000h\x1b[?1002h\x1b[?1006h";
/// Saves the window's title on the terminal's stack and restores it (XTWINOPS).
const SAVE_TITLE: &str = "\x1b[22;2t";
/// Terminals without that stack keep the empty title.
const RESTORE_TITLE: &str = "\x1b]2;\x1b\\\x1b[23;2t";
const RELEASE_MOUSE: &str = "\x1b[?1006l\x1b[?1002l\x1b[?1000l";
/// Time in which the terminal has to read before its modes are restored without what was to be written.
const RESTORE_LIMIT: Duration = Duration::from_millis(500);

/// Distinct keys, and the characters of a key in other layouts.
const KEYBOARD_FLAGS: KeyboardEnhancementFlags = KeyboardEnhancementFlags::DISAMBIGUATE_ESCAPE_CODES
    .union(KeyboardEnhancementFlags::REPORT_ALTERNATE_KEYS);

/// Owns the terminal, and restores it when dropped.
#[derive(Debug)]
pub struct Guard {
    has_keyboard_modes: bool,
    captures_mouse: bool,
    saves_title: bool,
}

impl Guard {
    /// Takes the terminal on standard output: raw mode, the alternate screen, bracketed paste and focus events. Distinct
    /// keys are enabled with `has_keyboard_modes`, the mouse and the saved title if requested.
    pub fn take(has_keyboard_modes: bool, captures_mouse: bool, saves_title: bool) -> io::Result<Self> {
        install_hook();
        let guard = Self { has_keyboard_modes, captures_mouse, saves_title };
        guard.resume()?;
        Ok(guard)
    }

    /// Restores the terminal until [`Guard::resume`].
    pub fn suspend(&self) {
        restore();
    }

    /// Takes the terminal again. If it is taken already, sets its modes anew: a shell that continued the program may have
    /// changed them.
    pub fn resume(&self) -> io::Result<()> {
        // Keys that were typed meanwhile are for this program.
        restore_modes(UnreadInput::Kept);
        // Prints of a program that uses this library, before the screen is taken.
        let _ = io::stdout().flush();
        TAKEN.store(true, Ordering::SeqCst);
        let mut modes = Vec::new();
        if self.saves_title {
            TITLE.store(true, Ordering::SeqCst);
            modes.extend_from_slice(SAVE_TITLE.as_bytes());
        }
        let entered = enter(&mut modes, self.has_keyboard_modes);
        modes.extend_from_slice(self.mouse_change());
        entered.and_then(|()| output()?.send(&modes)).inspect_err(|_| restore())
    }

    /// Captures the mouse, or leaves it to the terminal.
    pub fn capture_mouse(&mut self, captures: bool) -> io::Result<()> {
        self.captures_mouse = captures;
        output()?.send(self.mouse_change())
    }

    /// Enables distinct keys, after the terminal has reported that it has them.
    pub fn enable_keyboard_modes(&mut self) -> io::Result<()> {
        self.has_keyboard_modes = true;
        if !TAKEN.load(Ordering::SeqCst) || KEYBOARD.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        let mut modes = Vec::new();
        queue!(modes, PushKeyboardEnhancementFlags(KEYBOARD_FLAGS))?;
        output()?.send(&modes)
    }

    #[must_use]
    pub const fn has_keyboard_modes(&self) -> bool {
        self.has_keyboard_modes
    }

    /// Sequence for the mouse, if its mode changes.
    fn mouse_change(&self) -> &'static [u8] {
        let was_captured = MOUSE.swap(self.captures_mouse, Ordering::SeqCst);
        match (was_captured, self.captures_mouse) {
            (false, true) => CAPTURE_MOUSE.as_bytes(),
            (true, false) => RELEASE_MOUSE.as_bytes(),
            _ => b"",
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        restore();
    }
}

fn enter(modes: &mut Vec<u8>, has_keyboard_modes: bool) -> io::Result<()> {
    enable_raw_mode()?;
    // Without line wrap, a grapheme that the terminal shows wider than expected damages its own row only.
    queue!(modes, EnterAlternateScreen, DisableLineWrap, EnableBracketedPaste, EnableFocusChange)?;
    if has_keyboard_modes {
        KEYBOARD.store(true, Ordering::SeqCst);
        queue!(modes, PushKeyboardEnhancementFlags(KEYBOARD_FLAGS))?;
    }
    Ok(())
}

/// Input that nobody has read when the modes are restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum UnreadInput {
    Kept,
    /// Such as late answers of the terminal, which are not for the shell.
    Discarded,
}

/// Gives the terminal back.
fn restore() {
    restore_modes(UnreadInput::Discarded);
}

/// Restores all modes in reverse order. An error does not skip the rest.
fn restore_modes(unread: UnreadInput) {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut modes = Vec::new();
    if KEYBOARD.swap(false, Ordering::SeqCst) {
        let _ = queue!(modes, PopKeyboardEnhancementFlags);
    }
    if TITLE.swap(false, Ordering::SeqCst) {
        modes.extend_from_slice(RESTORE_TITLE.as_bytes());
    }
    if MOUSE.swap(false, Ordering::SeqCst) {
        modes.extend_from_slice(RELEASE_MOUSE.as_bytes());
    }
    let _ = queue!(
        modes,
        EndSynchronizedUpdate,
        DisableFocusChange,
        DisableBracketedPaste,
        Show,
        EnableLineWrap,
        LeaveAlternateScreen
    );
    // Prints of a program that uses this library. The client itself leaves nothing in this buffer.
    let _ = io::stdout().flush();
    if let Ok(output) = output() {
        output.finish(&modes, RESTORE_LIMIT);
    }
    if unread == UnreadInput::Discarded {
        let _ = tcflush(io::stdin(), QueueSelector::IFlush);
    }
    let _ = disable_raw_mode();
}

/// Prints a text to the terminal after its modes are restored, for a bounded time. False if the terminal did not read.
#[must_use]
pub fn print(text: &str) -> bool {
    output().is_ok_and(|output| output.finish(text.as_bytes(), RESTORE_LIMIT))
}

/// True if the terminal did not read in time when it was to be restored. A write to it may block.
#[must_use]
pub fn has_stalled() -> bool {
    output().is_ok_and(Output::gave_up)
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

/// True if the terminal is known to have the kitty keyboard protocol. Others are asked after the first screen.
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

/// True if hyperlinks may be written to the terminal (OSC 8). Most terminals ignore unknown sequences; a few old or
/// plain ones show them as text.
#[must_use]
pub fn has_hyperlinks(variable: impl Fn(&str) -> Option<String>) -> bool {
    let term = variable("TERM").unwrap_or_default();
    !is_plain(&term) && !term.starts_with("screen")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keyboard_modes_are_enabled_for_known_terminals_only() {
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
    fn hyperlinks_are_off_on_terminals_that_show_them_as_text() {
        let with = |term: &'static str| has_hyperlinks(move |_| Some(term.to_owned()));
        assert!(with("xterm-256color") && with("foot") && with("tmux-256color"));
        assert!(!with("dumb") && !with("linux") && !with("screen-256color") && !with(""));
        assert!(!has_hyperlinks(|_| None));
    }
}
