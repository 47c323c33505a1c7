//! Start of the client: the first attempt to connect, then the terminal.

use std::collections::VecDeque;

use tokio::time::Instant;

use super::browser;
use super::clock::{Clock, Zone};
use super::command_queue;
use super::extensions::Extensions;
use super::first_attempt::{FirstAttempt, verdict};
use super::keyboard::Keyboard;
use super::mark_saver::{MarkSaver, OpenedMarks};
use super::notifier::Notifier;
use super::outcome::{End, Outcome};
use super::screen::Screen;
use super::session::Session;
use super::text_saver::TextSaver;
use crate::app::{Input, Model, Msg, update};
use crate::config::Config;
use crate::net::{self, Command, Event};
use crate::state::unsent;
use crate::terminal::Capabilities;

/// Runs the client until it ends, on its own runtime.
#[must_use]
pub fn start(config: Config, extensions: Extensions) -> End {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Outcome::Failed(format!("cannot start: {error}")).into(),
    };
    let end = runtime.block_on(run(config, extensions));
    runtime.shutdown_background();
    end
}

async fn run(config: Config, extensions: Extensions) -> End {
    let clock = Clock { start: Instant::now() };
    let capabilities = Capabilities::of(|name| std::env::var(name).ok());
    let capabilities =
        Capabilities { has_signs: capabilities.has_signs && !config.settings.ascii, ..capabilities };
    let unsent = config.state.as_ref().and_then(|location| unsent::kept(&location.directory));
    let unsent = unsent.map(|path| {
        format!(
            "{} has unsent texts from a lost terminal: delete it after you have read them",
            path.display()
        )
    });
    let (mut text_saver, text_warnings) = TextSaver::open(config.state.clone(), fastrand::u64(..));
    let OpenedMarks { mut mark_saver, positions, rooms, warnings } = MarkSaver::open(config.state);
    let (handle, mut events) = net::connect(config.net);
    let zone = Zone::read(clock.now());
    let (mut model, effects) =
        Model::new(&config.rooms, positions, zone.current().clone(), fastrand::u64(..), clock.now());
    let settings = config.settings;
    model.keymap = settings.keymap;
    model.theme = settings.theme;
    model.set_held_bytes(settings.held_bytes);
    model.mouse = settings.mouse;
    model.opens_links = browser::can_open(|name| std::env::var(name).ok());
    model.sends_typing = settings.typing;
    model.notify_on = settings.notify.on;
    model.extensions = extensions.commands;
    let mut commands: VecDeque<Command> = command_queue::commands(effects).collect();
    if settings.rejoin {
        commands.extend(command_queue::commands(model.join_again(&rooms)));
    }
    for warning in config.warnings.into_iter().chain(warnings).chain(text_warnings).chain(unsent) {
        update(&mut model, Msg { now: clock.now(), input: Input::Warning(warning) });
    }
    loop {
        command_queue::flush(&handle, &mut commands);
        let Some(event) = events.recv().await else {
            return Outcome::Failed("the client's network task ended".to_owned()).into();
        };
        let first = if let Event::State(state) = &event {
            verdict(state, &config.url, clock.now().wall, zone.current())
        } else {
            FirstAttempt::Undecided
        };
        mark_saver.note_user(&event);
        let earlier = text_saver.note_user(&event).map(Input::Restored);
        for input in [Input::Net(event)].into_iter().chain(earlier) {
            if input.may_change_texts() {
                text_saver.note_change();
            }
            let msg = Msg { now: clock.now(), input };
            commands.extend(command_queue::commands(update(&mut model, msg)));
        }
        match first {
            FirstAttempt::Undecided => {}
            FirstAttempt::Go => break,
            FirstAttempt::End(outcome) => return outcome.into(),
        }
    }

    let notifier = Notifier::new(settings.notify, |name| std::env::var(name).ok());
    let screen = match Screen::take(capabilities, model.mouse, notifier) {
        Ok(screen) => screen,
        Err(error) => return Outcome::Failed(format!("cannot use the terminal: {error}")).into(),
    };
    let session = Session {
        model,
        screen,
        mark_saver,
        text_saver,
        handle,
        events,
        commands,
        clock,
        zone,
        keyboard: Keyboard::new(settings.escape_delay),
        editing: None,
        #[cfg(debug_assertions)]
        panic_at: std::env::var("REALTIME_PANIC").ok(),
        hook: extensions.hook,
        network_up: extensions.network_up,
    };
    session.run().await
}
