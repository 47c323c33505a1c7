//! Screen of the terminal. A frame is drawn only when the one before is written.

use std::borrow::Cow;
use std::io;

use crossterm::clipboard::CopyToClipboard;
use crossterm::queue;
use crossterm::terminal::{BeginSynchronizedUpdate, EndSynchronizedUpdate};

use super::frames::Frames;
use super::notifier::Notifier;
use crate::app::{Model, Notification};
use crate::terminal::{
    self, Capabilities, Depth, Guard, Output, has_hyperlinks, has_keyboard_modes, with_sixteen,
};
use crate::ui::hyperlink::merged;
use crate::ui::{ViewState, view};

/// The screen. It owns the terminal until it is dropped.
pub(super) struct Screen {
    pub(super) view: ViewState,
    frames: Frames,
    notifier: Notifier,
    guard: Guard,
    output: &'static Output,
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
        let frames = Frames::new(terminal::size);
        Ok(Self { view, frames, notifier, guard, output: terminal::output()? })
    }

    /// True if the terminal has taken the last frame, and the next one may be drawn.
    pub(super) fn is_written(&self) -> bool {
        self.output.is_written()
    }

    /// Waits until the next frame may be drawn.
    pub(super) async fn written(&self) {
        self.output.written().await;
    }

    pub(super) fn draw(&mut self, model: &Model) -> io::Result<()> {
        if let Some(frame) = self.frames.next(|frame| view(model, &mut self.view, frame))? {
            send(self.output, frame, self.view.capabilities().depth)?;
        }
        self.notifier.title(model.window_title())
    }

    pub(super) fn notify(&self, notification: &Notification) -> io::Result<()> {
        self.notifier.notify(notification)
    }

    /// Draws the next frame completely, because the terminal's content is unknown.
    pub(super) fn forget(&mut self) {
        self.frames.forget();
    }

    /// Copies a text to the terminal's clipboard (OSC 52).
    pub(super) fn copy(&self, text: &str) -> io::Result<()> {
        let mut sequence = Vec::new();
        queue!(sequence, CopyToClipboard::to_clipboard_from(text))?;
        self.output.offer(&sequence)
    }

    pub(super) fn capture_mouse(&mut self, captures: bool) -> io::Result<()> {
        self.guard.capture_mouse(captures)
    }

    pub(super) const fn has_keyboard_modes(&self) -> bool {
        self.guard.has_keyboard_modes()
    }

    pub(super) fn enable_keyboard_modes(&mut self) -> io::Result<()> {
        self.guard.enable_keyboard_modes()
    }

    pub(super) fn suspend(&self) {
        self.guard.suspend();
    }

    pub(super) fn resume(&mut self) -> io::Result<()> {
        self.guard.resume()?;
        self.notifier.forget();
        self.forget();
        Ok(())
    }
}

/// Writes a frame with the colours of `depth`.
fn send(output: &Output, frame: &[u8], depth: Depth) -> io::Result<()> {
    let frame = merged(frame);
    let frame = if depth == Depth::Sixteen { with_sixteen(&frame) } else { Cow::Borrowed(&*frame) };
    let mut whole = Vec::with_capacity(frame.len() + 32);
    queue!(whole, BeginSynchronizedUpdate)?;
    whole.extend_from_slice(&frame);
    queue!(whole, EndSynchronizedUpdate)?;
    output.send(&whole)
}
