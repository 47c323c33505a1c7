//! The loop: wait → update → run effects → draw.
//!
//! What was typed is drawn at once, the rest at most every 16 ms. No timer runs but the one that the model asks
//! for, or the next frame's. A frame is one write, between the marks of a synchronized update. Input is read only
//! while the network takes commands, so nothing that was typed is dropped; the terminal keeps it meanwhile.
//!
//! The first try to connect is made before the terminal is taken: where the server is not there, or does not take the
//! token, a line says so and the terminal has not changed.

mod asking;
mod browser;
mod editor;
mod first;
mod keeper;
mod screen;
mod signals;
mod tell;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitStatus;
use std::task::Poll;
use std::time::Duration;

use crossterm::event::{Event as TerminalEvent, EventStream};
use futures_util::future::join;
use futures_util::{FutureExt, StreamExt};
use realtime_shared::Timestamp;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use crate::app::{Effect, Input, Model, Msg, Now, Weather, update};
use crate::config::Config;
use crate::net::{self, Command, ConnectionState, Event, Events, Handle, TrySendError};
use crate::sanitize::{self, Block};
use crate::state::unsent;
use crate::terminal::{self, Capabilities};
use asking::Awaited;
use editor::{Editing, ended};
pub(crate) use first::{First, verdict};
use keeper::Keeper;
use screen::Screen;
use signals::{Signal, Signals};
use tell::Teller;

/// Between two frames, where nobody typed: sixty a second are more than a terminal shows.
const FRAME: Duration = Duration::from_millis(16);
/// Between two frames while keys come: more than hands can type, so that a key is shown at once; and what is sent as keys
/// by something else, a page without the marks of a paste, is not drawn letter by letter.
const KEYS: Duration = Duration::from_millis(4);
/// Events that are handled before the next frame, at most.
const BATCH: usize = 512;
/// How long the end waits for the connection to be closed in good order.
const GOODBYE: Duration = Duration::from_secs(1);

/// How the program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The user quit; without a screen: it is done.
    Quit,
    /// Something failed while it ran: what, in a line.
    Failed(String),
    /// The server does not take the token.
    Rejected(String),
    /// The server is not there, or is none.
    Unreachable(String),
    /// Without a screen: not all that was to be sent is known to be stored.
    NotStored,
    /// A signal of that number ended it.
    Signal(u8),
    /// A defect of the program, which has been printed.
    Panicked,
}

impl Outcome {
    /// Whether the terminal went away, as far as the program was told.
    #[must_use]
    pub fn is_hangup(&self) -> bool {
        matches!(self, Self::Signal(number) if signals::is_hangup(*number))
    }
}

/// The end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// How it came.
    pub outcome: Outcome,
    /// What the user wrote and is not known to be stored, with where it is.
    pub unsent: Vec<Block>,
}

impl From<Outcome> for End {
    /// An end before anything was written.
    fn from(outcome: Outcome) -> Self {
        Self { outcome, unsent: Vec::new() }
    }
}

/// Runs the client until it ends, on a runtime of its own.
#[must_use]
pub fn start(config: Config) -> End {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Outcome::Failed(format!("cannot start: {error}")).into(),
    };
    let end = runtime.block_on(run(config));
    runtime.shutdown_background();
    end
}

/// Runs the client until it ends.
pub async fn run(config: Config) -> End {
    let clock = Clock { start: Instant::now() };
    let capabilities = Capabilities::of(|name| std::env::var(name).ok());
    let capabilities =
        Capabilities { has_signs: capabilities.has_signs && !config.settings.ascii, ..capabilities };
    let unsent = config.state.as_ref().and_then(|place| unsent::kept(&place.directory));
    let unsent = unsent.map(|path| {
        format!("{} has what you wrote and could not send when a terminal went away: delete it when you are done with it", path.display())
    });
    let keeper::Opened { mut keeper, positions, warning } = Keeper::open(config.state);
    let (handle, mut events) = net::connect(config.net);
    let zone = jiff::tz::TimeZone::system();
    let (mut model, effects) = Model::new(&config.rooms, positions, zone, fastrand::u64(..), clock.now());
    let settings = config.settings;
    model.keymap = settings.keymap;
    model.theme = settings.theme;
    model.mouse = settings.mouse;
    model.tells_typing = settings.typing;
    model.notify_on = settings.notify.on;
    model.is_demo = config.weather.is_some();
    let mut commands: VecDeque<Command> = commands(effects).collect();
    for warning in config.warnings.into_iter().chain(warning).chain(unsent) {
        update(&mut model, Msg { now: clock.now(), input: Input::Warning(warning) });
    }
    loop {
        flush(&handle, &mut commands);
        let Some(event) = events.recv().await else {
            return Outcome::Failed("the client's network task ended".to_owned()).into();
        };
        let first =
            if let Event::State(state) = &event { verdict(state, &config.url) } else { First::Undecided };
        note_user(&mut keeper, &event);
        let msg = Msg { now: clock.now(), input: Input::Net(event) };
        commands.extend(self::commands(update(&mut model, msg)));
        match first {
            First::Undecided => {}
            First::Go => break,
            First::End(outcome) => return outcome.into(),
        }
    }

    let teller = Teller::new(settings.notify, |name| std::env::var(name).ok());
    let screen = match Screen::take(capabilities, model.mouse, teller) {
        Ok(screen) => screen,
        Err(error) => return Outcome::Failed(format!("cannot use the terminal: {error}")).into(),
    };
    let session = Session {
        model,
        screen,
        keeper,
        handle,
        events,
        commands,
        clock,
        input: None,
        editing: None,
        awaited: None,
        #[cfg(debug_assertions)]
        panic_at: std::env::var("REALTIME_PANIC").ok(),
        weather: config.weather,
    };
    session.run().await
}

/// The only place where clocks are read.
#[derive(Debug, Clone, Copy)]
struct Clock {
    start: Instant,
}

impl Clock {
    fn now(self) -> Now {
        let wall = u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or(0);
        Now { mono: self.start.elapsed(), wall: Timestamp::from_millis(wall) }
    }
}

fn note_user(keeper: &mut Keeper, event: &Event) {
    if let Event::State(ConnectionState::Connected { user_id, .. }) = event {
        keeper.connected_as(user_id);
    }
}

fn commands(effects: Vec<Effect>) -> impl Iterator<Item = Command> {
    effects.into_iter().filter_map(|effect| match effect {
        Effect::Net(command) => Some(command),
        _ => None,
    })
}

/// Gives the network what it takes; whether it is there.
fn flush(handle: &Handle, commands: &mut VecDeque<Command>) -> bool {
    while let Some(command) = commands.pop_front() {
        match handle.try_send(command) {
            Ok(()) => {}
            Err(TrySendError::Full(command)) => {
                commands.push_front(command);
                return true;
            }
            Err(TrySendError::Ended(_)) => return false,
        }
    }
    true
}

/// What ended the loop, where it is not an error.
type Step = Result<Option<Outcome>, io::Error>;

struct Session {
    model: Model,
    screen: Screen,
    keeper: Keeper,
    handle: Handle,
    events: Events,
    /// What the network has not taken yet.
    commands: VecDeque<Command>,
    clock: Clock,
    /// The keyboard; none while the program is stopped, or another one has the terminal.
    input: Option<EventStream>,
    /// What has the terminal meanwhile.
    editing: Option<Editing>,
    /// Text that is a panic where it is pasted: for tests.
    #[cfg(debug_assertions)]
    panic_at: Option<String>,
    /// What is done to the network of a demo.
    weather: Option<watch::Sender<Weather>>,
    /// An answer of the terminal that may still come.
    awaited: Option<Awaited>,
}

/// What woke the loop.
enum Woken {
    Terminal(Vec<io::Result<TerminalEvent>>),
    Net(Option<Event>),
    Signal(Signal),
    /// The network took a command, or is not there any more.
    Sent(bool),
    /// The editor ended.
    Edited(io::Result<ExitStatus>),
    /// Something about what is kept.
    Warned(String),
    Time,
}

impl Session {
    async fn run(mut self) -> End {
        let outcome = match AssertUnwindSafe(self.turn_until_the_end()).catch_unwind().await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(error)) => Outcome::Failed(format!("the terminal is gone: {error}")),
            Err(_) => Outcome::Panicked,
        };
        drop(self.input.take());
        drop(self.screen);
        let left = self.editing.take().map(Editing::leave);
        let goodbye = async {
            for command in self.commands.into_iter().chain([Command::Close]) {
                if self.handle.send(command).await.is_err() {
                    break;
                }
            }
            // The model may not be whole: nothing more is done with it than to read it.
            if outcome == Outcome::Panicked {
                return;
            }
            // What is stored in the last moment is not told as unsent.
            while let Some(event) = self.events.recv().await {
                update(&mut self.model, Msg { now: self.clock.now(), input: Input::Net(event) });
            }
        };
        // Where the network or the disk does not end in time, the end of the process ends it.
        let _ = timeout(GOODBYE, join(goodbye, self.keeper.finish())).await;
        let unsent = catch_unwind(AssertUnwindSafe(|| self.model.unsent()));
        let mut unsent = unsent.unwrap_or_default();
        unsent
            .extend(left.map(|file| sanitize::block(&format!("a draft in the editor: {}", file.display()))));
        End { outcome, unsent }
    }

    async fn turn_until_the_end(&mut self) -> io::Result<Outcome> {
        let mut signals = Signals::new()?;
        self.draw()?;
        self.ask()?;
        self.input = Some(EventStream::new());
        let mut drawn = Instant::now();
        let mut due = None;
        loop {
            if !flush(&self.handle, &mut self.commands) {
                return Ok(Outcome::Failed("the client's network task ended".to_owned()));
            }
            let tick = self.model.next_tick().map(|at| self.clock.start + at);
            let (step, is_urgent) =
                match self.wait(&mut signals, [tick, due].into_iter().flatten().min()).await {
                    Woken::Terminal(events) => (self.on_terminal(events)?, true),
                    Woken::Signal(signal) => (self.on_signal(signal)?, true),
                    Woken::Net(None) | Woken::Sent(false) => {
                        return Ok(Outcome::Failed("the client's network task ended".to_owned()));
                    }
                    Woken::Net(Some(event)) => (self.on_net(event)?, false),
                    Woken::Sent(true) => (None, false),
                    Woken::Edited(ended) => (self.on_edited(ended)?, true),
                    Woken::Warned(warning) => (self.handle(Input::Warning(warning))?, false),
                    Woken::Time => (self.handle(Input::Tick)?, false),
                };
            if let Some(outcome) = step {
                return Ok(outcome);
            }
            let soonest = drawn + if is_urgent { KEYS } else { FRAME };
            let at = due.map_or(soonest, |due: Instant| due.min(soonest));
            due = Some(at);
            if at <= Instant::now() {
                self.draw()?;
                drawn = Instant::now();
                due = None;
            }
        }
    }

    async fn wait(&mut self, signals: &mut Signals, wake: Option<Instant>) -> Woken {
        let next = self.commands.front().cloned();
        let can_send = next.is_some();
        tokio::select! {
            biased;
            signal = signals.next() => Woken::Signal(signal),
            events = batch(self.input.as_mut()), if !can_send => Woken::Terminal(events),
            sent = send(&self.handle, next) => {
                self.commands.pop_front();
                Woken::Sent(sent)
            }
            event = self.events.recv() => Woken::Net(event),
            ended = ended(self.editing.as_mut()) => Woken::Edited(ended),
            warning = self.keeper.work() => Woken::Warned(warning),
            () = sleep(wake) => Woken::Time,
        }
    }

    fn on_terminal(&mut self, events: Vec<io::Result<TerminalEvent>>) -> Step {
        if events.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        for event in events {
            for event in self.without_answer(event?) {
                if let Some(outcome) = self.on_event(event)? {
                    return Ok(Some(outcome));
                }
            }
        }
        Ok(None)
    }

    fn on_event(&mut self, event: TerminalEvent) -> Step {
        #[cfg(debug_assertions)]
        if let TerminalEvent::Paste(text) = &event {
            assert_ne!(self.panic_at.as_ref(), Some(text), "REALTIME_PANIC is a test of what a panic leaves");
        }
        let input = match event {
            TerminalEvent::Key(key) => {
                self.screen.view.deselect();
                Input::Key(key)
            }
            TerminalEvent::Paste(text) => Input::Paste(text),
            TerminalEvent::FocusGained => Input::Focus(true),
            TerminalEvent::FocusLost => Input::Focus(false),
            TerminalEvent::Resize(..) => Input::Resize,
            TerminalEvent::Mouse(mouse) => match self.screen.view.mouse(&self.model, mouse) {
                Some(input) => input,
                None => return Ok(None),
            },
        };
        self.handle(input)
    }

    /// Handles an event and those that are there behind it.
    fn on_net(&mut self, event: Event) -> Step {
        let mut next = Some(event);
        for _ in 0..BATCH {
            let Some(event) = next else { break };
            note_user(&mut self.keeper, &event);
            if let Some(outcome) = self.handle(Input::Net(event))? {
                return Ok(Some(outcome));
            }
            next = self.events.try_recv();
        }
        Ok(None)
    }

    fn on_signal(&mut self, signal: Signal) -> Step {
        match signal {
            // The terminal tells them to all that run in the foreground: they are meant for the editor.
            Signal::End(number) if self.editing.is_some() && signals::is_typed(number) => {}
            Signal::Stop if self.editing.is_some() => signals::stop_alone()?,
            Signal::Continue if self.editing.is_some() => {}
            Signal::End(number) => return Ok(Some(Outcome::Signal(number))),
            Signal::Stop => self.suspend(signals::stop_alone)?,
            Signal::Continue => self.screen.resume()?,
        }
        Ok(None)
    }

    fn handle(&mut self, input: Input) -> Step {
        let now = self.clock.now();
        let effects = update(&mut self.model, Msg { now, input });
        let mut outcome = None;
        for effect in effects {
            match effect {
                Effect::Net(command) => self.commands.push_back(command),
                Effect::Keep(room, mark) => self.keeper.note(room, mark, now.wall),
                Effect::Scroll(scroll) => self.screen.view.scroll(&self.model, scroll),
                Effect::See(sight) => self.screen.view.see(&self.model, sight),
                Effect::Open(target) => {
                    if let Err(error) = browser::open(&target, |name| std::env::var(name).ok()) {
                        self.handle(Input::Warning(format!("nothing opens {target}: {error}")))?;
                    }
                }
                Effect::Notify(told) => self.screen.notify(&told)?,
                Effect::Edit(draft) => outcome = self.edit(&draft)?,
                Effect::Copy(text) => screen::copy(&text)?,
                Effect::Mouse(heard) => self.screen.hear_mouse(heard)?,
                Effect::Weather(weather) => {
                    self.weather.as_ref().map(|sender| sender.send_replace(weather));
                }
                Effect::Redraw => self.screen.forget()?,
                Effect::Suspend if signals::has_shell() => self.suspend(signals::stop_job)?,
                Effect::Suspend => {}
                Effect::Quit => outcome = Some(Outcome::Quit),
            }
        }
        Ok(outcome)
    }

    /// Gives the terminal back, stops the process, and goes on from there when it is continued.
    fn suspend(&mut self, stop: fn() -> io::Result<()>) -> io::Result<()> {
        self.input = None;
        self.screen.suspend();
        stop()?;
        self.screen.resume()?;
        self.input = Some(EventStream::new());
        Ok(())
    }

    /// Draws, and loads what turns out to be missing.
    fn draw(&mut self) -> io::Result<()> {
        if self.editing.is_some() {
            return Ok(());
        }
        self.screen.draw(&self.model)?;
        if let Some(viewed) = self.screen.view.viewed() {
            self.handle(viewed)?;
        }
        Ok(())
    }
}

/// What came from the terminal, as much as is there; nothing where it is gone. Waits for ever without a keyboard.
async fn batch(input: Option<&mut EventStream>) -> Vec<io::Result<TerminalEvent>> {
    let Some(input) = input else { return std::future::pending().await };
    let mut events = Vec::new();
    poll_fn(|context| {
        while events.len() < BATCH {
            match input.poll_next_unpin(context) {
                Poll::Ready(Some(event)) => {
                    let is_error = event.is_err();
                    events.push(event);
                    if is_error {
                        break;
                    }
                }
                Poll::Pending if events.is_empty() => return Poll::Pending,
                Poll::Ready(None) | Poll::Pending => break,
            }
        }
        Poll::Ready(std::mem::take(&mut events))
    })
    .await
}

/// Gives the network one command; whether it took it. Waits for ever where there is none.
async fn send(handle: &Handle, command: Option<Command>) -> bool {
    match command {
        Some(command) => handle.send(command).await.is_ok(),
        None => std::future::pending().await,
    }
}

async fn sleep(wake: Option<Instant>) {
    match wake {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Whether the terminal can tell more keys apart.
fn has_keyboard_modes() -> bool {
    terminal::has_keyboard_modes(|name| std::env::var(name).ok())
}
