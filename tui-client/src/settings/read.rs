//! Parser of a configuration: from a text to [`Settings`] and all its faults.
//!
//! Keys in a broken line are skipped: their values would be guesses, and the line is reported already.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::defaults::Settings;
use super::fault::{Fault, FaultAt, Lines, did_you_mean};
use super::keys::{ACTIONS, ConfigKey, ConfigTable, TABLES};
use super::value::{Checked, Value, all_good, get, items, wrong};
use crate::app::{Chord, GROUPS};

/// Limit of rounds, in each of which one broken line is blanked. The last round reports all others. This bounds the
/// work on a text that is not a configuration.
const ROUNDS: usize = 32;

/// Reads a file. Returns the valid settings, and the faults from top to bottom.
#[must_use]
pub fn read(bytes: &[u8]) -> (Settings, Vec<Fault>) {
    let original = String::from_utf8_lossy(bytes);
    let mut text = original.clone().into_owned();
    let lines = Lines::of(&text);
    let mut wrong = Vec::new();
    if let Err(error) = std::str::from_utf8(bytes) {
        let place = error.valid_up_to();
        wrong.push(FaultAt::new(place..place, "this is not UTF-8"));
    }
    let broken = blank_broken(&mut text, &lines, &mut wrong);
    let (document, _) = DeTable::parse_recoverable(&text);
    let mut settings = Settings::default();
    // A broken line of the server must not leave the default server in place, which would get the token.
    if broken.iter().any(|line| is_url(&original[lines.range(*line, original.len())])) {
        settings.url.clear();
    }
    let mut reader = ConfigReader { settings, wrong, lines, broken, given: HashMap::new() };
    reader.document(document.get_ref());
    let ConfigReader { settings, mut wrong, lines, .. } = reader;
    wrong.sort_by_key(|wrong| wrong.span.start);
    let fault = |wrong: FaultAt| Fault::new(Some(lines.number(wrong.span.start)), &wrong.what);
    (settings, wrong.into_iter().map(fault).collect())
}

/// Finds the lines that are not TOML and blanks each before it looks for the next, because the parser may join them
/// with later lines. Table headers stay, so that later lines keep their table.
fn blank_broken(text: &mut String, lines: &Lines, wrong: &mut Vec<FaultAt>) -> BTreeSet<usize> {
    let mut broken = BTreeSet::new();
    for round in 1..=ROUNDS {
        let mut errors = DeTable::parse_recoverable(text).1;
        let place = |error: &toml::de::Error| error.span().unwrap_or(text.len()..text.len());
        errors.sort_by_key(|error| place(error).start);
        let spans = errors.iter().map(|error| (place(error), error.message()));
        let new = spans.filter(|(span, _)| broken.insert(lines.number(span.start)));
        let new: Vec<_> = new
            .take(if round < ROUNDS { 1 } else { usize::MAX })
            .map(|(span, what)| FaultAt::new(span, what))
            .collect();
        for fault in &new {
            let line = lines.range(lines.number(fault.span.start), text.len());
            if !text[line.clone()].trim_start().starts_with('[') {
                text.replace_range(line.clone(), &" ".repeat(line.len()));
            }
        }
        if new.is_empty() {
            break;
        }
        wrong.extend(new);
    }
    broken
}

/// True if a line sets `url`, as in `url = ws://chat.example`.
fn is_url(line: &str) -> bool {
    line.trim_start().strip_prefix("url").is_some_and(|rest| rest.trim_start().starts_with('='))
}

struct ConfigReader {
    settings: Settings,
    wrong: Vec<FaultAt>,
    lines: Lines,
    /// Lines that are not TOML.
    broken: BTreeSet<usize>,
    /// Chords that the text has assigned, with their actions.
    given: HashMap<Chord, &'static str>,
}

type Name<'a> = Spanned<Cow<'a, str>>;

impl ConfigReader {
    fn document(&mut self, document: &DeTable<'_>) {
        for (name, value) in in_order(document) {
            let is_table = matches!(value.get_ref(), DeValue::Table(_));
            match TABLES.iter().find(|table| !table.name.is_empty() && table.name == name.get_ref()) {
                Some(table) => self.table(table, value),
                None if name.get_ref() == ACTIONS => self.actions(value),
                None if is_table && top().key(name.get_ref()).is_none() => self.unknown_table(name),
                None => self.key(top(), name, value),
            }
        }
    }

    fn table(&mut self, table: &ConfigTable, value: &Value<'_>) {
        for (name, value) in self.entries(table.name, value) {
            self.key(table, name, value);
        }
    }

    /// Assigns keys to actions. A key belongs to the first action of the text that names it.
    fn actions(&mut self, value: &Value<'_>) {
        for (name, value) in self.entries(ACTIONS, value) {
            if self.is_broken(name, value) {
                continue;
            }
            if let Some(action) = action(name.get_ref()) {
                let checked = self.action(action, value);
                self.note(&format!("{ACTIONS}.{action}"), checked);
            } else {
                let hint = did_you_mean(name.get_ref(), action_names());
                self.report(name.span(), format!("no action is called `{}`{hint}", name.get_ref()));
            }
        }
    }

    fn action(&mut self, action: &'static str, value: &Value<'_>) -> Checked<()> {
        let (keys, mut faults) = match value.get_ref() {
            DeValue::String(_) => (vec![self.chord(action, value)?], Vec::new()),
            _ => items(value, |item| self.chord(action, item))?,
        };
        // An action whose keys are all faulty keeps its default keys.
        if (!keys.is_empty() || faults.is_empty())
            && let Err(what) =
                self.settings.keymap.remap(action, &keys.iter().map(String::as_str).collect::<Vec<_>>())
        {
            faults.push(FaultAt::new(value.span(), what));
        }
        all_good(faults)
    }

    /// Reads a chord that no other action has.
    fn chord(&mut self, action: &'static str, value: &Value<'_>) -> Checked<String> {
        let key: String = get(value)?;
        match key.parse::<Chord>() {
            Ok(chord) => match *self.given.entry(chord).or_insert(action) {
                owner if owner == action => Ok(key),
                owner => wrong(value, format!("{chord} is already a key of `{owner}`")),
            },
            Err(what) => wrong(value, what),
        }
    }

    fn key(&mut self, table: &ConfigTable, name: &Name<'_>, value: &Value<'_>) {
        if self.is_broken(name, value) {
            return;
        }
        match table.key(name.get_ref()) {
            Some(key) => {
                let checked = (key.set)(&mut self.settings, value);
                self.note(&table.path(key.name), checked);
            }
            None => self.report(name.span(), unknown_key(table, name.get_ref())),
        }
    }

    fn unknown_table(&mut self, name: &Name<'_>) {
        let known = TABLES.iter().map(|table| table.name).chain([ACTIONS]).filter(|name| !name.is_empty());
        let hint = did_you_mean(name.get_ref(), known);
        self.report(name.span(), format!("no table is called `{}`{hint}", name.get_ref()));
    }

    /// Entries of a value that must be a table.
    fn entries<'a, 'text>(
        &mut self,
        name: &str,
        value: &'a Value<'text>,
    ) -> Vec<(&'a Name<'text>, &'a Value<'text>)> {
        if let DeValue::Table(table) = value.get_ref() {
            return in_order(table);
        }
        self.note(name, wrong(value, format!("expected a table [{name}]")));
        Vec::new()
    }

    fn note(&mut self, path: &str, checked: Checked<()>) {
        for wrong in checked.err().into_iter().flatten() {
            self.report(wrong.span, format!("`{path}`: {}", wrong.what));
        }
    }

    fn report(&mut self, span: Range<usize>, what: String) {
        self.wrong.push(FaultAt::new(span, what));
    }

    fn is_broken(&self, name: &Name<'_>, value: &Value<'_>) -> bool {
        let first = self.lines.number(name.span().start);
        let last = self.lines.number(value.span().end).max(first);
        self.broken.range(first..=last).next().is_some()
    }
}

impl ConfigTable {
    fn key(&self, name: &str) -> Option<&'static ConfigKey> {
        self.keys.iter().find(|key| key.name == name)
    }

    fn path(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }
}

/// The table of the keys above all tables.
fn top() -> &'static ConfigTable {
    &TABLES[0]
}

/// Entries in the order of the text.
fn in_order<'a, 'text>(table: &'a DeTable<'text>) -> Vec<(&'a Name<'text>, &'a Value<'text>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(name, _)| name.span().start);
    entries
}

/// Fault of an unknown key, which may belong to another table or be misspelt.
fn unknown_key(table: &ConfigTable, name: &str) -> String {
    let unknown = format!("no key is called `{}`", table.path(name));
    match TABLES.iter().find(|other| other.key(name).is_some()) {
        Some(other) if other.name.is_empty() => {
            format!("{unknown}; `{name}` belongs above the first [table]")
        }
        Some(other) => format!("{unknown}; `{name}` belongs in [{}]", other.name),
        None => unknown + &did_you_mean(name, table.keys.iter().map(|key| key.name)),
    }
}

fn action_names() -> impl Iterator<Item = &'static str> {
    GROUPS.iter().flat_map(|(_, rows)| *rows).flat_map(|row| row.bindings).map(|binding| binding.name)
}

fn action(name: &str) -> Option<&'static str> {
    action_names().find(|known| *known == name)
}
