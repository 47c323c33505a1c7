//! Filter of the log by level, as in `--log`: `info`, or `info,hyper=debug`.

use std::fmt;
use std::io;
use std::path::Path;
use std::str::FromStr;

use realtime_server::files::{Exposure, read_named};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;

/// Target of the server's own events.
const OWN_TARGET: &str = "realtime_server";
/// Limit on the size of a file with a filter.
const MAX_FILE_BYTES: u64 = 4 * 1024;

/// Filter of the log: a level, and perhaps levels for parts of the program.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LogFilter {
    text: String,
    targets: Targets,
}

impl LogFilter {
    /// Reads a filter from a file. White space around it is ignored.
    pub(crate) fn read(path: &Path) -> io::Result<Self> {
        let bytes = read_named(path, MAX_FILE_BYTES, Exposure::Public).map_err(io::Error::other)?;
        let text = String::from_utf8(bytes).map_err(io::Error::other)?;
        text.trim().parse().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    pub(super) fn targets(&self) -> Targets {
        self.targets.clone()
    }
}

impl fmt::Display for LogFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Error of a filter. The text names the levels.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FilterError {
    #[error("`{0}` is not a level; the levels are error, warn, info, debug, trace and off")]
    Level(String),
    #[error("`{0}` is not the name of a part; begin with a level: error, warn, info, debug, trace or off")]
    Target(String),
    #[error(
        "`{0}` hides all lines of the server; begin with a level: error, warn, info, debug, trace or off"
    )]
    Hidden(String),
}

impl FromStr for LogFilter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        let mut targets = Targets::new();
        let mut shows_own = false;
        for directive in text.split(',').map(str::trim) {
            let Some((target, level)) = directive.split_once('=') else {
                targets = targets.with_default(level_of(directive)?);
                shows_own = true;
                continue;
            };
            let (target, level) = (target.trim(), level_of(level.trim())?);
            // A level as a name is a mistake, as in `info=debug`.
            if !is_target(target) || level_of(target).is_ok() {
                return Err(FilterError::Target(target.to_owned()));
            }
            shows_own |= OWN_TARGET.starts_with(target)
                || target.strip_prefix(OWN_TARGET).is_some_and(|rest| rest.starts_with("::"));
            targets = targets.with_target(target, level);
        }
        if !shows_own {
            return Err(FilterError::Hidden(text.to_owned()));
        }
        Ok(Self { text: text.to_owned(), targets })
    }
}

/// Reads a level by its name. The numbers of tracing are refused, since other programs count them from the other end.
fn level_of(text: &str) -> Result<LevelFilter, FilterError> {
    Ok(match text.to_ascii_lowercase().as_str() {
        "error" => LevelFilter::ERROR,
        "warn" => LevelFilter::WARN,
        "info" => LevelFilter::INFO,
        "debug" => LevelFilter::DEBUG,
        "trace" => LevelFilter::TRACE,
        "off" => LevelFilter::OFF,
        _ => return Err(FilterError::Level(text.to_owned())),
    })
}

/// Returns true if `text` can be the path of a module.
fn is_target(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-:".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enabled(filter: &str, target: &str) -> LevelFilter {
        let targets = filter.parse::<LogFilter>().expect(filter).targets();
        [
            (tracing::Level::TRACE, LevelFilter::TRACE),
            (tracing::Level::DEBUG, LevelFilter::DEBUG),
            (tracing::Level::INFO, LevelFilter::INFO),
            (tracing::Level::WARN, LevelFilter::WARN),
            (tracing::Level::ERROR, LevelFilter::ERROR),
        ]
        .into_iter()
        .find_map(|(level, filter)| targets.would_enable(target, &level).then_some(filter))
        .unwrap_or(LevelFilter::OFF)
    }

    #[test]
    fn a_level_applies_to_all_parts_without_their_own() {
        assert_eq!(enabled("info", "realtime_server::http"), LevelFilter::INFO);
        assert_eq!(enabled("Warn", "hyper"), LevelFilter::WARN);
        assert_eq!(enabled("off", "realtime_server"), LevelFilter::OFF);
        let filter = "info, realtime_server::http=debug,hyper=off";
        assert_eq!(enabled(filter, "realtime_server::http::accept"), LevelFilter::DEBUG);
        assert_eq!(enabled(filter, "realtime_server::room"), LevelFilter::INFO);
        assert_eq!(enabled(filter, "hyper::proto"), LevelFilter::OFF);
        assert_eq!(enabled("realtime_server=trace", "realtime_server"), LevelFilter::TRACE);
        assert_eq!(enabled("realtime_server=trace", "hyper"), LevelFilter::OFF);
    }

    #[test]
    fn an_unknown_level_is_refused_with_the_list_of_levels() {
        for text in [
            "verbose",
            "warning",
            "information",
            "INFOO",
            "3",
            "",
            " ",
            "info,",
            "info,verbose",
            "info,hyper",
            "realtime_server",
            "realtime_server::http",
            "info,realtime_server=verbose",
            "realtime_server=",
            "info=",
            "info debug",
            "level=info level",
        ] {
            let error = text.parse::<LogFilter>().expect_err(text);
            assert!(matches!(error, FilterError::Level(_)), "{text:?}: {error}");
            assert!(error.to_string().contains("error, warn, info, debug, trace"), "{error}");
        }
    }

    #[test]
    fn a_filter_for_no_part_of_the_server_is_refused() {
        for text in ["hyper=debug", "realtime_sever=debug", "realtime_serverx=info"] {
            let error = text.parse::<LogFilter>().expect_err(text);
            assert_eq!(error, FilterError::Hidden(text.to_owned()));
        }
        for text in [
            "info;hyper=debug",
            "info,=,",
            "info,=debug",
            "info=debug",
            "info,[span]=debug",
            "info,a{b=1}=debug",
        ] {
            text.parse::<LogFilter>().expect_err(text);
        }
    }

    #[test]
    fn a_file_holds_a_filter_and_a_newline() {
        let directory = tempfile::TempDir::new().expect("a directory");
        let path = directory.path().join("level");
        std::fs::write(&path, "debug\n").expect("writable");
        assert_eq!(LogFilter::read(&path).expect("a filter"), "debug".parse().expect("a filter"));
        std::fs::write(&path, "verbose\n").expect("writable");
        let error = LogFilter::read(&path).expect_err("not a level").to_string();
        assert!(error.contains("`verbose` is not a level"), "{error}");
        std::fs::write(&path, b"\xff").expect("writable");
        LogFilter::read(&path).expect_err("not UTF-8");
        LogFilter::read(directory.path()).expect_err("a directory");
    }
}
