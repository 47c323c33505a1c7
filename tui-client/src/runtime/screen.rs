//! Screen of the terminal. Each frame is one write.

use std::borrow::Cow;
use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;

use crossterm::clipboard::CopyToClipboard;
use crossterm::queue;
use crossterm::terminal::{BeginSynchronizedUpdate, EndSynchronizedUpdate};
use ratatui::backend::CrosstermBackend;
use ratatui::layout::{Position, Rect};
use ratatui::{Frame, Terminal};

use super::notifier::Notifier;
use crate::app::{Model, Notification};
use crate::terminal::{Capabilities, Depth, Guard, has_hyperlinks, has_keyboard_modes, with_sixteen};
use crate::ui::hyperlink::merged;
use crate::ui::{ViewState, view};

/// The screen. It owns the terminal until it is dropped.
pub(super) struct Screen {
    pub(super) view: ViewState,
    frames: Frames,
    notifier: Notifier,
    guard: Guard,
}

impl Screen {
    pub(super) fn take(
        capabilities: Capabilities,
        captures_mouse: bool,
        notifier: Notifier,
    ) -> io::Result<Self> {
        let guard = Guard::take(
            has_keyboard_modes(|name| std::env::var(name).ok()),
            captures_mouse,
            notifier.has_title(),
        )?;
        let view = ViewState::new(capabilities).with_links(has_hyperlinks(|name| std::env::var(name).ok()));
        let output = Output::default();
        let terminal = Terminal::new(CrosstermBackend::new(output.clone()))?;
        Ok(Self { view, frames: Frames { terminal, output, sent: Vec::new() }, notifier, guard })
    }

    pub(super) fn draw(&mut self, model: &Model) -> io::Result<()> {
        if let Some(frame) = self.frames.next(|frame| view(model, &mut self.view, frame))? {
            send(frame, self.view.capabilities().depth)?;
        }
        self.notifier.title(model.window_title())
    }

    pub(super) fn notify(&self, notification: &Notification) -> io::Result<()> {
        self.notifier.notify(notification)
    }

    /// Draws the next frame completely, because the terminal's content is unknown.
    pub(super) fn forget(&mut self) -> io::Result<()> {
        self.frames.forget()
    }

    pub(super) fn capture_mouse(&mut self, captures: bool) -> io::Result<()> {
        self.guard.capture_mouse(captures)
    }

    pub(super) fn suspend(&self) {
        self.guard.suspend();
    }

    pub(super) fn resume(&mut self) -> io::Result<()> {
        self.guard.resume()?;
        self.notifier.forget();
        self.forget()
    }
}

/// Copies a text to the terminal's clipboard (OSC 52).
pub(super) fn copy(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    queue!(out, CopyToClipboard::to_clipboard_from(text))?;
    out.flush()
}

/// Encodes frames as the difference to the frame before.
struct Frames {
    terminal: Terminal<CrosstermBackend<Output>>,
    output: Output,
    sent: Vec<u8>,
}

impl Frames {
    /// The next frame; `None` if the terminal shows it already. A frame without changed cells consists only of the
    /// cursor's position, with which the last frame ended.
    fn next(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<Option<&[u8]>> {
        self.terminal.draw(draw)?;
        let frame = self.output.0.take();
        if self.sent.ends_with(&frame) {
            return Ok(None);
        }
        self.sent = frame;
        Ok(Some(&self.sent))
    }

    /// Encodes the next frame completely.
    fn forget(&mut self) -> io::Result<()> {
        self.sent.clear();
        let size = self.terminal.size()?;
        self.terminal.resize(Rect::from((Position::ORIGIN, size)))
    }
}

/// Collects the bytes of a frame. A flush sends nothing.
#[derive(Debug, Clone, Default)]
struct Output(Rc<RefCell<Vec<u8>>>);

/// Writes a frame to standard output in one write, with the colours of `depth`.
fn send(frame: &[u8], depth: Depth) -> io::Result<()> {
    let frame = merged(frame);
    let frame = if depth == Depth::Sixteen { with_sixteen(&frame) } else { Cow::Borrowed(&*frame) };
    let mut whole = Vec::with_capacity(frame.len() + 32);
    queue!(whole, BeginSynchronizedUpdate)?;
    whole.extend_from_slice(&frame);
    queue!(whole, EndSynchronizedUpdate)?;
    let mut out = io::stdout().lock();
    out.write_all(&whole).and_then(|()| out.flush())
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ratatui::{TerminalOptions, Viewport};

    use super::*;

    #[test]
    fn an_unchanged_screen_writes_no_frame() {
        let output = Output::default();
        let backend = CrosstermBackend::new(output.clone());
        let viewport = Viewport::Fixed(Rect::new(0, 0, 20, 2));
        let terminal = Terminal::with_options(backend, TerminalOptions { viewport }).expect("a terminal");
        let mut frames = Frames { terminal, output, sent: Vec::new() };
        let mut has_next = |text: &str, cursor: Option<(u16, u16)>| {
            let draw = |frame: &mut Frame<'_>| {
                frame.render_widget(text, frame.area());
                if let Some(place) = cursor {
                    frame.set_cursor_position(place);
                }
            };
            frames.next(draw).expect("drawn").is_some()
        };
        for (text, cursor, is_next) in [
            ("hello", Some((5, 0)), true),
            ("hello", Some((5, 0)), false),
            ("hello", Some((0, 0)), true),
            ("hello", Some((0, 0)), false),
            ("hallo", Some((0, 0)), true),
            ("hallo", Some((0, 0)), false),
            ("hello", Some((0, 0)), true),
            ("hello", None, true),
            ("hello", None, false),
        ] {
            assert_eq!(has_next(text, cursor), is_next, "{text} {cursor:?}");
        }
    }
}
