//! Lines of the log, as text, as text for the journal of systemd, or as JSON.
//!
//! A line can contain text that a client chose: a name, a header, part of an error. In text a value is quoted if it
//! contains anything that could be read as the end of a field or as another field. Invisible characters (controls, bidi
//! controls, zero-width characters) are escaped as `\u` and a number, so that a client cannot forge lines or send
//! sequences to a terminal. In JSON the escapes decode to the same string.

use std::error::Error;
use std::fmt::{self, Write as _};

use realtime_shared::name::is_name_char;
use serde_json::{Number, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};

/// Format of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people: time, level, module, message, `name=value` …
    Text,
    /// For programs: one object per line.
    Json,
}

/// Style of the lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Style {
    pub(super) format: Format,
    /// The lines go to the journal of systemd: they begin with their priority, and text has no time, which the journal
    /// adds itself.
    pub(super) journal: bool,
}

/// Content of a line.
#[derive(Debug)]
pub(super) struct Line<'a> {
    pub(super) level: Level,
    pub(super) target: &'a str,
    pub(super) message: String,
    pub(super) fields: Vec<(&'static str, Value)>,
}

impl Line<'_> {
    pub(super) fn of(event: &Event<'_>) -> Line<'static> {
        let metadata = event.metadata();
        let mut line = Line {
            level: *metadata.level(),
            target: metadata.target(),
            message: String::new(),
            fields: Vec::with_capacity(metadata.fields().len()),
        };
        event.record(&mut line);
        line
    }

    /// Text by which repetitions are recognized: the user, else the address, else everything.
    pub(super) fn subject(&self) -> String {
        let named = |name: &str| self.fields.iter().find(|(field, _)| *field == name);
        match named("user").or_else(|| named("address")) {
            Some((name, value)) => format!("{name}={value}"),
            None => format!("{} {:?}", self.message, self.fields),
        }
    }

    /// The line with its newline.
    pub(super) fn render(&self, style: Style) -> String {
        let mut out = String::with_capacity(192);
        if style.journal {
            push(&mut out, format_args!("<{}>", priority(self.level)));
        }
        match style.format {
            Format::Text => self.push_text(&mut out, !style.journal),
            Format::Json => self.push_json(&mut out),
        }
        out.push('\n');
        out
    }

    fn push_text(&self, out: &mut String, with_time: bool) {
        if with_time {
            push_time(out);
            push(out, format_args!(" {:>5}", self.level.as_str()));
        } else {
            out.push_str(self.level.as_str());
        }
        push(out, format_args!(" {}:", self.target));
        if !self.message.is_empty() {
            out.push(' ');
            if self.message.chars().all(|c| is_plain(c) || c == ' ' || c == '\'') {
                out.push_str(&self.message);
            } else {
                push_quoted(out, &self.message);
            }
        }
        for (name, value) in &self.fields {
            push(out, format_args!(" {name}="));
            match value {
                Value::String(text) if text.is_empty() || !text.chars().all(is_plain) => {
                    push_quoted(out, text);
                }
                Value::String(text) => out.push_str(text),
                other => push(out, format_args!("{other}")),
            }
        }
    }

    fn push_json(&self, out: &mut String) {
        let mut time = String::new();
        push_time(&mut time);
        let level = self.level.as_str();
        push(out, format_args!("{{\"timestamp\":\"{time}\",\"level\":\"{level}\""));
        let texts = [("message", &*self.message), ("target", self.target)];
        let texts = texts.into_iter().map(|(name, text)| (name, Value::from(text)));
        for (name, value) in texts.chain(self.fields.iter().cloned()) {
            push(out, format_args!(",\"{name}\":"));
            out.push_str(&escape(&value.to_string()));
        }
        out.push('}');
    }

    fn add(&mut self, field: &Field, value: Value) {
        let name = field.name();
        match value {
            Value::String(text) if name == "message" => self.message = text,
            value => self.fields.push((name.strip_prefix("r#").unwrap_or(name), value)),
        }
    }
}

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value.into());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.add(field, value.to_string().into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, Number::from_f64(value).map_or_else(|| value.to_string().into(), Value::Number));
    }
}

/// Writing to a string does not fail.
fn push(out: &mut String, text: fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}

/// The time of day in UTC, to the microsecond.
fn push_time(out: &mut String) {
    let _ = SystemTime.format_time(&mut Writer::new(out));
}

/// Priority of syslog, which the journal takes from the start of a line.
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

/// Returns true for a character that a value without quotes may have.
fn is_plain(c: char) -> bool {
    is_name_char(c) && !c.is_whitespace() && !matches!(c, '=' | '"' | '\'' | '\\')
}

fn push_quoted(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if is_name_char(c) => out.push(c),
            c => push_escape(out, c),
        }
    }
    out.push('"');
}

/// Escapes invisible characters as JSON does.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_name_char(c) {
            escaped.push(c);
        } else {
            push_escape(&mut escaped, c);
        }
    }
    escaped
}

/// A character above U+FFFF becomes two escapes.
fn push_escape(out: &mut String, c: char) {
    for unit in c.encode_utf16(&mut [0; 2]) {
        push(out, format_args!("\\u{unit:04x}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "a\nb\r\x1b[31m\x07\u{9b}2J\u{7f}\u{85}\u{202e}\u{200b}\u{2028}\u{e0041}\0\tü🦀";
    const TEXT: Style = Style { format: Format::Text, journal: false };
    const JSON: Style = Style { format: Format::Json, journal: false };
    const JOURNAL: Style = Style { format: Format::Text, journal: true };

    fn line(fields: &[(&'static str, &str)]) -> Line<'static> {
        Line {
            level: Level::INFO,
            target: "realtime_server::http",
            message: "connected".to_owned(),
            fields: fields.iter().map(|(name, text)| (*name, (*text).into())).collect(),
        }
    }

    /// Fields of a line of text, as a reader finds them: `name=value`, where a value with a quote goes to its other end.
    fn parsed(text: &str) -> Vec<(String, String)> {
        let (_, mut rest) = text.split_once("connected").expect("the message");
        let mut fields = Vec::new();
        while let Some((name, after)) = rest.trim_end_matches('\n').split_once('=') {
            let value = if after.starts_with('"') {
                let mut values = serde_json::Deserializer::from_str(after).into_iter::<String>();
                let value = values.next().expect("a string").expect("its other end");
                rest = &after[values.byte_offset()..];
                value
            } else {
                let end = after.find(char::is_whitespace).unwrap_or(after.len());
                rest = &after[end..];
                after[..end].to_owned()
            };
            fields.push((name.trim_start().to_owned(), value));
        }
        assert_eq!(rest.trim_end_matches('\n'), "", "{text}");
        fields
    }

    #[test]
    fn no_value_can_forge_a_field_or_a_line() {
        for hostile in [
            "mallory address=10.0.0.1",
            "mallory\" address=10.0.0.1",
            "mallory\\\" address=10.0.0.1",
            "mallory\" address=\"10.0.0.1",
            "address=10.0.0.1",
            "a=",
            "=",
            "",
            " ",
            "\\",
            "it's",
            "'a'",
            "a\u{a0}address=1",
            "a\u{3000}b",
            "a\u{2028}b",
            HOSTILE,
        ] {
            let text = line(&[("user", hostile), ("address", "127.0.0.1"), ("room", hostile)]).render(TEXT);
            let fields = parsed(&text);
            let expected = [("user", hostile), ("address", "127.0.0.1"), ("room", hostile)]
                .map(|(name, value)| (name.to_owned(), value.to_owned()));
            assert_eq!(fields, expected, "{text}");
            assert!(text.strip_suffix('\n').expect("a line").chars().all(is_name_char), "{text:?}");
        }
    }

    #[test]
    fn a_plain_value_has_no_quotes() {
        for plain in ["alice", "büro-7", "127.0.0.1", "::1", "ws://127.0.0.1:80/api/v1/ws", "/a/b.db", "🦀"]
        {
            let text = line(&[("user", plain)]).render(TEXT);
            assert!(
                text.ends_with(&format!("INFO realtime_server::http: connected user={plain}\n")),
                "{text}"
            );
        }
    }

    #[test]
    fn a_message_with_foreign_text_is_quoted() {
        let mut line = line(&[("user", "alice")]);
        line.message = "it's read: user=mallory".to_owned();
        assert!(line.render(TEXT).ends_with(": \"it's read: user=mallory\" user=alice\n"));
        line.message = "a\nb".to_owned();
        assert!(line.render(TEXT).ends_with(": \"a\\u000ab\" user=alice\n"));
        line.message = "it's 7 o'clock".to_owned();
        assert!(line.render(TEXT).ends_with(": it's 7 o'clock user=alice\n"));
    }

    #[test]
    fn a_line_of_json_is_one_object_that_decodes_to_the_fields() {
        let mut line = line(&[("user", HOSTILE)]);
        line.fields.push(("count", 7.into()));
        let text = line.render(JSON);
        assert!(text.strip_suffix('\n').expect("a line").chars().all(is_name_char), "{text:?}");
        let object: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(object["user"], HOSTILE);
        assert_eq!(object["count"], 7);
        assert_eq!((&object["level"], &object["message"]), (&"INFO".into(), &"connected".into()));
        assert!(object["timestamp"].as_str().expect("text").ends_with('Z'));
    }

    #[test]
    fn a_line_for_the_journal_has_a_priority_and_no_time() {
        let mut line = line(&[("user", "alice")]);
        let expected = [
            (Level::ERROR, "<3>ERROR"),
            (Level::WARN, "<4>WARN"),
            (Level::INFO, "<6>INFO"),
            (Level::DEBUG, "<7>DEBUG"),
            (Level::TRACE, "<7>TRACE"),
        ];
        for (level, start) in expected {
            line.level = level;
            let text = line.render(JOURNAL);
            assert_eq!(text, format!("{start} realtime_server::http: connected user=alice\n"));
        }
        let json = line.render(Style { format: Format::Json, journal: true });
        assert!(json.starts_with("<7>{"), "{json}");
    }

    #[test]
    fn repetitions_are_recognized_by_user_then_address_then_everything() {
        let subject = |fields: &[(&'static str, &str)]| line(fields).subject();
        assert_eq!(subject(&[("user", "a"), ("address", "1")]), subject(&[("address", "2"), ("user", "a")]));
        assert_ne!(subject(&[("user", "a"), ("address", "1")]), subject(&[("user", "b"), ("address", "1")]));
        assert_eq!(
            subject(&[("address", "1"), ("cause", "a")]),
            subject(&[("address", "1"), ("cause", "b")])
        );
        assert_ne!(subject(&[("user", "1")]), subject(&[("address", "1")]));
        assert_eq!(subject(&[("room", "a")]), subject(&[("room", "a")]));
        assert_ne!(subject(&[("room", "a")]), subject(&[("room", "b")]));
    }
}
