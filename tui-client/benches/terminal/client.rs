//! A client in a pseudo-terminal, with its output on a screen.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use tempfile::TempDir;
use vt100::Parser;

use crate::Failure;
use crate::chat::{Chat, PATIENCE, ROOM, Talk};
use crate::irc::Irc;

const COLUMNS: NonZeroU16 = NonZeroU16::new(120).expect("columns");
const ROWS: NonZeroU16 = NonZeroU16::new(40).expect("rows");
/// A client without output for this long is idle.
const SETTLED: Duration = Duration::from_secs(1);

/// A measured program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Program {
    Ours,
    /// Another build of this client, by its path.
    Build(String),
    Irssi,
    Weechat,
}

impl Program {
    /// All programs; the builds come before and after this one.
    pub(crate) fn all(arguments: impl Iterator<Item = String>) -> Vec<Self> {
        let builds: Vec<Self> =
            arguments.filter(|argument| !argument.starts_with('-')).map(Self::Build).collect();
        [builds.clone(), vec![Self::Ours], builds, vec![Self::Irssi, Self::Weechat]].concat()
    }

    /// Name in the table, at most nine characters.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Ours => "realtime",
            Self::Build(path) => {
                let name = path.rsplit('/').next().unwrap_or(path);
                name.char_indices().nth(9).map_or(name, |(end, _)| &name[..end])
            }
            Self::Irssi => "irssi",
            Self::Weechat => "weechat",
        }
    }

    fn path(&self) -> &str {
        match self {
            Self::Ours => env!("CARGO_BIN_EXE_realtime-tui"),
            Self::Build(path) => path,
            Self::Irssi => "irssi",
            Self::Weechat => "weechat",
        }
    }

    pub(crate) fn is_installed(&self) -> bool {
        let directories = std::env::var_os("PATH").unwrap_or_default();
        *self == Self::Ours
            || Path::new(self.path()).is_absolute() && Path::new(self.path()).exists()
            || std::env::split_paths(&directories).any(|path| path.join(self.path()).exists())
    }

    /// A room that the program can join.
    pub(crate) fn room(&self) -> Result<Box<dyn Talk>, Failure> {
        Ok(match self {
            Self::Ours | Self::Build(_) => Box::new(Chat::start()?),
            Self::Irssi | Self::Weechat => Box::new(Irc::start()?),
        })
    }

    fn command(&self, home: &Path, room: &dyn Talk) -> CommandBuilder {
        let (place, token) = room.place();
        let (host, port) = place.rsplit_once(':').unwrap_or((&place, ""));
        let mut command = CommandBuilder::new(self.path());
        command.env_clear();
        command.env("TERM", "xterm-256color");
        command.env("LANG", "C.UTF-8");
        command.env("HOME", home);
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        match self {
            Self::Ours | Self::Build(_) => {
                command.env("REALTIME_TOKEN", token.unwrap_or_default());
                command.args(["--url", &place, "--room", ROOM, "--no-state"]);
            }
            Self::Irssi => {
                command.arg("--home");
                command.arg(home);
                command.args(["-c", host, "-p", port, "-n", "you"]);
            }
            Self::Weechat => {
                command.arg("-d");
                command.arg(home);
                command.args([
                    OsStr::new("-r"),
                    format!("/server add stub {host}/{port} -nicks=you -autojoin=#{ROOM}").as_ref(),
                    OsStr::new("-r"),
                    OsStr::new("/connect stub"),
                ]);
            }
        }
        command
    }
}

/// A running program; killed when dropped.
pub(crate) struct Client {
    program: Program,
    started: Instant,
    child: Box<dyn Child + Send + Sync>,
    keyboard: Box<dyn Write + Send>,
    output: Receiver<(Instant, Vec<u8>)>,
    screen: Parser,
    written: usize,
    _master: Box<dyn MasterPty + Send>,
    _home: TempDir,
}

/// Query for the terminal's attributes (DA1), which some programs send, and the answer.
const QUESTION: &[u8] = b"\x1b[c";
const ANSWER: &[u8] = b"\x1b[?62;c";

impl Client {
    pub(crate) fn start(program: &Program, room: &dyn Talk) -> Result<Self, Failure> {
        let size = PtySize { rows: ROWS.get(), cols: COLUMNS.get(), ..PtySize::default() };
        let pty = native_pty_system().openpty(size).map_err(|error| error.to_string())?;
        let home = TempDir::new()?;
        let command = program.command(home.path(), room);
        let mut reader = pty.master.try_clone_reader().map_err(|error| error.to_string())?;
        let keyboard = pty.master.take_writer().map_err(|error| error.to_string())?;
        let started = Instant::now();
        let child = pty.slave.spawn_command(command).map_err(|error| error.to_string())?;
        let (sender, output) = sync_channel(65_536);
        std::thread::spawn(move || {
            let mut buffer = vec![0; 65_536];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                if sender.send((Instant::now(), buffer[..count].to_vec())).is_err() {
                    return;
                }
            }
        });
        let screen = Parser::new(ROWS, COLUMNS, 0);
        let (master, written) = (pty.master, 0);
        Ok(Self {
            program: program.clone(),
            started,
            child,
            keyboard,
            output,
            screen,
            written,
            _master: master,
            _home: home,
        })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.process_id().unwrap_or(0)
    }

    /// Number of bytes of output read so far.
    pub(crate) const fn written(&self) -> usize {
        self.written
    }

    /// Time from the start to the first visible character.
    pub(crate) fn first_screen(&mut self) -> Result<Duration, Failure> {
        loop {
            let at = self.read(PATIENCE)?;
            if !self.screen.screen().contents().trim().is_empty() {
                return Ok(at - self.started);
            }
        }
    }

    /// Joins the room, if the program does not join at its start.
    pub(crate) fn enter(&mut self) -> Result<(), Failure> {
        if self.program == Program::Irssi {
            self.wait_quiet()?;
            write!(self.keyboard, "/join #{ROOM}\r")?;
            self.keyboard.flush()?;
        }
        Ok(())
    }

    /// Waits until the screen contains `text`.
    pub(crate) fn wait_for(&mut self, text: &str) -> Result<(), Failure> {
        while !self.screen.screen().contents().contains(text) {
            self.read(PATIENCE)?;
        }
        Ok(())
    }

    /// Waits until the program is idle.
    pub(crate) fn wait_quiet(&mut self) -> Result<(), Failure> {
        loop {
            match self.output.recv_timeout(SETTLED) {
                Ok((_, bytes)) => self.take(&bytes),
                Err(RecvTimeoutError::Timeout) => return Ok(()),
                Err(RecvTimeoutError::Disconnected) => return Err(self.ended()),
            }
        }
    }

    fn read(&mut self, patience: Duration) -> Result<Instant, Failure> {
        let (at, bytes) = self.output.recv_timeout(patience).map_err(|_| self.ended())?;
        if bytes.windows(QUESTION.len()).any(|window| window == QUESTION) {
            self.keyboard.write_all(ANSWER)?;
            self.keyboard.flush()?;
        }
        self.take(&bytes);
        Ok(at)
    }

    fn take(&mut self, bytes: &[u8]) {
        self.written += bytes.len();
        self.screen.process(bytes);
    }

    fn ended(&self) -> Failure {
        format!("the program ended, or its screen stays at:\n{}", self.screen.screen().contents()).into()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
