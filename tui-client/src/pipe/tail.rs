//! `tail`: prints a room's messages on standard output.

use std::collections::VecDeque;

use jiff::tz::TimeZone;

use super::feed::{Feed, FeedStep};
use super::finish::{cannot_write, finish};
use super::plan::TailPlan;
use super::printed::PrintedEntry;
use super::printer::{self, Print};
use super::signals::EndSignals;
use crate::net::{self, Event, Handle};
use crate::runtime::Outcome;

pub(super) async fn run(plan: TailPlan) -> Outcome {
    let mut signals = match EndSignals::new() {
        Ok(signals) => signals,
        Err(error) => return Outcome::Failed(format!("cannot handle signals: {error}")),
    };
    let (prints, mut closed) = printer::start();
    let (handle, mut events) = net::connect(plan.server.net);
    let (feed, join) = Feed::new(plan.room, plan.begin, plan.server.url);
    let form = Form { json: plan.json, zone: TimeZone::system() };
    let mut tail = Tail { feed, handle, form, waiting: VecDeque::new() };
    let mut outcome = tail.take([FeedStep::Ask(join)]);
    while outcome.is_none() {
        let is_free = tail.waiting.is_empty();
        outcome = tokio::select! {
            biased;
            signal = signals.next() => Some(Outcome::Signal(signal)),
            written = closed.wait() => {
                // The waiting output has no reader.
                return match written {
                    Ok(()) => Outcome::Quit,
                    Err(error) => cannot_write(&error),
                };
            }
            () = prints.queue_first(&mut tail.waiting), if !is_free => None,
            event = events.recv(), if is_free => tail.on_event(event),
        };
    }
    let outcome = outcome.unwrap_or(Outcome::Quit);
    finish(outcome, tail.waiting, (prints, closed), (tail.handle, events), &mut signals).await
}

struct Tail {
    feed: Feed,
    handle: Handle,
    form: Form,
    /// Output to print before the next event is taken.
    waiting: VecDeque<Print>,
}

/// Output format.
struct Form {
    json: bool,
    zone: TimeZone,
}

impl Tail {
    /// Handles an event, or the end of events. Returns the outcome at the end.
    fn on_event(&mut self, event: Option<Event>) -> Option<Outcome> {
        match event {
            Some(event) => {
                let steps = self.feed.on_event(event);
                self.take(steps)
            }
            None => Some(Outcome::Failed("the client's network task ended".to_owned())),
        }
    }

    fn take(&mut self, steps: impl IntoIterator<Item = FeedStep>) -> Option<Outcome> {
        for step in steps {
            match step {
                FeedStep::Print(entry) => self.waiting.push_back(Print::Line(self.form.line(entry))),
                FeedStep::Note(note) => self.waiting.push_back(Print::Note(note)),
                // At most one request is pending, so the network has room for it.
                FeedStep::Ask(command) => {
                    if let Err(error) = self.handle.try_send(command) {
                        return Some(Outcome::Failed(error.to_string()));
                    }
                }
                FeedStep::End(outcome) => return Some(outcome),
            }
        }
        None
    }
}

impl Form {
    fn line(&self, entry: PrintedEntry) -> String {
        if self.json { entry.json() } else { entry.text(&self.zone) }
    }
}
