//! Network faults simulated by `--demo`, and the command `/net` that chooses one.

use std::fmt;
use std::time::Duration;

use jiff::SignedDuration;

use crate::app::Extension;

/// Duration of a cut by default.
const DROP: Duration = Duration::from_secs(10);
/// Longest cut.
const LONGEST_DROP: Duration = Duration::from_mins(10);
/// Delay of an answer by default.
const LAG: Duration = Duration::from_millis(500);
/// Longest delay: a connection that is silent for longer counts as dead.
const LONGEST_LAG: Duration = Duration::from_secs(30);

/// `/net`, for the app of a demo.
pub const EXTENSIONS: &[Extension] = &[Extension {
    name: NAME,
    rows: &[
        ("/net drop [10s]", "demo: cut the connection for this time"),
        ("/net lag [500ms]", "demo: delay each answer by this time"),
        ("/net flap", "demo: cut and restore the connection in turns"),
        ("/net ok", "demo: end the network fault"),
    ],
    check: |argument| NetworkFault::parse(argument).map(|fault| fault.to_string()),
}];

/// `/net`, for the app of any other server: it is not listed, and a hint explains it.
pub const UNAVAILABLE: &[Extension] = &[Extension {
    name: NAME,
    rows: &[],
    check: |argument| {
        NetworkFault::parse(argument)?;
        Err("/net is for the demo, which has a network of its own: `realtime-tui --demo`".to_owned())
    },
}];

const NAME: &str = "net";

/// A network fault simulated by `--demo` (`/net drop`, `/net lag`, `/net flap`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum NetworkFault {
    /// No fault.
    #[default]
    Off,
    /// The connection is cut, and none can be made for this long.
    Drop(Duration),
    /// Each answer takes this much longer.
    Lag(Duration),
    /// The connection is cut and can be made again, in turns.
    Flap,
}

impl NetworkFault {
    /// Reads the argument of `/net`; an error is a sentence for the user.
    pub(super) fn parse(words: &str) -> Result<Self, String> {
        let (word, rest) = words.split_once(char::is_whitespace).unwrap_or((words, ""));
        let rest = rest.trim();
        match word {
            "drop" => duration(rest, DROP, LONGEST_DROP).map(Self::Drop),
            "lag" => duration(rest, LAG, LONGEST_LAG).map(Self::Lag),
            "flap" | "ok" if !rest.is_empty() => Err(format!("/net {word} takes no argument")),
            "flap" => Ok(Self::Flap),
            "ok" => Ok(Self::Off),
            _ => {
                Err("use /net drop, lag, flap or ok, for example /net drop 10s or /net lag 500ms".to_owned())
            }
        }
    }
}

impl fmt::Display for NetworkFault {
    /// The note in the timeline when the fault begins.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => write!(f, "demo: the network has no fault"),
            Self::Drop(time) => write!(
                f,
                "demo: the connection is cut for {}; messages you write now are sent afterwards",
                shown(*time)
            ),
            Self::Lag(more) => {
                write!(f, "demo: each answer is delayed by {}; /net ok ends it", shown(*more))
            }
            Self::Flap => write!(f, "demo: the connection is cut and restored in turns; /net ok ends it"),
        }
    }
}

fn duration(text: &str, default: Duration, longest: Duration) -> Result<Duration, String> {
    if text.is_empty() {
        return Ok(default);
    }
    let time = text.parse::<SignedDuration>().ok().and_then(|time| Duration::try_from(time).ok());
    match time {
        Some(time) if time <= longest => Ok(time),
        Some(_) => Err(format!("`{text}` is too long: at most {}", shown(longest))),
        None => Err(format!("`{text}` is not a time: write 500ms, 10s or 1m")),
    }
}

/// `10 s`, or `1500 ms`.
fn shown(time: Duration) -> String {
    match time.as_millis() {
        millis if millis % 1_000 == 0 => format!("{} s", millis / 1_000),
        millis => format!("{millis} ms"),
    }
}

#[cfg(test)]
mod tests {
    use crate::terminal_input::KeyCode;

    use super::*;
    use crate::app::Effect;
    use crate::app::testing::Client;

    #[test]
    fn arguments_are_read() {
        for (words, fault) in [
            ("ok", NetworkFault::Off),
            ("flap", NetworkFault::Flap),
            ("drop", NetworkFault::Drop(DROP)),
            ("drop 30s", NetworkFault::Drop(Duration::from_secs(30))),
            ("drop  10m", NetworkFault::Drop(LONGEST_DROP)),
            ("lag", NetworkFault::Lag(LAG)),
            ("lag 1500ms", NetworkFault::Lag(Duration::from_millis(1_500))),
        ] {
            assert_eq!(NetworkFault::parse(words), Ok(fault), "{words}");
        }
    }

    #[test]
    fn a_wrong_argument_is_explained() {
        for (words, part) in [
            ("", "drop, lag, flap or ok"),
            ("storm", "drop, lag, flap or ok"),
            ("flap 3s", "takes no argument"),
            ("lag 500", "500ms, 10s or 1m"),
            ("lag -5s", "is not a time"),
            ("lag 31s", "at most 30 s"),
            ("drop 1h", "at most 600 s"),
        ] {
            let error = NetworkFault::parse(words).expect_err(words);
            assert!(error.contains(part), "{words}: {error}");
        }
    }

    #[test]
    fn the_note_names_the_fault_and_its_time() {
        let note = |fault: NetworkFault| fault.to_string();
        assert!(note(NetworkFault::Drop(DROP)).contains("cut for 10 s"));
        assert!(note(NetworkFault::Lag(Duration::from_millis(1_500))).contains("delayed by 1500 ms"));
    }

    #[test]
    fn the_app_of_a_demo_lists_and_runs_net() {
        let mut client = Client::online(&["chat"]);
        client.model.extensions = EXTENSIONS;
        assert_eq!(client.model.commands().filter(|(usage, _)| usage.starts_with("/net ")).count(), 4);
        let call = Effect::Extension { name: NAME, argument: "flap".to_owned() };
        assert_eq!(client.enter("/net flap")[0], call);
        client.write("/net l");
        client.press(KeyCode::Tab);
        assert_eq!(client.draft(), "/net lag ");
        let titles = EXTENSIONS[0].rows.iter().flat_map(|(usage, does)| [usage, does]);
        assert!(titles.into_iter().all(|text| text.is_ascii()), "the palette aligns ASCII only");
    }

    #[test]
    fn outside_of_a_demo_net_is_explained_and_not_listed() {
        let mut client = Client::online(&["chat"]);
        client.model.extensions = UNAVAILABLE;
        assert!(!client.model.commands().any(|(usage, _)| usage.starts_with("/net")));
        assert_eq!(client.enter("/net flap"), []);
        assert!(client.hint().contains("--demo"), "{}", client.hint());
    }
}
