//! The palette: every command and every action, found by its name or by what it does, with the keys that it has now.
//!
//! It has no list of its own: a row of commands ([`command`]) or of [`GROUPS`] is enough. A command that is an action too is
//! there once; [`SAME`] says which those are.

use crate::app::composing::command;
use crate::app::keys::{Action, Binding, GROUPS};
use crate::app::model::Model;
use crate::app::overlays::fuzzy;
use crate::app::overlays::next_step::{NextStep, leave};
use crate::app::overlays::overlay::Overlay;
use crate::app::overlays::picker::Reply;

/// Commands that are actions where nothing is said after them.
const SAME: [(&str, Action); 6] = [
    ("/rooms", Action::Rooms),
    ("/who", Action::Members),
    ("/search", Action::Search),
    ("/inspect", Action::Inspector),
    ("/help", Action::Help),
    ("/quit", Action::Quit),
];

/// Something that can be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// What it is called: a command with what is said after it, or an action.
    pub title: String,
    /// What it does.
    pub does: &'static str,
    /// The keys that do it.
    pub keys: Vec<String>,
    /// The title's graphemes that were looked for, by number and in their order.
    pub in_title: Vec<u32>,
    /// The same of what it does.
    pub in_does: Vec<u32>,
    run: Run,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Run {
    Action(Action),
    /// As its row has it.
    Command(&'static str),
}

impl Model {
    /// What [`Overlay::Palette`] offers for what is looked for, the best first.
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

    /// Those that are no commands; how to write, which hands know, in the end.
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
    /// With what was looked for: numbers of graphemes of the title, a space, and what it does. All of these are ASCII.
    fn marked(self, matched: &[u32]) -> Self {
        let title = u32::try_from(self.title.len()).unwrap_or(u32::MAX);
        let in_title = matched.iter().copied().filter(|&at| at < title).collect();
        let in_does = matched.iter().filter_map(|at| at.checked_sub(title)?.checked_sub(1)).collect();
        Self { in_title, in_does, ..self }
    }
}

/// All that keys can do, each with its explanation. Left out is what opens and closes the palette, and what goes to a room
/// by its number: those are found by their names.
fn bindings() -> impl Iterator<Item = (&'static str, &'static Binding)> {
    let groups = GROUPS.iter().cycle().skip(1).take(GROUPS.len());
    groups
        .flat_map(|(_, rows)| *rows)
        .flat_map(|row| row.bindings.iter().map(|binding| (row.does, binding)))
        .filter(|(_, binding)| !matches!(binding.action, Action::Palette | Action::Close | Action::Room(_)))
}

/// Handles a key in the palette.
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
    fn what_is_the_same_is_a_command_and_an_action() {
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
