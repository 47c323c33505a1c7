//! What a demo does to its own network, so that one sees what becomes of it.

use std::fmt;
use std::time::Duration;

use jiff::SignedDuration;

/// How long the connection is cut where nothing is said.
const DROP: Duration = Duration::from_secs(10);
/// The longest that it is cut.
const LONGEST_DROP: Duration = Duration::from_mins(10);
/// How much longer an answer takes where nothing is said.
const LAG: Duration = Duration::from_millis(500);
/// The longest: a connection is dead before that.
const LONGEST_LAG: Duration = Duration::from_secs(30);

/// What is done to the network.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Weather {
    /// Nothing.
    #[default]
    Fine,
    /// The connection is cut, and none comes about for so long.
    Drop(Duration),
    /// An answer takes so much longer.
    Lag(Duration),
    /// The connection is cut, and comes about again, and so on.
    Flap,
}

impl Weather {
    /// Reads what is said after `/net`; an error is a sentence for the user.
    pub(super) fn parse(words: &str) -> Result<Self, String> {
        let (word, rest) = words.split_once(char::is_whitespace).unwrap_or((words, ""));
        let rest = rest.trim();
        match word {
            "drop" => duration(rest, DROP, LONGEST_DROP).map(Self::Drop),
            "lag" => duration(rest, LAG, LONGEST_LAG).map(Self::Lag),
            "flap" | "ok" if !rest.is_empty() => Err(format!("/net {word} takes nothing after it")),
            "flap" => Ok(Self::Flap),
            "ok" => Ok(Self::Fine),
            _ => {
                Err("/net what? drop, lag, flap or ok. For example: /net drop 10s, /net lag 500ms".to_owned())
            }
        }
    }
}

impl fmt::Display for Weather {
    /// What the user is told when it begins.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fine => write!(f, "demo: the network is as it is"),
            Self::Drop(time) => write!(
                f,
                "demo: the connection is cut for {}; write meanwhile, it is sent then",
                shown(*time)
            ),
            Self::Lag(more) => {
                write!(f, "demo: an answer takes {} longer from now on; /net ok ends it", shown(*more))
            }
            Self::Flap => write!(f, "demo: the connection comes and goes from now on; /net ok ends it"),
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
        None => Err(format!("`{text}` is no time: write 500ms, 10s or 1m")),
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
    use super::*;

    #[test]
    fn what_is_said_is_read() {
        for (words, weather) in [
            ("ok", Weather::Fine),
            ("flap", Weather::Flap),
            ("drop", Weather::Drop(DROP)),
            ("drop 30s", Weather::Drop(Duration::from_secs(30))),
            ("drop  10m", Weather::Drop(LONGEST_DROP)),
            ("lag", Weather::Lag(LAG)),
            ("lag 1500ms", Weather::Lag(Duration::from_millis(1_500))),
        ] {
            assert_eq!(Weather::parse(words), Ok(weather), "{words}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (words, part) in [
            ("", "drop, lag, flap or ok"),
            ("storm", "drop, lag, flap or ok"),
            ("flap 3s", "takes nothing"),
            ("lag 500", "500ms, 10s or 1m"),
            ("lag -5s", "is no time"),
            ("lag 31s", "at most 30 s"),
            ("drop 1h", "at most 600 s"),
        ] {
            let error = Weather::parse(words).expect_err(words);
            assert!(error.contains(part), "{words}: {error}");
        }
    }

    #[test]
    fn what_begins_is_told() {
        let told = |weather: Weather| weather.to_string();
        assert!(told(Weather::Drop(DROP)).contains("cut for 10 s"));
        assert!(told(Weather::Lag(Duration::from_millis(1_500))).contains("1500 ms longer"));
    }
}
