//! Logs: one line per event, which a thread of its own writes to standard error.
//!
//! A reader of the log that stops (a pager, Ctrl-S, a stuck log driver) stops that thread and nothing else: lines wait in
//! a bounded queue, and are then dropped and counted. After the start nothing else writes to standard error or standard
//! output. The exceptions are a stack overflow and a failed allocation: Rust prints a line and aborts, and safe code has no
//! hook for either, so a stuck standard error delays this end of the process until it is read or its supervisor acts.
//!
//! `tracing-appender` is not used: it bounds lines and not bytes, does not report in the log what it dropped, loses what
//! is queued when the process is ended at once, and its guard prints to standard output, which can hang as well.

mod filter;
mod journal;
mod line;
mod queue;
mod repeats;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::panic::{self, PanicHookInfo};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use realtime_server::metrics::LogDrops;
use tracing::callsite::Identifier;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::{Layer, Registry, reload};

pub(crate) use self::filter::{FilterError, LogFilter};
pub(crate) use self::line::Format;
use self::line::{Line, Style};
use self::queue::{QUEUE_BYTES, Queue};
use self::repeats::{LeftOut, Repeats, Verdict};

/// Time that the end of the process waits for the log.
const END_TIMEOUT: Duration = Duration::from_secs(1);

/// Changes the filter of the running log.
#[derive(Clone)]
pub(crate) struct FilterHandle(reload::Handle<Targets, Registry>);

impl FilterHandle {
    pub(crate) fn set(&self, filter: &LogFilter) {
        // Fails if the log is gone, and then there is nothing to filter.
        let _ = self.0.reload(filter.targets());
    }
}

/// The running log of this process.
pub(crate) struct Log {
    lines: Arc<Lines>,
    filter: FilterHandle,
}

impl Log {
    /// Sends events and panics of this process to standard error. Called once.
    pub(crate) fn start(format: Format, filter: &LogFilter, drops: LogDrops) -> io::Result<Self> {
        let out = own_file(io::stderr().as_fd())?;
        let style = Style { format, journal: journal::is_journal() };
        let lines = Arc::new(Lines::new(style, drops));
        lines.clone().start_writer(out)?;
        let (filter, handle) = reload::Layer::new(filter.targets());
        // Fails if a subscriber is set; this is the only call.
        let _ = tracing::subscriber::set_global_default(
            Registry::default().with(filter).with(LinesLayer(lines.clone())),
        );
        panic::set_hook(Box::new(log_panic));
        Ok(Self { lines, filter: FilterHandle(handle) })
    }

    pub(crate) fn filter(&self) -> FilterHandle {
        self.filter.clone()
    }

    /// Writes the line of an error that ends the server.
    pub(crate) fn print_error_line(&self, what: fmt::Arguments<'_>) {
        self.lines.queue.push(&error_line(what));
    }

    /// Writes `text` to standard output once the lines until now are written, in a thread of its own: standard output can
    /// be a terminal that is stopped.
    pub(crate) fn print_after_lines(&self, text: String) -> io::Result<()> {
        // Not the standard output of the library, which is flushed at the end of the process.
        let mut out = own_file(io::stdout().as_fd())?;
        let lines = self.lines.clone();
        thread::Builder::new().name("greeting".to_owned()).spawn(move || {
            lines.queue.wait_until_written(END_TIMEOUT);
            let _ = out.write_all(text.as_bytes());
        })?;
        Ok(())
    }

    /// Logs how many repeated lines were left out until now.
    pub(crate) fn log_left_out(&self) {
        self.lines.log_left_out();
    }

    /// Writes what is left, and waits for that, at most [`END_TIMEOUT`]. For the end of the process.
    pub(crate) fn finish(&self) {
        self.lines.finish();
    }
}

/// Line of an error that ends the program.
pub(crate) fn error_line(what: fmt::Arguments<'_>) -> String {
    let priority = if journal::is_journal() { "<3>" } else { "" };
    format!("{priority}realtime-server: {what}\n")
}

/// A file of its own, so that no lock of the library is held while a write waits.
fn own_file(stream: BorrowedFd<'_>) -> io::Result<File> {
    stream.try_clone_to_owned().map(File::from)
}

/// Makes lines of events, and queues them.
struct Lines {
    style: Style,
    repeats: Repeats<Identifier>,
    queue: Arc<Queue>,
}

impl Lines {
    fn new(style: Style, drops: LogDrops) -> Self {
        Self { style, repeats: Repeats::new(), queue: Queue::new(QUEUE_BYTES, drops) }
    }

    fn start_writer(self: Arc<Self>, out: impl Write + Send + 'static) -> io::Result<()> {
        let style = self.style;
        let queue = self.queue.clone();
        let timed = move |lines: &mut String| {
            for left_out in self.repeats.take_ended(Some(Instant::now())) {
                lines.push_str(&self.left_out_line(&left_out));
            }
            self.repeats.next_end()
        };
        queue.start_writer(out, timed, move |dropped| dropped_line(dropped).render(style))
    }

    fn log(&self, event: &Event<'_>) {
        let line = Line::of(event);
        // Debugging asks for every line.
        if line.level <= Level::INFO {
            let key = event.metadata().callsite();
            match self.repeats.check(key, line.level, &line.message, &line.subject(), Instant::now()) {
                Verdict::Write(None) => {}
                Verdict::Write(Some(left_out)) => self.queue.push(&self.left_out_line(&left_out)),
                Verdict::LeaveOut { first } => {
                    self.queue.count_left_out();
                    if first {
                        // The writer has to log the count when the minute ends.
                        self.queue.wake();
                    }
                    return;
                }
            }
        }
        self.queue.push(&line.render(self.style));
    }

    fn log_left_out(&self) {
        for left_out in self.repeats.take_ended(None) {
            self.queue.push(&self.left_out_line(&left_out));
        }
    }

    fn finish(&self) {
        self.log_left_out();
        self.queue.wait_until_written(END_TIMEOUT);
    }

    fn left_out_line(&self, left_out: &LeftOut) -> String {
        let fields = vec![("lines", left_out.lines.into()), ("of", left_out.message.clone().into())];
        let message = "repeated lines were left out".to_owned();
        Line { level: left_out.level, target: module_path!(), message, fields }.render(self.style)
    }
}

fn dropped_line(dropped: u64) -> Line<'static> {
    let message = "lines of the log were dropped here".to_owned();
    Line { level: Level::WARN, target: module_path!(), message, fields: vec![("lines", dropped.into())] }
}

struct LinesLayer(Arc<Lines>);

impl<S: Subscriber> Layer<S> for LinesLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        self.0.log(event);
    }
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let message = panic.payload_as_str().unwrap_or("no message");
    let place = panic.location().map(ToString::to_string);
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
    tracing::error!(message = "panicked", panic = message, place, backtrace);
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};

    use realtime_server::metrics::DroppedLine;

    use super::*;

    /// Lines that `events` log, until all are written.
    fn logged(style: Style, filter: &str, events: impl FnOnce()) -> Vec<String> {
        let (reader, out) = io::pipe().expect("a pipe");
        let lines = Arc::new(Lines::new(style, LogDrops::default()));
        lines.clone().start_writer(out).expect("a thread");
        let filter = filter.parse::<LogFilter>().expect("a filter").targets();
        tracing::subscriber::with_default(
            Registry::default().with(filter).with(LinesLayer(lines.clone())),
            || {
                events();
                tracing::error!("the end");
            },
        );
        let lines = BufReader::new(reader).lines().map(|line| line.expect("UTF-8"));
        lines.take_while(|line| !line.contains("the end")).collect()
    }

    const TEXT: Style = Style { format: Format::Text, journal: false };

    #[test]
    fn every_kind_of_value_is_logged() {
        let lines = logged(TEXT, "info", || {
            let error = io::Error::other("disk full");
            tracing::info!(number = 7_u64, negative = -1, half = 0.5, yes = true, text = "a b", "first");
            tracing::info!(shown = %"a=b", debug = ?Some("x"), none = None::<u64>, "second {}", 1);
            tracing::info!(error = &error as &dyn std::error::Error, r#type = "a");
        });
        let ends = [
            r#": first number=7 negative=-1 half=0.5 yes=true text="a b""#,
            r#": second 1 shown="a=b" debug="Some(\"x\")""#,
            r#": error="disk full" type=a"#,
        ];
        assert_eq!(lines.len(), ends.len(), "{lines:#?}");
        for (line, end) in lines.iter().zip(ends) {
            assert!(line.ends_with(end) && line.contains(" INFO "), "{line}");
        }
    }

    #[test]
    fn events_below_the_filter_level_are_dropped() {
        let lines = logged(TEXT, "warn", || {
            tracing::info!("quiet");
            tracing::warn!("loud");
        });
        assert_eq!(lines.len(), 1, "{lines:#?}");
        assert!(lines[0].contains("WARN") && lines[0].ends_with(": loud"), "{lines:#?}");
    }

    #[test]
    fn a_log_that_nobody_reads_delays_neither_events_nor_the_end() {
        const EVENTS: usize = 30_000;
        let (reader, out) = io::pipe().expect("a pipe");
        let drops = LogDrops::default();
        let lines = Arc::new(Lines::new(TEXT, drops.clone()));
        lines.clone().start_writer(out).expect("a thread");
        let subscriber = Registry::default().with(LinesLayer(lines.clone()));
        tracing::subscriber::with_default(subscriber, || {
            (0..EVENTS).for_each(|number| tracing::debug!(number, "an event"));
        });
        lines.finish();
        let dropped = usize::try_from(drops.of(DroppedLine::QueueFull)).expect("small");
        assert!(dropped > 0, "more than the queue and a pipe hold");

        let notice =
            format!(" WARN realtime_server::logging: lines of the log were dropped here lines={dropped}");
        let read = BufReader::new(reader).lines().map(|line| line.expect("UTF-8"));
        let written: Vec<_> = read.take_while(|line| !line.ends_with(&notice)).collect();
        assert_eq!(written.len() + dropped, EVENTS);
        assert!(written.last().is_some_and(|line| line.ends_with(&format!("number={}", written.len() - 1))));
    }

    #[test]
    fn repetitions_of_one_user_are_left_out_and_those_of_debugging_are_not() {
        let lines = logged(TEXT, "debug", || {
            for connection in 0..100 {
                tracing::info!(connection, user = %"alice", "connected");
                tracing::debug!(connection, user = %"alice", "read");
            }
            tracing::info!(user = %"bob", "connected");
        });
        let count = |text: &str| lines.iter().filter(|line| line.contains(text)).count();
        assert_eq!((count("user=alice"), count("user=bob")), (120, 1), "{lines:#?}");
        assert_eq!(count("connected"), 21, "{lines:#?}");
        assert_eq!(count("read"), 100);
    }
}
