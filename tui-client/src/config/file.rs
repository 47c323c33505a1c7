//! The user's file: its path, its text → [`Settings`], and its faults.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::error::ConfigError;
use crate::sanitize;
use crate::settings::{self, Fault, Settings, TokenFrom};

/// Most bytes that are read of a file. All keys with all their comments are a tenth of it.
const FILE_BYTES: u64 = 64 * 1024;

/// Most faults that are listed at the start.
const WARNINGS: usize = 5;

/// The user's file. Without a file every setting has its default.
#[derive(Debug, Clone, Default)]
pub struct ConfigFile {
    /// Settings of the file over the defaults.
    pub settings: Settings,
    /// All faults, from top to bottom.
    pub faults: Vec<Fault>,
    /// Path of the file, which may not exist. `None`: the environment names no directory.
    path: Option<PathBuf>,
    is_there: bool,
}

impl ConfigFile {
    /// Reads the file of `--config`, or the file in its usual place if it exists. `variable` reads the environment. A file
    /// of `--config` that cannot be read is an error; the usual file then has a fault.
    pub fn load(
        given: Option<&Path>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let Some(path) = given.map(Path::to_owned).or_else(|| usual_place(&variable)) else {
            return Ok(Self::default());
        };
        let mut file = match read(&path) {
            Ok(bytes) => Self::of(&bytes),
            Err(error) if given.is_some() => return Err(ConfigError::File(path, error)),
            Err(error) if error.kind() == ErrorKind::NotFound => Self::default(),
            Err(error) => {
                let fault = Fault::new(None, &format!("it cannot be read: {error}"));
                Self { faults: vec![fault], ..Self::default() }
            }
        };
        if let Some(TokenFrom::File(token)) = &mut file.settings.token {
            *token = resolve(token, &path, variable("HOME"));
        }
        file.path = Some(path);
        Ok(file)
    }

    pub(super) fn of(bytes: &[u8]) -> Self {
        let limit = usize::try_from(FILE_BYTES).unwrap_or(usize::MAX);
        let (settings, mut faults) = settings::read(&bytes[..bytes.len().min(limit)]);
        if bytes.len() > limit {
            faults.push(Fault::new(None, &format!("only the first {limit} bytes are read")));
        }
        Self { settings, faults, path: None, is_there: true }
    }

    /// Faults for the user at the start: `config.toml:12: …`, and the number of further ones.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let name = self.path.as_deref().and_then(Path::file_name).unwrap_or_default();
        let mut warnings = self.fault_lines(&name.to_string_lossy());
        if warnings.len() > WARNINGS {
            let more = warnings.split_off(WARNINGS - 1).len();
            warnings.push(format!("{more} more faults: `realtime-tui --check-config` lists them"));
        }
        warnings
    }

    /// All faults, a line each, with the whole path.
    #[must_use]
    pub fn report(&self) -> String {
        self.fault_lines(&self.shown_path()).into_iter().map(|fault| fault + "\n").collect()
    }

    /// Answer of `--check-config` if there is no fault.
    #[must_use]
    pub fn no_faults_line(&self) -> String {
        let path = self.shown_path();
        match (&self.path, self.is_there) {
            (Some(_), true) => format!("{path}: no faults"),
            (Some(_), false) => {
                format!("{path}: no such file; every setting has its default")
            }
            (None, _) => "no configuration file: neither XDG_CONFIG_HOME nor HOME is set".to_owned(),
        }
    }

    fn fault_lines(&self, name: &str) -> Vec<String> {
        let name = sanitize::line(name);
        self.faults.iter().map(|fault| format!("{name}:{fault}")).collect()
    }

    fn shown_path(&self) -> String {
        let path = self.path.as_deref().unwrap_or(Path::new(""));
        sanitize::line(&path.to_string_lossy()).to_string()
    }
}

/// `realtime/config.toml` below `$XDG_CONFIG_HOME`, or below `~/.config`. `None` if the environment has neither as an
/// absolute path.
fn usual_place(variable: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let absolute = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config")))?;
    Some(base.join("realtime/config.toml"))
}

/// Content of a file, up to one byte beyond the limit.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Resolves a path in `file`: `~/` is the user's home, and relative paths begin beside the file.
fn resolve(path: &Path, file: &Path, home: Option<String>) -> PathBuf {
    match (path.strip_prefix("~"), home) {
        (Ok(below), Some(home)) => Path::new(&home).join(below),
        _ => file.parent().unwrap_or(Path::new("")).join(path),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_file_is_below_the_configuration_directory() {
        let place = |xdg: &str, home: &str| {
            usual_place(|name| Some(if name == "HOME" { home } else { xdg }.to_owned()))
        };
        assert_eq!(place("/c", "/home/a"), Some(PathBuf::from("/c/realtime/config.toml")));
        assert_eq!(place("c", "/home/a"), Some(PathBuf::from("/home/a/.config/realtime/config.toml")));
        assert_eq!(place("", ""), None);
    }

    #[test]
    fn a_missing_file_is_an_error_only_if_named() {
        let directory = tempfile::tempdir().expect("a directory");
        let none = directory.path().join("none.toml");
        assert!(matches!(ConfigFile::load(Some(&none), |_| None), Err(ConfigError::File(..))));
        let place = directory.path().to_str().expect("a path").to_owned();
        let load = || ConfigFile::load(None, |_| Some(place.clone())).expect("no error");
        assert!(load().warnings().is_empty() && load().no_faults_line().contains("no such file"));
        fs::create_dir_all(directory.path().join("realtime/config.toml")).expect("a directory in its place");
        let warnings = load().warnings();
        assert!(
            warnings.len() == 1 && warnings[0].starts_with("config.toml: it cannot be read"),
            "{warnings:?}"
        );
    }

    #[test]
    fn the_first_faults_are_listed_and_the_rest_is_counted() {
        let of = |count: usize| {
            let path = Some(PathBuf::from("/etc/a.toml"));
            ConfigFile { path, ..ConfigFile::of("mouse = 1\n".repeat(count).as_bytes()) }
        };
        assert_eq!(of(1).warnings(), ["a.toml:1: `mouse`: invalid type: integer `1`, expected a boolean"]);
        assert_eq!(of(5).warnings().len(), 5);
        assert_eq!(of(6).warnings()[4], "2 more faults: `realtime-tui --check-config` lists them");
        assert_eq!(of(6).report().lines().filter(|line| line.starts_with("/etc/a.toml:")).count(), 6);
        let long = "#".repeat(70_000);
        assert!(ConfigFile::of(long.as_bytes()).report().contains("first 65536 bytes"));
    }

    #[test]
    fn a_token_file_is_resolved_from_home_or_beside_the_file() {
        let found = |path: &str| {
            let file = Path::new("/c/realtime/config.toml");
            resolve(Path::new(path), file, Some("/home/a".to_owned()))
        };
        assert_eq!(found("~/t"), PathBuf::from("/home/a/t"));
        assert_eq!(found("t"), PathBuf::from("/c/realtime/t"));
        assert_eq!(found("/t"), PathBuf::from("/t"));
        assert_eq!(found("~bob/t"), PathBuf::from("/c/realtime/~bob/t"));
    }
}
