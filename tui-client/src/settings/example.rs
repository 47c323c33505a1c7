//! The example that `--print-config` prints: all keys with what they mean, none of which is set.
//!
//! Behind `# ` stands what something means, and behind `#` alone what could be written.

use super::keys::{ACTIONS, Key, Shown, TABLES};
use crate::app::{Binding, BindingRow, GROUPS};

const HEAD: &str = "\
What realtime-tui goes by, where neither the command line nor the environment says otherwise. It is read
from $XDG_CONFIG_HOME/realtime/config.toml (by default ~/.config/realtime/config.toml), or from the file
that --config names.

What stands behind a # without a space can be written: it is what holds without this file, or an example.
What is wrong here costs only its own key, and is told; `realtime-tui --check-config` tells it too.";

const ABOUT_ACTIONS: &str = "\
What keys do. An action has the keys that are given here in place of those that it has otherwise, and a key
that is given is taken from any other action; [] takes all. A key is F1 to F12, Enter, Esc, Tab, Space,
Backspace, Delete, Insert, Up, Down, Left, Right, Home, End, PgUp, PgDn or a character, with Ctrl-, Alt- or
Shift- before it; capitals make no difference. The first key is the one that is shown.";

/// The text of the example.
#[must_use]
pub fn example() -> String {
    let mut text = comment(HEAD);
    for table in TABLES {
        if !table.name.is_empty() {
            text += &header(table.name, table.about);
        }
        text.extend(table.keys.iter().map(key));
    }
    text += &header(ACTIONS, ABOUT_ACTIONS);
    text.extend(GROUPS.iter().flat_map(|(_, rows)| *rows).map(row));
    text
}

fn header(name: &str, about: &str) -> String {
    format!("\n[{name}]\n{}", comment(about))
}

fn row(row: &BindingRow) -> String {
    let actions: String = row.bindings.iter().map(action).collect();
    format!("\n{}{actions}", comment(row.does))
}

fn key(key: &Key) -> String {
    let (about, value) = match key.shown {
        Shown::Default(value) => (key.about.to_owned(), value),
        Shown::Example(value) => (format!("{} For example:", key.about), value),
    };
    format!("\n{}#{} = {value}\n", comment(&about), key.name)
}

fn action(binding: &Binding) -> String {
    let keys: Vec<String> = binding.keys.iter().map(|key| format!("\"{key}\"")).collect();
    format!("#{} = [{}]\n", binding.name, keys.join(", "))
}

fn comment(text: &str) -> String {
    text.lines().map(|line| format!("# {line}").trim_end().to_owned() + "\n").collect()
}
