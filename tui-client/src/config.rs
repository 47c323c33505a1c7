//! The configuration as checked: past [`Config::check`] nothing of it is looked at again.

mod subject;

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use realtime_shared::{NameError, RoomName, UserId};

use crate::cli::{Args, Connection};
use crate::net::{self, TokenSource, UrlError};
use crate::state;

/// Where the server listens by default.
pub const DEFAULT_URL: &str = "ws://127.0.0.1:8000/api/v1/ws";

/// A token file is not longer than this, in bytes.
const TOKEN_FILE_BYTES: u64 = 64 * 1024;

/// All that the client has to know before it starts.
#[derive(Debug, Clone)]
pub struct Config {
    /// The server and the token.
    pub net: net::Config,
    /// The server's address, for messages.
    pub url: String,
    /// Rooms to be in, each once; the first one is shown.
    pub rooms: Vec<RoomName>,
    /// Where it is kept how far rooms are read. None: it is not.
    pub state: Option<state::Place>,
    /// How to tell of mentions while the user looks elsewhere.
    pub notify: Notify,
    /// Whether to hear the mouse.
    pub mouse: bool,
    /// Whether to use colours.
    pub color: bool,
}

/// The server and the bearer of the token: what every command needs.
#[derive(Debug, Clone)]
pub struct Server {
    /// The server and the token.
    pub net: net::Config,
    /// The server's address, for messages.
    pub url: String,
    /// Whom the token is for, where it says that.
    pub user: Option<UserId>,
}

/// How the user is told of mentions while they look elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notify {
    /// By the terminal's bell.
    pub bell: bool,
    /// By a notification of the desktop, where the terminal makes one (OSC 9, OSC 777).
    pub desktop: bool,
    /// By the title of the window, which has the room and a count.
    pub title: bool,
}

impl Default for Notify {
    /// In every way.
    fn default() -> Self {
        Self { bell: true, desktop: true, title: true }
    }
}

/// What is wrong with the configuration. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// There is no token.
    #[error(
        "no token: give --token, --token-file or REALTIME_TOKEN (`realtime-server token --user you` prints one)"
    )]
    NoToken,
    /// There are two.
    #[error("--token and --token-file exclude each other: give one of them")]
    TwoTokens,
    /// It is not a token.
    #[error(
        "the token from {0} is not one: a token is three parts of letters, digits, - and _, with dots between"
    )]
    MalformedToken(&'static str),
    /// The token file cannot be read.
    #[error("cannot read the token file {}: {}", .0.display(), .1)]
    TokenFile(PathBuf, io::Error),
    /// Others could read the token.
    #[error("others may read the token file {path}: run `chmod 600 {path}`", path = .0.display())]
    OpenTokenFile(PathBuf),
    /// A room's name is none.
    #[error("--room `{0}` {1}")]
    Room(String, NameError),
    /// A room's name is kept for later.
    #[error("--room `{0}`: names that begin with dm: are kept for later")]
    ReservedRoom(String),
    /// The address is none.
    #[error("--url {0}")]
    Url(UrlError),
}

impl Config {
    /// Checks what was written; `variable` reads the environment.
    pub fn check(args: &Args, variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let Server { net, url, user } = Server::check(&args.connection, set)?;
        let mut rooms: Vec<RoomName> = Vec::new();
        for name in &args.rooms {
            let room = room(name)?;
            if !rooms.contains(&room) {
                rooms.push(room);
            }
        }
        let directory = state::directory(set).filter(|_| !args.no_state);
        let state = directory.zip(user).map(|(directory, user)| state::Place {
            directory,
            server: url.clone(),
            user,
        });
        Ok(Self {
            net,
            url,
            rooms,
            state,
            notify: Notify::default(),
            mouse: !args.no_mouse,
            color: set("NO_COLOR").is_none(),
        })
    }
}

impl Server {
    /// Checks what was written; `set` reads the environment, where an empty variable counts as none.
    pub(crate) fn check(
        connection: &Connection,
        set: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let (token, user) = match (&connection.token, &connection.token_file) {
            (Some(_), Some(_)) => return Err(ConfigError::TwoTokens),
            (Some(token), None) => fixed(token, "--token")?,
            (None, Some(path)) => from_file(path)?,
            (None, None) => fixed(&set("REALTIME_TOKEN").ok_or(ConfigError::NoToken)?, "REALTIME_TOKEN")?,
        };
        let url =
            connection.url.clone().or_else(|| set("REALTIME_URL")).unwrap_or_else(|| DEFAULT_URL.to_owned());
        let net = net::Config::new(&url, token).map_err(ConfigError::Url)?;
        Ok(Self { net, url, user })
    }
}

/// The room that was named with `--room`.
pub(crate) fn room(name: &str) -> Result<RoomName, ConfigError> {
    let room = RoomName::new(name).map_err(|error| ConfigError::Room(name.to_owned(), error))?;
    if room.is_reserved() { Err(ConfigError::ReservedRoom(name.to_owned())) } else { Ok(room) }
}

/// A token with whom it is for, where it says that.
type Bearer = (TokenSource, Option<UserId>);

fn fixed(token: &str, source: &'static str) -> Result<Bearer, ConfigError> {
    let token = token.trim();
    if is_token(token) {
        Ok((token.into(), subject::subject(token)))
    } else {
        Err(ConfigError::MalformedToken(source))
    }
}

/// The file is read again for each connection: a token that was renewed there counts without a restart.
fn from_file(path: &Path) -> Result<Bearer, ConfigError> {
    let failed = |error| ConfigError::TokenFile(path.to_owned(), error);
    let mut file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if is_open_to_others(&metadata) {
        return Err(ConfigError::OpenTokenFile(path.to_owned()));
    }
    let token = read_token(&mut file).map_err(failed)?;
    let (once, user) = fixed(&token, "the token file")?;
    if !metadata.is_file() {
        return Ok((once, user));
    }
    let path = path.to_owned();
    Ok((TokenSource::from_fn(move || read_token(&mut File::open(&path)?)), user))
}

fn read_token(file: &mut File) -> io::Result<String> {
    let mut token = String::new();
    file.take(TOKEN_FILE_BYTES).read_to_string(&mut token)?;
    Ok(token)
}

fn is_open_to_others(metadata: &Metadata) -> bool {
    metadata.permissions().mode() & 0o077 != 0
}

/// Whether `token` has the form of a signed JWT.
fn is_token(token: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    token.split('.').count() == 3 && token.split('.').all(is_part)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn args(arguments: &[&str]) -> Args {
        Args::read(["realtime-tui"].iter().chain(arguments)).expect("arguments")
    }

    fn check(arguments: &[&str]) -> Result<Config, ConfigError> {
        Config::check(&args(arguments), |_| None)
    }

    #[test]
    fn a_token_a_room_and_nothing_else_are_enough() {
        let config =
            check(&["--token", "a.b.c", "--room", "chat", "--room", "dev", "--room", "chat"]).expect("good");
        assert_eq!(config.rooms.iter().map(RoomName::as_str).collect::<Vec<_>>(), ["chat", "dev"]);
        assert_eq!((config.url.as_str(), config.color), (DEFAULT_URL, true));
        let variable = |name: &str| match name {
            "REALTIME_TOKEN" => Some("x.y.z\n".to_owned()),
            "REALTIME_URL" => Some("ws://chat.example/ws".to_owned()),
            "NO_COLOR" => Some("1".to_owned()),
            _ => None,
        };
        let config = Config::check(&args(&[]), variable).expect("good");
        assert_eq!((config.url.as_str(), config.color), ("ws://chat.example/ws", false));
    }

    #[test]
    fn what_is_read_is_kept_for_the_user_of_the_token() {
        let alice = "e30.eyJzdWIiOiJhbGljZSIsImV4cCI6MX0.c2ln";
        let home = |name: &str| (name == "HOME").then(|| "/home/a".to_owned());
        let state = |arguments: &[&str], variable: fn(&str) -> Option<String>| {
            Config::check(&args(arguments), variable).expect("good").state
        };
        let place = state(&["--token", alice], home).expect("a place");
        assert_eq!((place.user.as_str(), place.server.as_str()), ("alice", DEFAULT_URL));
        assert!(place.directory.starts_with("/home/a"));
        assert_eq!(state(&["--token", alice, "--no-state"], home), None);
        assert_eq!(state(&["--token", alice], |_| None), None, "nowhere");
        assert_eq!(state(&["--token", "a.b.c"], home), None, "of nobody");
    }

    #[test]
    fn what_is_wrong_is_one_line_that_says_what_to_do() {
        for (arguments, part) in [
            (&[][..], "no token"),
            (&["--token", "a.b.c", "--token-file", "x"], "exclude each other"),
            (&["--token", "abc"], "three parts"),
            (&["--token", "a..c"], "three parts"),
            (&["--token", "a.b.c", "--room", "a\u{202e}b"], "U+202E"),
            (&["--token", "a.b.c", "--room", "dm:bob"], "dm:"),
            (&["--token", "a.b.c", "--url", "http://x"], "ws://"),
            (&["--token-file", "/nowhere/token"], "/nowhere/token"),
        ] {
            let error = check(arguments).expect_err("wrong").to_string();
            assert!(error.contains(part) && !error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn a_token_file_is_for_its_owner_alone() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("token");
        fs::write(&path, "a.b.c\n").expect("written");
        let file = path.to_str().expect("a path");
        for (mode, is_good) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false), (0o660, false)]
        {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("set");
            match check(&["--token-file", file]) {
                Ok(_) => assert!(is_good, "{mode:o}"),
                Err(error) => {
                    assert!(!is_good && error.to_string().contains("chmod 600"), "{mode:o} {error}");
                }
            }
        }
    }
}
