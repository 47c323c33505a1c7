//! Checked configuration: after [`Config::check`] nothing is checked again.

mod bearer;
mod command;
mod error;
mod file;
mod subject;

use realtime_shared::{RoomName, UserId};

use crate::app::Theme;
use crate::cli::{Args, Connection};
use crate::net;
use crate::settings::{Settings, TokenFrom};
use crate::state;
use crate::typed_room;

use bearer::{fixed, from_file};
pub use error::ConfigError;
pub use file::ConfigFile;

/// Everything that the client needs to start.
#[derive(Debug, Clone)]
pub struct Config {
    /// Server and token.
    pub net: net::Config,
    /// Address of the server, for messages.
    pub url: String,
    /// Rooms to join, without duplicates; the first one is shown.
    pub rooms: Vec<RoomName>,
    /// Location of the read positions and unsent texts. `None`: they are not stored.
    pub state: Option<state::StateLocation>,
    /// Appearance and behaviour.
    pub settings: Settings,
    /// Faults of the file, to show the user.
    pub warnings: Vec<String>,
}

/// Server and token: the part that every command needs.
#[derive(Debug, Clone)]
pub struct Server {
    /// Server and token.
    pub net: net::Config,
    /// Address of the server, for messages.
    pub url: String,
    /// Subject of the token, if it names one.
    pub user: Option<UserId>,
}

impl Config {
    /// Checks the arguments. The command line precedes the environment, which `variable` reads. The environment
    /// precedes `file`. Runs a `token_command`.
    pub fn check(
        args: &Args,
        file: &ConfigFile,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let mut settings = file.settings.clone();
        settings.mouse &= !args.no_mouse;
        settings.rejoin &= !args.no_rejoin;
        settings.ascii |= args.looks.ascii;
        let plain = set("NO_COLOR").map(|_| Theme::None);
        settings.theme = args.looks.theme.or(plain).unwrap_or(settings.theme);
        let rooms = if args.rooms.is_empty() { settings.rooms.clone() } else { rooms(&args.rooms)? };
        let Server { net, url, user } = Server::check(&args.connection, &settings, set)?;
        let directory = state::directory(set).filter(|_| settings.state && !args.no_state);
        let state = directory.zip(user).map(|(directory, user)| state::StateLocation {
            directory,
            server: url.clone(),
            user,
        });
        Ok(Self { net, url, rooms, state, settings, warnings: file.warnings() })
    }
}

impl Server {
    /// Checks the arguments. `set` reads the environment; an empty variable counts as unset.
    pub(crate) fn check(
        connection: &Connection,
        settings: &Settings,
        set: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let (token, user) = match (&connection.token, &connection.token_file, set("REALTIME_TOKEN")) {
            (Some(_), Some(_), _) => return Err(ConfigError::TwoTokens),
            (Some(token), None, _) => fixed(token, "--token")?,
            (None, Some(path), _) => from_file(path)?,
            (None, None, Some(token)) => fixed(&token, "REALTIME_TOKEN")?,
            (None, None, None) => match &settings.token {
                Some(TokenFrom::File(path)) => from_file(path)?,
                Some(TokenFrom::Command(command)) => command::bearer(command)?,
                None => return Err(ConfigError::NoToken),
            },
        };
        let given = connection.url.clone().map(|url| ("--url", url));
        let (source, url) = given
            .or_else(|| Some(("REALTIME_URL", set("REALTIME_URL")?)))
            .unwrap_or_else(|| ("`url` in config.toml", settings.url.clone()));
        let net = net::Config::new(&url, token).map_err(|error| ConfigError::Url(source, error))?;
        Ok(Self { url: net.url(), net, user })
    }
}

/// The rooms of `--room`, without duplicates.
fn rooms(names: &[String]) -> Result<Vec<RoomName>, ConfigError> {
    let mut rooms: Vec<RoomName> = Vec::new();
    for name in names {
        let room = room(name)?;
        if !rooms.contains(&room) {
            rooms.push(room);
        }
    }
    Ok(rooms)
}

/// The room of `--room`.
pub(crate) fn room(name: &str) -> Result<RoomName, ConfigError> {
    typed_room::parse(name).map_err(|error| ConfigError::Room(name.to_owned(), error))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// Complete address of a server on this host.
    const DEFAULT_URL: &str = "ws://127.0.0.1:8000/api/v1/ws";

    fn args(arguments: &[&str]) -> Args {
        Args::read(["realtime-tui"].iter().chain(arguments)).expect("arguments")
    }

    fn check(arguments: &[&str]) -> Result<Config, ConfigError> {
        Config::check(&args(arguments), &ConfigFile::default(), |_| None)
    }

    #[test]
    fn a_token_and_a_room_suffice() {
        let config =
            check(&["--token", "a.b.c", "--room", "chat", "--room", "dev", "--room", "chat"]).expect("good");
        assert_eq!(config.rooms.iter().map(RoomName::as_str).collect::<Vec<_>>(), ["chat", "dev"]);
        assert_eq!((config.url.as_str(), config.settings.theme), (DEFAULT_URL, Theme::Auto));
        let variable = |name: &str| match name {
            "REALTIME_TOKEN" => Some("x.y.z\n".to_owned()),
            "REALTIME_URL" => Some("ws://chat.example/ws".to_owned()),
            "NO_COLOR" => Some("1".to_owned()),
            _ => None,
        };
        let config = Config::check(&args(&[]), &ConfigFile::default(), variable).expect("good");
        assert_eq!((config.url.as_str(), config.settings.theme), ("ws://chat.example/ws", Theme::None));
        let looks = args(&["--theme", "16", "--ascii"]);
        let config = Config::check(&looks, &ConfigFile::default(), variable).expect("good");
        let Settings { theme, ascii, .. } = config.settings;
        assert_eq!((theme, ascii), (Theme::Sixteen, true), "arguments override the environment");
    }

    #[test]
    fn the_command_line_precedes_the_environment_and_the_file() {
        let text = b"url = 'ws://file/ws'\nrooms = ['file']\ntoken_command = 'exit 1'\nstate = false\ntheme = 'none'";
        let file = ConfigFile::of(text);
        let environment = |name: &str| match name {
            "REALTIME_TOKEN" => Some("a.b.c".to_owned()),
            "REALTIME_URL" => Some("ws://environment/ws".to_owned()),
            "HOME" => Some("/home/a".to_owned()),
            _ => None,
        };
        let url = |arguments: &[&str], file: &ConfigFile, variable: fn(&str) -> Option<String>| {
            Config::check(&args(arguments), file, variable).expect("good").url
        };
        let given = ["--token", "a.b.c", "--url", "ws://given/ws"];
        assert_eq!(url(&given, &file, environment), "ws://given/ws");
        assert_eq!(url(&given[..2], &file, environment), "ws://environment/ws");
        assert_eq!(url(&given[..2], &file, |_| None), "ws://file/ws");

        let rooms = |arguments: &[&str]| {
            let config = Config::check(&args(arguments), &file, environment).expect("good");
            assert_eq!((config.state, config.settings.theme), (None, Theme::None));
            config.rooms.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(rooms(&[]), ["file"]);
        assert_eq!(rooms(&["--room", "given"]), ["given"]);
        let mouse = |arguments: &[&str], text: &[u8]| {
            Config::check(&args(arguments), &ConfigFile::of(text), environment).expect("good").settings.mouse
        };
        let rejoin = |arguments: &[&str], text: &[u8]| {
            Config::check(&args(arguments), &ConfigFile::of(text), environment).expect("good").settings.rejoin
        };
        assert!(rejoin(&[], b"") && !rejoin(&["--no-rejoin"], b"") && !rejoin(&[], b"rejoin = false"));
        assert!(mouse(&[], b"") && !mouse(&["--no-mouse"], b"") && !mouse(&[], b"mouse = false"));
        let broken = ConfigFile::of(b"url = ws://file/ws");
        let error = Config::check(&args(&given[..2]), &broken, |_| None).expect_err("no server");
        assert!(error.to_string().contains("`url` in config.toml"), "{error}");
        let error = Config::check(&args(&[]), &file, |_| None).expect_err("the command fails");
        assert!(error.to_string().contains("token_command"), "{error}");
    }

    #[test]
    fn positions_are_stored_for_the_subject_of_the_token() {
        let alice = "e30.eyJzdWIiOiJhbGljZSIsImV4cCI6MX0.c2ln";
        let home = |name: &str| (name == "HOME").then(|| "/home/a".to_owned());
        let state = |arguments: &[&str], variable: fn(&str) -> Option<String>| {
            Config::check(&args(arguments), &ConfigFile::default(), variable).expect("good").state
        };
        let place = state(&["--token", alice], home).expect("a place");
        assert_eq!((place.user.as_str(), place.server.as_str()), ("alice", DEFAULT_URL));
        assert!(place.directory.starts_with("/home/a"));
        assert_eq!(state(&["--token", alice, "--no-state"], home), None);
        assert_eq!(state(&["--token", alice], |_| None), None, "nowhere");
        assert_eq!(state(&["--token", "a.b.c"], home), None, "of nobody");
    }

    #[test]
    fn an_error_is_one_line_with_the_remedy() {
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
    fn a_token_file_readable_by_others_is_refused() {
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
