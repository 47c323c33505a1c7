//! The start: the first attempt to connect, then the terminal.

use std::collections::VecDeque;

use tokio::time::Instant;

use super::clock::Clock;
use super::extensions::Extensions;
use super::first::{First, verdict};
use super::keeper::{Keeper, Opened};
use super::outcome::{End, Outcome};
use super::queue;
use super::screen::Screen;
use super::session::Session;
use super::tell::Teller;
use crate::app::{Input, Model, Msg, update};
use crate::config::Config;
use crate::net::{self, Command, Event};
use crate::state::unsent;
use crate::terminal::Capabilities;

/// Runs the client until it ends, on a runtime of its own.
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

/// Runs the client until it ends.
async fn run(config: Config, extensions: Extensions) -> End {
    let clock = Clock { start: Instant::now() };
    let capabilities = Capabilities::of(|name| std::env::var(name).ok());
    let capabilities =
        Capabilities { has_signs: capabilities.has_signs && !config.settings.ascii, ..capabilities };
    let unsent = config.state.as_ref().and_then(|place| unsent::kept(&place.directory));
    let unsent = unsent.map(|path| {
        format!("{} has what you wrote and could not send when a terminal went away: delete it when you are done with it", path.display())
    });
    let Opened { mut keeper, positions, warning } = Keeper::open(config.state);
    let (handle, mut events) = net::connect(config.net);
    let zone = jiff::tz::TimeZone::system();
    let (mut model, effects) = Model::new(&config.rooms, positions, zone, fastrand::u64(..), clock.now());
    let settings = config.settings;
    model.keymap = settings.keymap;
    model.theme = settings.theme;
    model.mouse = settings.mouse;
    model.sends_typing = settings.typing;
    model.notify_on = settings.notify.on;
    model.extensions = extensions.commands;
    let mut commands: VecDeque<Command> = queue::commands(effects).collect();
    for warning in config.warnings.into_iter().chain(warning).chain(unsent) {
        update(&mut model, Msg { now: clock.now(), input: Input::Warning(warning) });
    }
    loop {
        queue::flush(&handle, &mut commands);
        let Some(event) = events.recv().await else {
            return Outcome::Failed("the client's network task ended".to_owned()).into();
        };
        let first =
            if let Event::State(state) = &event { verdict(state, &config.url) } else { First::Undecided };
        keeper.note_user(&event);
        let msg = Msg { now: clock.now(), input: Input::Net(event) };
        commands.extend(queue::commands(update(&mut model, msg)));
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
        hook: extensions.hook,
    };
    session.run().await
}
