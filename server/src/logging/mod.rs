//! Logs: one line per event on standard error, as text or JSON.
//!
//! A line can contain text that a client chose: a name, a header, part of an error. Invisible characters in it (controls,
//! bidi controls, zero-width characters) are escaped as `\u` and a number, so that a client cannot forge log lines or
//! send sequences to a terminal. In JSON the escapes decode to the same string.

mod filter;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt::Write as _;
use std::io::{self, Write};
use std::panic::{self, PanicHookInfo};

use realtime_shared::name::is_name_char;
use tracing::Subscriber;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry, reload};

pub(crate) use self::filter::{FilterError, LogFilter};

/// Format of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people: time, level, module, message, `name=value` …
    Text,
    /// For programs: one object per line.
    Json,
}

/// Changes the filter of the running log.
#[derive(Clone)]
pub(crate) struct FilterHandle(reload::Handle<Targets, Registry>);

impl FilterHandle {
    pub(crate) fn set(&self, filter: &LogFilter) {
        // Fails if the log is gone, and then there is nothing to filter.
        let _ = self.0.reload(filter.targets());
    }
}

/// Sends events and panics of this process to standard error. Called once.
pub(crate) fn init(format: Format, filter: &LogFilter) -> FilterHandle {
    let (subscriber, handle) = subscriber(format, filter, || Escaping(io::stderr()));
    // Fails if a subscriber is set; this is the only call.
    let _ = tracing::subscriber::set_global_default(subscriber);
    panic::set_hook(Box::new(log_panic));
    handle
}

fn subscriber<W>(
    format: Format,
    filter: &LogFilter,
    writer: W,
) -> (impl Subscriber + Send + Sync, FilterHandle)
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let (filter, handle) = reload::Layer::new(filter.targets());
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        // A failed write to standard error would be reported on standard error, and panic if that fails too.
        .log_internal_errors(false)
        .with_writer(writer);
    let lines = match format {
        Format::Text => lines.boxed(),
        Format::Json => lines.json().flatten_event(true).boxed(),
    };
    (Registry::default().with(filter).with(lines), FilterHandle(handle))
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let message = panic.payload_as_str().unwrap_or("no message");
    let place = panic.location().map(ToString::to_string);
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
    tracing::error!(message = "panicked", panic = message, place, backtrace);
}

/// Writer that escapes invisible characters. Each write is one line.
struct Escaping<W>(W);

impl<W: Write> Write for Escaping<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        let (text, end) = text.strip_suffix('\n').map_or((&*text, ""), |text| (text, "\n"));
        if text.chars().all(is_name_char) {
            self.0.write_all(line)?;
        } else {
            self.0.write_all((escape(text) + end).as_bytes())?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Escapes as JSON does: a character above U+FFFF becomes two escapes.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_name_char(c) {
            escaped.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a string does not fail.
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    const HOSTILE: &str = "a\nb\r\x1b[31m\x07\u{9b}2J\u{7f}\u{85}\u{202e}\u{200b}\u{2028}\u{e0041}\0\tü🦀";

    #[derive(Clone, Default)]
    struct LogBuffer(Arc<Mutex<Vec<u8>>>);

    impl Write for LogBuffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: Format, filter: &str, events: impl FnOnce()) -> String {
        let buffer = LogBuffer::default();
        let writer = buffer.clone();
        let filter = filter.parse().expect("a filter");
        let (subscriber, _) = subscriber(format, &filter, move || Escaping(writer.clone()));
        tracing::subscriber::with_default(subscriber, events);
        let bytes = buffer.0.lock().unwrap().clone();
        String::from_utf8(bytes).expect("text")
    }

    fn hostile_events() {
        tracing::info!(user = HOSTILE, "joined");
        tracing::info!(user = %HOSTILE, "joined");
        tracing::info!(user = ?HOSTILE, "joined");
        tracing::info!("joined {HOSTILE}");
        tracing::info!(fault = &io::Error::other(HOSTILE) as &dyn std::error::Error, "failed");
    }

    #[test]
    fn a_text_event_is_one_line_of_visible_characters() {
        let log = logged(Format::Text, "info", hostile_events);
        assert_eq!(log.lines().count(), 5, "{log}");
        for line in log.split_terminator('\n') {
            assert!(line.chars().all(is_name_char), "{line:?}");
            assert!(line.contains("ü🦀") && line.contains("INFO"), "{line}");
        }
    }

    #[test]
    fn a_json_event_is_one_object_that_decodes_to_what_was_logged() {
        let log = logged(Format::Json, "info", hostile_events);
        assert_eq!(log.lines().count(), 5, "{log}");
        for line in log.split_terminator('\n') {
            assert!(line.chars().all(is_name_char), "{line:?}");
            let object: serde_json::Value = serde_json::from_str(line).expect("JSON");
            assert_eq!(object["level"], "INFO", "{line}");
        }
        let first: serde_json::Value = serde_json::from_str(log.lines().next().unwrap()).expect("JSON");
        assert_eq!((&first["user"], &first["message"]), (&HOSTILE.into(), &"joined".into()));
    }

    #[test]
    fn events_below_the_filter_level_are_dropped() {
        let log = logged(Format::Text, "warn", || {
            tracing::info!("quiet");
            tracing::warn!("loud");
        });
        assert!(log.contains("loud") && !log.contains("quiet"), "{log}");
    }
}
