//! The terminal as something to draw on. A frame goes out in one write.

use std::borrow::Cow;
use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;

use crossterm::clipboard::CopyToClipboard;
use crossterm::queue;
use crossterm::terminal::{BeginSynchronizedUpdate, EndSynchronizedUpdate};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;

use super::tell::Teller;
use crate::app::{Model, Notification};
use crate::terminal::{Capabilities, Depth, Guard, has_hyperlinks, with_sixteen};
use crate::ui::hyperlink::merged;
use crate::ui::{ViewState, view};

/// The screen, taken until it is dropped.
pub(super) struct Screen {
    pub(super) view: ViewState,
    terminal: Terminal<CrosstermBackend<Output>>,
    output: Output,
    teller: Teller,
    guard: Guard,
}

impl Screen {
    pub(super) fn take(capabilities: Capabilities, hears_mouse: bool, teller: Teller) -> io::Result<Self> {
        let guard = Guard::take(super::has_keyboard_modes(), hears_mouse, teller.has_title())?;
        let output = Output::default();
        let view = ViewState::new(capabilities).with_links(has_hyperlinks(|name| std::env::var(name).ok()));
        let terminal = Terminal::new(CrosstermBackend::new(output.clone()))?;
        Ok(Self { view, terminal, output, teller, guard })
    }

    pub(super) fn draw(&mut self, model: &Model) -> io::Result<()> {
        queue!(self.output, BeginSynchronizedUpdate)?;
        self.terminal.draw(|frame| view(model, &mut self.view, frame))?;
        queue!(self.output, EndSynchronizedUpdate)?;
        self.output.send(self.view.capabilities().depth)?;
        self.teller.title(model.window_title())
    }

    pub(super) fn notify(&self, told: &Notification) -> io::Result<()> {
        self.teller.notify(told)
    }

    /// The next frame is drawn whole: nothing is known of what the terminal shows.
    pub(super) fn forget(&mut self) -> io::Result<()> {
        let size = self.terminal.size()?;
        self.terminal.resize(Rect::from((ratatui::layout::Position::ORIGIN, size)))
    }

    pub(super) fn hear_mouse(&mut self, hears: bool) -> io::Result<()> {
        self.guard.hear_mouse(hears)
    }

    pub(super) fn suspend(&self) {
        self.guard.suspend();
    }

    pub(super) fn resume(&mut self) -> io::Result<()> {
        self.guard.resume()?;
        self.teller.forget();
        self.forget()
    }
}

/// Has the terminal keep a text for pasting (OSC 52).
pub(super) fn copy(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    queue!(out, CopyToClipboard::to_clipboard_from(text))?;
    out.flush()
}

/// What is written and not sent yet; to flush it sends nothing.
#[derive(Debug, Clone, Default)]
struct Output(Rc<RefCell<Vec<u8>>>);

impl Output {
    /// Sends what was written, to standard output: a terminal of so many colours.
    fn send(&self, depth: Depth) -> io::Result<()> {
        let mut written = self.0.borrow_mut();
        let mut out = io::stdout().lock();
        let merged = merged(&written);
        let frame = if depth == Depth::Sixteen { with_sixteen(&merged) } else { Cow::Borrowed(&*merged) };
        let result = out.write_all(&frame).and_then(|()| out.flush());
        written.clear();
        result
    }
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
