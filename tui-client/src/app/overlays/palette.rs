//! The palette: all commands and actions with their keys, found by name or explanation.
//!
//! It takes them from the tables of commands ([`command`]) and keys ([`GROUPS`]). A command that equals an action is
//! listed once; [`SAME`] lists these commands.

use crate::app::composing::command;
use crate::app::keys::{Action, Binding, GROUPS};
use crate::app::model::Model;
use crate::app::overlays::fuzzy;
use crate::app::overlays::next_step::{NextStep, leave};
use crate::app::overlays::overlay::Overlay;
use crate::app::overlays::picker::Reply;

/// Commands that equal an action if they have no argument.
const SAME: [(&str, Action); 6] = [
    ("/rooms", Action::Rooms),
    ("/who", Action::Members),
    ("/search", Action::Search),
    ("/inspect", Action::Inspector),
    ("/help", Action::Help),
    ("/quit", Action::Quit),
];

/// A command or an action in the palette.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The usage of a command, or the name of an action.
    pub title: String,
    /// The explanation.
    pub does: &'static str,
    pub keys: Vec<String>,
    /// Indexes of the graphemes of `title` that match the query, ascending.
    pub in_title: Vec<u32>,
    /// Indexes of the graphemes of `does` that match the query, ascending.
    pub in_does: Vec<u32>,
    run: Run,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Run {
    Action(Action),
    /// The usage of the command.
    Command(&'static str),
}

impl Model {
    /// Returns the commands and actions of [`Overlay::Palette`] that match the query, the best match first.
    #[must_use]
    pub fn offers(&self) -> Vec<Offer> {
        let Some(Overlay::Palette(picker)) = &self.overlay else { return Vec::new() };
        let all: Vec<Offer> = self.offered_commands().chain(self.actions()).collect();
        let texts: Vec<String> = all.iter().map(|offer| format!("{} {}", offer.title, offer.does)).collect();
        let found = fuzzy::find(picker.query().text().trim(), texts.iter().map(String::as_str));
        found.into_iter().map(|found| all[found.index].clone().marked(&found.matched)).collect()
    }

    fn offered_commands(&self) -> impl Iterator<Item = Offer> {
        self.commands().map(|(usage, does)| {
            let same = SAME.into_iter().find(|(name, _)| *name == command::parts(usage).0);
            let run = same.map_or(Run::Command(usage), |(_, action)| Run::Action(action));
            let binding = same.and_then(|(_, same)| bindings().find(|(_, binding)| binding.action == same));
            self.offer(usage.to_owned(), does, binding.map(|(_, binding)| binding), run)
        })
    }

    /// Returns the actions that are not commands. Actions for writing, which users know by heart, are last.
    fn actions(&self) -> impl Iterator<Item = Offer> {
        bindings().filter(|(_, binding)| !SAME.iter().any(|(_, same)| *same == binding.action)).map(
            |(does, binding)| {
                self.offer(binding.name.replace('_', " "), does, Some(binding), Run::Action(binding.action))
            },
        )
    }

    fn offer(&self, title: String, does: &'static str, binding: Option<&Binding>, run: Run) -> Offer {
        let keys = binding.map_or(&[][..], |binding| self.keymap.keys_of(binding));
        let keys = keys.iter().map(ToString::to_string).collect();
        Offer { title, does, keys, in_title: Vec::new(), in_does: Vec::new(), run }
    }
}

impl Offer {
    /// Splits the matched graphemes of title, space and explanation. All of these are ASCII.
    fn marked(self, matched: &[u32]) -> Self {
        let title = u32::try_from(self.title.len()).unwrap_or(u32::MAX);
        let in_title = matched.iter().copied().filter(|&at| at < title).collect();
        let in_does = matched.iter().filter_map(|at| at.checked_sub(title)?.checked_sub(1)).collect();
        Self { in_title, in_does, ..self }
    }
}

/// Returns all bindings with their explanations, except those that open or close the palette or go to a room by
/// number.
fn bindings() -> impl Iterator<Item = (&'static str, &'static Binding)> {
    let groups = GROUPS.iter().cycle().skip(1).take(GROUPS.len());
    groups
        .flat_map(|(_, rows)| *rows)
        .flat_map(|row| row.bindings.iter().map(|binding| (row.does, binding)))
        .filter(|(_, binding)| !matches!(binding.action, Action::Palette | Action::Close | Action::Room(_)))
}

/// Handles an action in the palette.
pub(in crate::app) fn on_key(model: &mut Model, action: Action) -> NextStep {
    let offers = model.offers();
    let Some(Overlay::Palette(picker)) = &mut model.overlay else { return NextStep::Pass };
    match picker.on_key(action, offers.len()) {
        Reply::Done | Reply::Queried => NextStep::nothing(),
        Reply::Chosen => {
            let Some(offer) = offers.get(picker.selected()).or(offers.last()) else {
                return NextStep::nothing();
            };
            model.overlay = None;
            match offer.run {
                Run::Action(action) => NextStep::Act(action),
                Run::Command(usage) => NextStep::Command(usage),
            }
        }
        Reply::Passed => leave(&mut model.overlay, action, Action::Palette),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::COMMANDS;

    #[test]
    fn each_shared_name_is_a_command_and_an_action() {
        for (name, action) in SAME {
            assert!(COMMANDS.iter().any(|(usage, _)| command::parts(usage).0 == name), "{name}");
            assert!(bindings().any(|(_, binding)| binding.action == action), "{name}");
        }
    }

    #[test]
    fn titles_are_ascii() {
        let titles = COMMANDS.iter().map(|(usage, _)| *usage);
        assert!(titles.chain(bindings().map(|(_, binding)| binding.name)).all(str::is_ascii));
    }
}
