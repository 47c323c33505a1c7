//! Secret of the server: from the environment, a file that the operator names, or the server's own file, which the
//! first run creates.
//!
//! The server's own file is complete as soon as it has its name, and is never replaced. If several programs start at
//! the same time, one creates it, and all read the same secret.

#![expect(clippy::doc_markdown, reason = "--help shows the doc comment of a flag as it is")]

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::{BoolishValueParser, NonEmptyStringValueParser};
use realtime_server::files::{Exposure, FileFault, check_directory, open_own, read_named};
use realtime_server::secret::{SECRET_BYTES, Secret, TooShort};
use realtime_server::store;

use super::data::data_dir;

/// Environment variable with the secret itself. There is no flag for it: every user of a host can read flags.
pub(super) const SECRET_VARIABLE: &str = "REALTIME_JWT_SECRET";
const OWN_FILE: &str = "jwt-secret";
/// Limit on the size of a secret file; a larger one is not a secret.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// Flags of the secret and of tokens, for the commands that verify or sign tokens.
#[derive(Debug, Args)]
#[command(next_help_heading = "Tokens")]
pub(super) struct SecretArgs {
    /// File with the secret that signs tokens (HS256), at least 32 bytes; a trailing newline is ignored. Alternatively,
    /// the variable REALTIME_JWT_SECRET holds the secret itself. Without either, the first run creates one in the data
    /// directory
    #[arg(long, env = "REALTIME_JWT_SECRET_FILE", value_name = "FILE")]
    pub(super) jwt_secret_file: Option<PathBuf>,

    /// Accept files with secrets that every user of this machine can read, as Docker mounts them
    #[arg(long, env = "REALTIME_ALLOW_READABLE_SECRETS", value_parser = BoolishValueParser::new())]
    pub(super) allow_readable_secrets: bool,

    /// Directory for rooms and for a created secret [default: realtime in the user's data directory, which is
    /// ~/.local/share, or $XDG_DATA_HOME]
    #[arg(long, env = "REALTIME_DATA_DIR", value_name = "DIRECTORY")]
    pub(super) data_dir: Option<PathBuf>,

    /// Issuer (`iss`) that tokens must have [default: any or none]
    #[arg(long, env = "REALTIME_ISSUER", value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub(super) issuer: Option<String>,

    /// Audience (`aud`) that tokens must name [default: any or none]
    #[arg(long, env = "REALTIME_AUDIENCE", value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub(super) audience: Option<String>,
}

impl SecretArgs {
    /// Users who may read a file with a secret that the operator named.
    pub(super) fn exposure(&self) -> Exposure {
        if self.allow_readable_secrets { Exposure::Public } else { Exposure::Secret }
    }

    /// Flags with which `token` finds the secret of this server, wherever it is started.
    pub(super) fn token_flags(&self, origin: &Origin) -> String {
        let mut flags = String::new();
        let mut add = |flag: &str, value: &str| flags.extend([" ", flag, " ", &shell_word(value)]);
        let absolute = |path: &Path| {
            std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).to_string_lossy().into_owned()
        };
        match origin {
            Origin::File(path) => add("--jwt-secret-file", &absolute(path)),
            Origin::Existing(_) | Origin::Created(_) => {
                if let Some(directory) = &self.data_dir {
                    add("--data-dir", &absolute(directory));
                }
            }
            // The environment of the server is needed.
            Origin::Variable => {}
        }
        if let Some(issuer) = &self.issuer {
            add("--issuer", issuer);
        }
        if let Some(audience) = &self.audience {
            add("--audience", audience);
        }
        if matches!(origin, Origin::File(_)) && self.allow_readable_secrets {
            flags.push_str(" --allow-readable-secrets");
        }
        flags
    }

    pub(super) fn sources(&self) -> Sources {
        Sources {
            variable: std::env::var_os(SECRET_VARIABLE),
            file: self.jwt_secret_file.clone(),
            exposure: self.exposure(),
            data_dir: self.data_dir.clone(),
        }
    }
}

/// Sources of the secret that the operator gave.
#[derive(Debug)]
pub(super) struct Sources {
    /// Secret itself, from [`SECRET_VARIABLE`].
    pub(super) variable: Option<OsString>,
    /// File with the secret.
    pub(super) file: Option<PathBuf>,
    /// Users who may read that file.
    pub(super) exposure: Exposure,
    /// Directory of the server's own file, used if both others are missing.
    pub(super) data_dir: Option<PathBuf>,
}

/// Origin of the secret.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Given by the operator in [`SECRET_VARIABLE`].
    Variable,
    /// Given by the operator in a file.
    File(PathBuf),
    /// Read from the server's own file.
    Existing(PathBuf),
    /// Created in the server's own file.
    Created(PathBuf),
}

/// Error of resolving the secret. Each text names the remedy.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretError {
    #[error(
        "the secret in {SECRET_VARIABLE} {0}; create one with `openssl rand -hex 32`, or unset the variable to use \
         the server's own secret"
    )]
    Variable(TooShort),
    #[error("the secret in {path} {fault}; create one with `openssl rand -hex 32`", path = .0.display(), fault = .1)]
    File(PathBuf, TooShort),
    #[error("{SECRET_VARIABLE} and {path} have different secrets; give one of them", path = .0.display())]
    Different(PathBuf),
    #[error("cannot read the secret from {path}: {fault}", path = .0.display(), fault = .1)]
    Unreadable(PathBuf, io::Error),
    /// The file or the data directory breaks a rule for files.
    #[error("{path} {fault}", path = .0.display(), fault = .1)]
    Unsafe(PathBuf, FileFault),
    #[error(
        "other users can read {path}, so they may know the secret; run `chmod 600 {path}`, or delete the file \
         to get a new secret (tokens signed with the old one become invalid)",
        path = .0.display()
    )]
    Exposed(PathBuf),
    #[error("{path} has no valid secret (it {fault}); delete the file to get a new one", path = .0.display(), fault = .1)]
    Invalid(PathBuf, TooShort),
    #[error(
        "cannot store a secret in {path}: {fault}; name another directory with --data-dir, or give the secret in \
         {SECRET_VARIABLE}",
        path = .0.display(), fault = .1
    )]
    Unwritable(PathBuf, io::Error),
    #[error("the file of the secret, {path}, does not exist", path = .0.display())]
    Missing(PathBuf),
    #[error(
        "the server with the rooms in {path} has its secret elsewhere, and refuses tokens that another one signs; give \
         its secret with --jwt-secret-file or {SECRET_VARIABLE}, or start the server first, which creates one",
        path = .0.display()
    )]
    Elsewhere(PathBuf),
    #[error("there is no home directory for the secret; name a directory with --data-dir")]
    NoHome,
}

/// Resolves the secret and its origin. Creates the server's own file if it is the source but does not exist.
pub(super) fn resolve(sources: &Sources) -> Result<(Secret, Origin), SecretError> {
    match read(sources) {
        Err(SecretError::Missing(path)) => create(&path),
        read => read,
    }
}

/// Resolves the secret of a server that this program is not: one is created only if no server has used the data directory.
/// A server that has rooms there and no secret got its secret in another way.
pub(super) fn resolve_for_token(sources: &Sources) -> Result<(Secret, Origin), SecretError> {
    match read(sources) {
        Err(SecretError::Missing(path)) => {
            let directory = path.parent().unwrap_or(&path);
            if directory.join(store::FILE).exists() {
                return Err(SecretError::Elsewhere(directory.to_owned()));
            }
            create(&path)
        }
        read => read,
    }
}

/// Reads the secret and its origin, and creates nothing.
pub(super) fn read(sources: &Sources) -> Result<(Secret, Origin), SecretError> {
    let variable = match &sources.variable {
        Some(text) => Some(Secret::new(without_newline(text.as_bytes())).map_err(SecretError::Variable)?),
        None => None,
    };
    let file = match &sources.file {
        Some(path) => Some((path, read_given_file(path, sources.exposure)?)),
        None => None,
    };
    match (variable, file) {
        (Some(variable), Some((path, file))) if variable != file => Err(SecretError::Different(path.clone())),
        (Some(secret), _) => Ok((secret, Origin::Variable)),
        (None, Some((path, secret))) => Ok((secret, Origin::File(path.clone()))),
        (None, None) => {
            let directory = data_dir(sources.data_dir.as_deref()).ok_or(SecretError::NoHome)?;
            match check_directory(&directory) {
                Err(fault) if !fault.is_missing() => return Err(unusable(&directory, fault)),
                _ => {}
            }
            let path = directory.join(OWN_FILE);
            let secret = read_own_file(&path)?.ok_or_else(|| SecretError::Missing(path.clone()))?;
            Ok((secret, Origin::Existing(path)))
        }
    }
}

/// Quotes a word for a shell if it needs quotes.
fn shell_word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@%+,".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// Strips the newline that editors and `echo` append.
fn without_newline(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}

fn read_given_file(path: &Path, exposure: Exposure) -> Result<Secret, SecretError> {
    let bytes = read_named(path, MAX_FILE_BYTES, exposure).map_err(|fault| unusable(path, fault))?;
    Secret::new(without_newline(&bytes)).map_err(|fault| SecretError::File(path.to_owned(), fault))
}

fn unusable(path: &Path, fault: FileFault) -> SecretError {
    match fault {
        FileFault::Io(fault) => SecretError::Unreadable(path.to_owned(), fault),
        fault => SecretError::Unsafe(path.to_owned(), fault),
    }
}

fn read_small(file: File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(io::Error::new(ErrorKind::FileTooLarge, format!("more than {MAX_FILE_BYTES} bytes")));
    }
    Ok(bytes)
}

fn create(path: &Path) -> Result<(Secret, Origin), SecretError> {
    let directory = path.parent().unwrap_or(path);
    let unwritable = |fault| SecretError::Unwritable(directory.to_owned(), fault);
    let created = create_own_file(directory, path).map_err(unwritable)?;
    let secret = read_own_file(path)?
        .ok_or_else(|| unwritable(io::Error::new(ErrorKind::NotFound, "it was removed again")))?;
    let path = path.to_owned();
    Ok((secret, if created { Origin::Created(path) } else { Origin::Existing(path) }))
}

/// Reads the server's own file; `None` if there is none.
fn read_own_file(path: &Path) -> Result<Option<Secret>, SecretError> {
    let unreadable = |fault| SecretError::Unreadable(path.to_owned(), fault);
    let file = match open_own(path, OpenOptions::new().read(true)) {
        Ok(file) => file,
        Err(fault) if fault.is_missing() => return Ok(None),
        Err(fault) => return Err(unusable(path, fault)),
    };
    if file.metadata().map_err(unreadable)?.mode() & 0o077 != 0 {
        return Err(SecretError::Exposed(path.to_owned()));
    }
    let bytes = read_small(file).map_err(unreadable)?;
    Secret::new(without_newline(&bytes))
        .map(Some)
        .map_err(|fault| SecretError::Invalid(path.to_owned(), fault))
}

/// Creates the server's own file. Returns `false` if another program was faster. The file is written under another name
/// and then linked, since a link fails if its name is taken and a rename does not.
fn create_own_file(directory: &Path, path: &Path) -> io::Result<bool> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let mut random = [0_u8; SECRET_BYTES];
    let mut suffix = [0_u8; 8];
    for bytes in [random.as_mut_slice(), &mut suffix] {
        getrandom::fill(bytes).map_err(|fault| io::Error::other(fault.to_string()))?;
    }

    let draft = directory.join(format!(".{OWN_FILE}.{}", hex(&suffix)));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    let linked = file
        .write_all(format!("{}\n", hex(&random)).as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::hard_link(&draft, path));
    fs::remove_file(&draft)?;
    match linked {
        Ok(()) => {
            File::open(directory)?.sync_all()?;
            Ok(true)
        }
        Err(fault) if fault.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(fault) => Err(fault),
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|nibble| DIGITS[usize::from(nibble)] as char)
        .collect()
}
