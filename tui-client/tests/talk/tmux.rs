//! A program in a window of tmux, which has tables of widths of its own.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use tempfile::TempDir;

use crate::terminal::Size;
use crate::{WAIT_LIMIT, spawn_lock};

/// Locale with UTF-8, which tmux needs to judge widths.
const LOCALE: &str = if cfg!(target_os = "macos") { "en_US.UTF-8" } else { "C.UTF-8" };

/// Waits for the test, so that no output precedes it, and runs a program with its arguments.
const WAIT_AND_RUN: &str = r#"tmux -S "$0" wait-for begin; "$@"; tmux -S "$0" wait-for -S end"#;

/// A server of tmux with one window. Dropping it kills the server.
pub(crate) struct Tmux {
    directory: TempDir,
    output: Arc<Output>,
}

/// The output of the program.
#[derive(Default)]
struct Output {
    written: Mutex<Vec<u8>>,
    changed: Condvar,
}

impl Output {
    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tmux {
    /// Starts a program in a window.
    pub(crate) fn start((columns, rows): Size, program: &[&str], environment: &[(&str, &str)]) -> Self {
        let directory = TempDir::new().expect("a directory");
        let fifo = directory.path().join("output");
        rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR)
            .expect("a pipe");
        let tmux = Self { directory, output: Arc::default() };
        let socket = tmux.socket();
        let socket = socket.to_str().expect("UTF-8");
        let (columns, rows) = (columns.to_string(), rows.to_string());
        let mut arguments = vec!["-f", "/dev/null", "new-session", "-d", "-x", &columns, "-y", &rows];
        let environment: Vec<String> =
            environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
        arguments.extend(environment.iter().flat_map(|variable| ["-e", variable]));
        arguments.extend(["sh", "-c", WAIT_AND_RUN, socket]);
        arguments.extend(program);
        tmux.run(&arguments);
        tmux.run(&["set-option", "-g", "exit-empty", "off"]);
        tmux.run(&["set-option", "-g", "status", "off"]);
        tmux.run(&["set-option", "-g", "window-size", "manual"]);
        tmux.run(&["resize-window", "-x", &columns, "-y", &rows]);
        tmux.run(&["pipe-pane", &format!("exec cat > '{}'", fifo.display())]);
        let output = Arc::clone(&tmux.output);
        thread::spawn(move || {
            let mut fifo = File::open(fifo).expect("a pipe");
            let mut buffer = [0; 4_096];
            while let Ok(count @ 1..) = fifo.read(&mut buffer) {
                output.lock().extend_from_slice(&buffer[..count]);
                output.changed.notify_all();
            }
        });
        tmux.run(&["wait-for", "-S", "begin"]);
        tmux
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("tmux")
    }

    /// Runs a command of tmux and returns its output.
    #[track_caller]
    fn run(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("tmux");
        command.arg("-u").arg("-S").arg(self.socket()).args(arguments);
        command.env_remove("TMUX").env("LC_ALL", LOCALE).env("TERM", "xterm-256color");
        let lock = spawn_lock();
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        drop(lock);
        let child = child.expect("tmux is missing: apt-get install tmux");
        let output = child.wait_with_output().expect("an end");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "tmux {arguments:?}: {errors}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Waits until the program has ended.
    pub(crate) fn wait_for_end(&self) {
        self.run(&["wait-for", "end"]);
    }

    /// Presses keys.
    pub(crate) fn press(&self, keys: &str) {
        let bytes: Vec<String> = keys.bytes().map(|byte| format!("{byte:x}")).collect();
        let mut arguments = vec!["send-keys", "-H"];
        arguments.extend(bytes.iter().map(String::as_str));
        self.run(&arguments);
    }

    pub(crate) fn resize(&self, (columns, rows): Size) {
        self.run(&["resize-window", "-x", &columns.to_string(), "-y", &rows.to_string()]);
    }

    /// The screen with its styles.
    pub(crate) fn styled_screen(&self) -> String {
        self.run(&["capture-pane", "-p", "-e"])
    }

    /// Number of bytes that the program has written.
    pub(crate) fn written(&self) -> usize {
        self.output.lock().len()
    }

    /// Waits until the program has written `bytes` after offset `from`. Returns the offset behind them.
    #[track_caller]
    pub(crate) fn wait_until_written(&self, from: usize, bytes: &str) -> usize {
        let find = |written: &[u8]| {
            let found = written[from..].windows(bytes.len()).position(|window| window == bytes.as_bytes());
            found.map(|at| from + at + bytes.len())
        };
        self.wait(|written| find(written)).unwrap_or_else(|| panic!("no {bytes:?}"))
    }

    /// Waits until the screen shows each of `texts`.
    #[track_caller]
    pub(crate) fn shows(&self, texts: &[&str]) {
        loop {
            let seen = self.written();
            let screen = self.run(&["capture-pane", "-p"]);
            if texts.iter().all(|text| screen.contains(text)) {
                return;
            }
            let changed = self.wait(|written| (written.len() > seen).then_some(()));
            assert!(changed.is_some(), "no {texts:?} in:\n{screen}");
        }
    }

    /// Waits until `find` finds something in the output. `None` after the limit.
    fn wait<T>(&self, find: impl Fn(&[u8]) -> Option<T>) -> Option<T> {
        let end = Instant::now() + WAIT_LIMIT;
        let mut written = self.output.lock();
        loop {
            if let Some(found) = find(&written) {
                return Some(found);
            }
            let left = end.checked_duration_since(Instant::now())?;
            written =
                self.output.changed.wait_timeout(written, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        // A window that has ended ends its server.
        let mut command = Command::new("tmux");
        command.arg("-S").arg(self.socket()).arg("kill-server").stderr(Stdio::null());
        let _ = command.status();
    }
}
