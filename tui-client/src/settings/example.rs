//! The text that `--print-config` prints: all keys with their documentation, all commented out.
//!
//! Documentation stands after `# `, and values that can be uncommented after `#` alone.

use super::keys::{ACTIONS, ConfigKey, Shown, TABLES};
use crate::app::{Binding, BindingRow, GROUPS};

const HEAD: &str = "\
Configuration of realtime-tui. The command line and the environment override it. The client reads it from
$XDG_CONFIG_HOME/realtime/config.toml (by default ~/.config/realtime/config.toml), or from the file that
--config names.

To set a key, remove the # in front of it. The values are the defaults or examples.
A fault disables only its own key, and is reported at the start; `realtime-tui --check-config` reports it too.";

const ABOUT_ACTIONS: &str = "\
Keys of actions. A list replaces the default keys of its action, and takes its keys from all other actions;
[] removes all keys. A key is F1 to F12, Enter, Esc, Tab, Space, Backspace, Delete,
Insert, Up, Down, Left, Right, Home, End, PgUp, PgDn or a character, with Ctrl-, Alt- or Shift- before it;
case is ignored. The help shows the first key.";

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

fn key(key: &ConfigKey) -> String {
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
