//! The keymap: from a [`Chord`] to an [`Action`].

use std::collections::HashMap;

use crate::terminal_input::KeyEvent;

use super::action::{Action, Binding, BindingRow, bindings};
use super::chord::Chord;

/// The keys of each action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keymap {
    actions: HashMap<Chord, Action>,
    /// Keys by the name of the action.
    keys: HashMap<&'static str, Vec<Chord>>,
}

impl Default for Keymap {
    fn default() -> Self {
        let mut map = Self { actions: HashMap::new(), keys: HashMap::new() };
        for binding in bindings() {
            let keys = binding.keys.iter().map(|key| key.parse().expect("valid default keys"));
            map.give(binding, keys.collect());
        }
        map
    }
}

impl Keymap {
    /// Returns the action of a key. A key that is not bound writes its character. Shift is ignored unless a key is
    /// bound with it. A key with a modifier that has no use, such as Super, does nothing.
    #[must_use]
    pub fn action(&self, key: KeyEvent) -> Option<Action> {
        let bound = |chord: Chord| {
            self.actions.get(&chord).or_else(|| self.actions.get(&chord.without_shift())).copied()
        };
        let written = |chord: Chord| if chord == Chord::TAB { Some('\t') } else { chord.character() };
        Chord::of(key).find_map(bound).or_else(|| Chord::of(key).find_map(written).map(Action::Insert))
    }

    /// Sets the keys of the action with this name. Other actions lose these keys. An error is a sentence for the
    /// user; the keymap is unchanged then.
    pub fn remap(&mut self, name: &str, keys: &[&str]) -> Result<(), String> {
        let binding = bindings().find(|binding| binding.name == name);
        let binding = binding.ok_or_else(|| format!("there is no action `{name}`"))?;
        let chords = keys.iter().map(|key| key.parse()).collect::<Result<Vec<Chord>, String>>()?;
        for chord in &chords {
            if self.actions.remove(chord).is_some() {
                for others in self.keys.values_mut() {
                    others.retain(|other| other != chord);
                }
            }
        }
        self.give(binding, chords);
        Ok(())
    }

    fn give(&mut self, binding: &'static Binding, chords: Vec<Chord>) {
        for chord in self.keys.remove(binding.name).unwrap_or_default() {
            self.actions.remove(&chord);
        }
        self.actions.extend(chords.iter().map(|chord| (*chord, binding.action)));
        self.keys.insert(binding.name, chords);
    }

    /// Returns the first key of an action, which is the one that is shown.
    #[must_use]
    pub fn key(&self, action: Action) -> Option<Chord> {
        let binding = bindings().find(|binding| binding.action == action)?;
        self.keys_of(binding).first().copied()
    }

    /// Returns the key of an action for a hint, as ` (Ctrl-R)`; empty if it has no key.
    #[must_use]
    pub fn hint(&self, action: Action) -> String {
        self.key(action).map(|key| format!(" ({key})")).unwrap_or_default()
    }

    /// Returns all keys of an action.
    #[must_use]
    pub fn keys_of(&self, binding: &Binding) -> &[Chord] {
        self.keys.get(binding.name).map_or(&[], Vec::as_slice)
    }

    /// Returns the keys of a row of the help, and its explanation; `None` if it has no keys.
    #[must_use]
    pub fn row(&self, row: &BindingRow) -> Option<(String, String)> {
        let shown = |chords: &[Chord]| chords.iter().map(ToString::to_string).collect::<Vec<_>>();
        if let [binding] = row.bindings {
            let keys = shown(self.keys_of(binding));
            return (!keys.is_empty()).then(|| (keys.join(", "), row.does.to_owned()));
        }
        let firsts: Vec<Chord> =
            row.bindings.iter().filter_map(|binding| self.keys_of(binding).first().copied()).collect();
        let others: Vec<Chord> =
            row.bindings.iter().flat_map(|binding| self.keys_of(binding).iter().skip(1).copied()).collect();
        let keys = match shown(&firsts).as_slice() {
            [] => return None,
            [first, .., last] if firsts.len() > 3 => format!("{first} … {last}"),
            few => few.join(", "),
        };
        let does = match shown(&others).as_slice() {
            [] => row.does.to_owned(),
            also => format!("{} (also {})", row.does, also.join(", ")),
        };
        Some((keys, does))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use crate::terminal_input::{KeyCode, KeyModifiers};

    use super::*;
    use crate::app::GROUPS;

    fn pressed(map: &Keymap, key: &str) -> Option<Action> {
        map.action(key.parse::<Chord>().expect(key).event())
    }

    #[test]
    fn each_action_has_its_own_name_and_keys() {
        let names: HashSet<_> = bindings().map(|binding| binding.name).collect();
        assert_eq!(names.len(), bindings().count());
        let map = Keymap::default();
        for binding in bindings() {
            for key in binding.keys {
                assert_eq!(pressed(&map, key), Some(binding.action), "{key}");
            }
        }
    }

    #[test]
    fn remap_takes_keys_from_other_actions() {
        let mut map = Keymap::default();
        assert_eq!(map.remap("retry", &["ctrl-g", "Ctrl-A"]), Ok(()));
        assert_eq!(pressed(&map, "Ctrl-G"), Some(Action::Retry));
        assert_eq!(pressed(&map, "Ctrl-A"), Some(Action::Retry));
        assert_eq!(pressed(&map, "Ctrl-R"), None);
        assert_eq!(map.hint(Action::Retry), " (Ctrl-G)");
        map.remap("help", &[]).expect("an action");
        assert_eq!((pressed(&map, "F1"), map.hint(Action::Help).as_str()), (None, ""));

        let before = map.clone();
        assert!(map.remap("retyr", &["Ctrl-B"]).expect_err("no action").contains("retyr"));
        assert!(map.remap("retry", &["Ctrl-B", "x"]).expect_err("text").contains("is text"));
        assert_eq!(map, before);
    }

    #[test]
    fn rows_show_the_current_keys() {
        let row = |map: &Keymap, does: &str| {
            let rows = GROUPS.iter().flat_map(|(_, rows)| *rows);
            map.row(rows.into_iter().find(|row| row.does == does).expect("a row"))
        };
        let mut map = Keymap::default();
        let both = |keys: &str, does: &str| Some((keys.to_owned(), does.to_owned()));
        assert_eq!(
            row(&map, "go to the room with that number"),
            both("Alt-1 … Alt-9", "go to the room with that number")
        );
        assert_eq!(row(&map, "room above or below"), both("Alt-Up, Alt-Down", "room above or below"));
        let words = "a word left or right (also Alt-Left, Alt-B, Alt-Right, Alt-F)";
        assert_eq!(row(&map, "a word left or right"), both("Ctrl-Left, Ctrl-Right", words));
        map.remap("help", &[]).expect("an action");
        assert_eq!(row(&map, "this help; type to search it"), None);
    }

    #[test]
    fn capitals_are_text_and_an_unbound_shift_is_ignored() {
        let map = Keymap::default();
        let key = KeyEvent::new(KeyCode::Char('Ä'), KeyModifiers::SHIFT);
        assert_eq!(map.action(key), Some(Action::Insert('Ä')));
        let key = KeyEvent::new(KeyCode::PageUp, KeyModifiers::SHIFT);
        assert_eq!(map.action(key), Some(Action::PageUp));
        let key = KeyEvent::new(KeyCode::Char('x'), KeyModifiers::CONTROL | KeyModifiers::ALT);
        assert_eq!(map.action(key), None);
    }
}
