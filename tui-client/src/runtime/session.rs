//! Main loop: wait → update → run effects → draw.
//!
//! Typed keys are drawn at once, everything else at most every 16 ms. The only timers are the model's and the next
//! frame's. A frame is one synchronized update, and is drawn once the terminal has taken the one before. Input is read only while the network accepts commands, so no
//! key is dropped; the terminal buffers it meanwhile.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join;
use rustix::io::Errno;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::clock::{Clock, Zone};
use super::editor::{Editing, ended};
use super::extensions::Hook;
use super::keyboard::Keyboard;
use super::mark_saver::MarkSaver;
use super::outcome::{End, Outcome};
use super::screen::Screen;
use super::signals::{self, Signal, Signals};
use super::text_saver::TextSaver;
use super::{browser, command_queue, timer};
use crate::app::{Effect, Input, Model, Msg, update};
use crate::net::{Command, Event, Events, Handle};
use crate::sanitize;
use crate::terminal;
use crate::terminal_input::{Report, TerminalEvent};

/// Shortest time between two frames without input: sixty a second are more than a terminal shows.
const FRAME: Duration = Duration::from_millis(16);
/// Shortest time between two frames while keys arrive: shorter than anybody types, so that a key is shown at once. Text
/// that is pasted without the marks of a paste is not drawn letter by letter.
const KEYS: Duration = Duration::from_millis(4);
/// Time between two steps of a timeline that scrolls because the pointer is held beyond its edge.
const EDGE_STEP: Duration = Duration::from_millis(100);
/// Most events of the network that are handled between two frames.
const BATCH: usize = 512;
/// Time that the end waits for the connection to close.
const GOODBYE: Duration = Duration::from_secs(1);

/// Continues with `None`, or ends the loop.
type LoopStep = Result<Option<Outcome>, io::Error>;

pub(super) struct Session {
    pub(super) model: Model,
    pub(super) screen: Screen,
    pub(super) mark_saver: MarkSaver,
    pub(super) text_saver: TextSaver,
    pub(super) handle: Handle,
    pub(super) events: Events,
    /// Commands that the network has not accepted yet.
    pub(super) commands: VecDeque<Command>,
    pub(super) clock: Clock,
    pub(super) zone: Zone,
    pub(super) keyboard: Keyboard,
    /// The editor that has the terminal.
    pub(super) editing: Option<Editing>,
    /// For tests: pasting this text causes a panic.
    #[cfg(debug_assertions)]
    pub(super) panic_at: Option<String>,
    /// Runs the commands of the extensions.
    pub(super) hook: Hook,
    /// Notified when the network works again.
    pub(super) network_up: Arc<Notify>,
}

/// Reason of a wake-up.
#[expect(clippy::large_enum_variant, reason = "a wake-up is moved once")]
enum WakeUp {
    Terminal(io::Result<Vec<TerminalEvent>>),
    Net(Option<Event>),
    NetworkUp,
    Signal(Signal),
    /// The network accepted a command; false if it has ended.
    Sent(bool),
    Edited(io::Result<ExitStatus>),
    /// A warning about read marks or typed texts.
    Warned(String),
    /// The terminal has taken the last frame.
    Written,
    Time,
}

impl Session {
    pub(super) async fn run(mut self) -> End {
        let outcome = match AssertUnwindSafe(self.turn_until_the_end()).catch_unwind().await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(error)) if is_gone(&error) => Outcome::HANGUP,
            Ok(Err(error)) => Outcome::Failed(format!("lost the terminal: {error}")),
            Err(_) => Outcome::Panicked,
        };
        if matches!(outcome, Outcome::Quit | Outcome::Signal(_)) && !outcome.is_hangup() {
            self.keyboard.give_back();
        }
        self.keyboard.drop_reader();
        drop(self.screen);
        let left = self.editing.take().map(Editing::leave);
        let goodbye = async {
            for command in self.commands.into_iter().chain([Command::Close]) {
                if self.handle.send(command).await.is_err() {
                    break;
                }
            }
            // The model may be inconsistent, so it is only read.
            if outcome == Outcome::Panicked {
                return;
            }
            // Messages that are stored in the last moment are not reported as unsent.
            while let Some(event) = self.events.recv().await {
                update(&mut self.model, Msg { now: self.clock.now(), input: Input::Net(event) });
            }
        };
        // If the network or the disk does not finish in time, the end of the process ends it.
        let _ = timeout(GOODBYE, join(goodbye, self.mark_saver.finish())).await;
        let texts = catch_unwind(AssertUnwindSafe(|| self.model.kept_texts()));
        let is_kept = match texts {
            Ok(mut texts) => {
                // The user reads that they were not sent, and may write them again.
                if outcome == Outcome::Quit {
                    texts.hold();
                }
                timeout(GOODBYE, self.text_saver.finish(texts)).await.unwrap_or(false)
            }
            Err(_) => false,
        };
        let is_kept = is_kept && left.is_none();
        let unsent = catch_unwind(AssertUnwindSafe(|| self.model.unsent()));
        let mut unsent = unsent.unwrap_or_default();
        unsent
            .extend(left.map(|file| sanitize::block(&format!("a draft in the editor: {}", file.display()))));
        End { outcome, unsent, is_kept }
    }

    async fn turn_until_the_end(&mut self) -> io::Result<Outcome> {
        let mut signals = Signals::new()?;
        let is_read = self.draw()?;
        let depth = self.screen.view.capabilities().depth;
        self.keyboard.ask(self.model.theme, depth, self.screen.has_keyboard_modes())?;
        self.keyboard.take()?;
        let mut drawn = Instant::now();
        let mut due = is_read.then(|| drawn + FRAME);
        let mut stepped = drawn;
        loop {
            if !command_queue::flush(&self.handle, &mut self.commands) {
                return Ok(Outcome::Failed("the client's network task ended".to_owned()));
            }
            let tick = self.model.next_tick().map(|at| self.clock.start + at);
            let is_blocked = due.is_some() && !self.screen.is_written();
            let step = self.screen.view.edge_scroll().map(|_| stepped + EDGE_STEP);
            let wake = [tick, step, due.filter(|_| !is_blocked)].into_iter().flatten().min();
            let (outcome, is_urgent) = match self.wait(&mut signals, wake, is_blocked).await {
                WakeUp::Terminal(events) => (self.on_terminal(events?)?, true),
                WakeUp::Signal(signal) => (self.on_signal(signal)?, true),
                WakeUp::Net(None) | WakeUp::Sent(false) => {
                    return Ok(Outcome::Failed("the client's network task ended".to_owned()));
                }
                WakeUp::Net(Some(event)) => (self.on_net(event)?, false),
                WakeUp::NetworkUp => (self.handle(Input::NetworkUp)?, false),
                WakeUp::Sent(true) | WakeUp::Written => (None, false),
                WakeUp::Edited(ended) => (self.on_edited(ended)?, true),
                WakeUp::Warned(warning) => (self.handle(Input::Warning(warning))?, false),
                WakeUp::Time => {
                    let now = Instant::now();
                    let wheel = self.screen.view.edge_scroll().filter(|_| step.is_some_and(|at| at <= now));
                    stepped = if wheel.is_some() { now } else { stepped };
                    (self.handle(wheel.unwrap_or(Input::Tick))?, false)
                }
            };
            if let Some(outcome) = outcome {
                return Ok(outcome);
            }
            let soonest = drawn + if is_urgent { KEYS } else { FRAME };
            let at = due.map_or(soonest, |due: Instant| due.min(soonest));
            due = Some(at);
            if at <= Instant::now() && self.screen.is_written() {
                let is_read = self.draw()?;
                drawn = Instant::now();
                due = is_read.then(|| drawn + FRAME);
            }
        }
    }

    /// Waits for an event, or until `wake`. If a frame `is_blocked`, also until it may be drawn.
    async fn wait(&mut self, signals: &mut Signals, wake: Option<Instant>, is_blocked: bool) -> WakeUp {
        let next = self.commands.front().cloned();
        let can_send = next.is_some();
        tokio::select! {
            biased;
            signal = signals.next() => WakeUp::Signal(signal),
            events = self.keyboard.next(), if !can_send => WakeUp::Terminal(events),
            sent = command_queue::send(&self.handle, next) => {
                self.commands.pop_front();
                WakeUp::Sent(sent)
            }
            event = self.events.recv() => WakeUp::Net(event),
            () = self.network_up.notified() => WakeUp::NetworkUp,
            ended = ended(self.editing.as_mut()) => WakeUp::Edited(ended),
            warning = self.mark_saver.work() => WakeUp::Warned(warning),
            warning = self.text_saver.work(&self.model) => WakeUp::Warned(warning),
            () = self.screen.written(), if is_blocked => WakeUp::Written,
            () = timer::sleep(wake) => WakeUp::Time,
        }
    }

    fn on_terminal(&mut self, events: Vec<TerminalEvent>) -> LoopStep {
        for event in events {
            if let Some(outcome) = self.on_event(event)? {
                return Ok(Some(outcome));
            }
        }
        Ok(None)
    }

    fn on_event(&mut self, event: TerminalEvent) -> LoopStep {
        #[cfg(debug_assertions)]
        if let TerminalEvent::Paste(text) = &event {
            assert_ne!(self.panic_at.as_ref(), Some(text), "REALTIME_PANIC tests the state after a panic");
        }
        let input = match event {
            TerminalEvent::Key(key) => self.screen.view.key(&self.model, key),
            TerminalEvent::Paste(text) => Input::Paste(text),
            TerminalEvent::Focus(has_focus) => Input::Focus(has_focus),
            TerminalEvent::Report(report) => return self.on_report(&report),
            TerminalEvent::Hangup => return Ok(Some(Outcome::HANGUP)),
            TerminalEvent::Mouse(mouse) => match self.screen.view.mouse(&self.model, mouse) {
                Some(input) => input,
                None => return Ok(None),
            },
        };
        self.handle(input)
    }

    fn on_report(&mut self, report: &Report) -> LoopStep {
        match report {
            Report::Background(color) => self.screen.view.set_ground(terminal::parse_background(color)),
            Report::KeyboardProtocol => self.screen.enable_keyboard_modes()?,
            Report::DeviceAttributes => self.keyboard.note_last_answer(),
        }
        Ok(None)
    }

    /// Handles an event and those pending behind it.
    fn on_net(&mut self, event: Event) -> LoopStep {
        let mut next = Some(event);
        for _ in 0..BATCH {
            let Some(event) = next else { break };
            self.mark_saver.note_user(&event);
            let earlier = self.text_saver.note_user(&event);
            if let Some(outcome) = self.handle(Input::Net(event))? {
                return Ok(Some(outcome));
            }
            if let Some(earlier) = earlier {
                self.handle(Input::Restored(earlier))?;
            }
            next = self.events.try_recv();
        }
        Ok(None)
    }

    fn on_signal(&mut self, signal: Signal) -> LoopStep {
        match signal {
            // The terminal sends them to all programs in the foreground: they are meant for the editor.
            Signal::End(number) if self.editing.is_some() && signals::is_typed(number) => {}
            Signal::Stop if self.editing.is_some() => signals::stop_alone()?,
            Signal::Continue if self.editing.is_some() => {}
            Signal::End(number) => return Ok(Some(Outcome::Signal(number))),
            Signal::Stop => self.suspend(signals::stop_alone)?,
            Signal::Continue => {
                self.screen.resume()?;
                return self.handle(Input::NetworkUp);
            }
            // A terminal that was smaller for a moment has lost a part of its content, even if its size is the same.
            Signal::Resize => {
                self.screen.forget();
                return self.handle(Input::Resize);
            }
        }
        Ok(None)
    }

    fn handle(&mut self, input: Input) -> LoopStep {
        let now = self.clock.now();
        if let Some(zone) = self.zone.changed(now) {
            update(&mut self.model, Msg { now, input: Input::Zone(zone) });
        }
        if input.may_change_texts() {
            self.text_saver.note_change();
        }
        let effects = update(&mut self.model, Msg { now, input });
        let mut outcome = None;
        for effect in effects {
            match effect {
                Effect::Net(command) => self.commands.push_back(command),
                Effect::Keep(room, mark) => self.mark_saver.note(room, mark, now.wall),
                Effect::KeepRoom { room, is_joined } => self.mark_saver.note_room(room, is_joined),
                Effect::Scroll(scroll) => self.screen.view.scroll(&self.model, scroll),
                Effect::JumpView(jump) => self.screen.view.see(&self.model, jump),
                Effect::Open(target) => {
                    if let Err(error) = browser::open(&target, |name| std::env::var(name).ok()) {
                        self.handle(Input::Warning(format!("cannot open {target}: {error}")))?;
                    }
                }
                Effect::Notify(notification) => self.screen.notify(&notification)?,
                Effect::Edit(draft) => outcome = self.edit(&draft)?,
                Effect::Copy(text) => self.screen.copy(&text)?,
                Effect::Mouse(captures) => self.screen.capture_mouse(captures)?,
                Effect::Extension { name, argument } => (self.hook)(name, &argument),
                Effect::Redraw => self.screen.forget(),
                Effect::Suspend if signals::has_shell() => self.suspend(signals::stop_job)?,
                Effect::Suspend => {}
                Effect::Quit => outcome = Some(Outcome::Quit),
            }
        }
        Ok(outcome)
    }

    /// Gives the terminal back, stops the process, and resumes when it is continued.
    fn suspend(&mut self, stop: fn() -> io::Result<()>) -> io::Result<()> {
        self.keyboard.give_back();
        self.screen.suspend();
        stop()?;
        self.screen.resume()?;
        self.keyboard.take()
    }

    /// Draws, and loads messages that the frame lacks.
    ///
    /// Returns true if messages became read with the frame, which shows them as unread.
    fn draw(&mut self) -> io::Result<bool> {
        if self.editing.is_some() {
            return Ok(false);
        }
        self.screen.draw(&self.model)?;
        let unread = |model: &Model| model.room().map(|room| room.reading.unread);
        let before = unread(&self.model);
        if let Some(viewed) = self.screen.view.viewed() {
            self.handle(viewed)?;
        }
        Ok(unread(&self.model) != before)
    }

    /// Gives the terminal to an editor with the draft.
    fn edit(&mut self, draft: &str) -> LoopStep {
        self.keyboard.give_back();
        self.screen.suspend();
        match Editing::start(draft, |name| std::env::var(name).ok()) {
            Ok(editing) => {
                self.editing = Some(editing);
                Ok(None)
            }
            Err(error) => self.back_from_editor(Err(format!("cannot start the editor: {error}"))),
        }
    }

    fn on_edited(&mut self, ended: io::Result<ExitStatus>) -> LoopStep {
        match self.editing.take() {
            Some(editing) => self.back_from_editor(editing.text(ended)),
            None => Ok(None),
        }
    }

    fn back_from_editor(&mut self, text: Result<String, String>) -> LoopStep {
        self.screen.resume()?;
        self.keyboard.take()?;
        self.handle(Input::Edited(text))
    }
}

/// True if the terminal does not exist any more.
fn is_gone(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(errno, Some(Errno::IO | Errno::NXIO | Errno::PIPE | Errno::NODEV))
}
