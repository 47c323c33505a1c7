//! Edits the draft in `$VISUAL` or `$EDITOR`, which owns the terminal while it runs.
//!
//! The draft is in a private file in a temporary directory. If the text cannot become the draft, the file is kept and
//! the error names its path.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::thread;

use tempfile::TempDir;
use tokio::sync::oneshot;

use crate::app::DRAFT_CHARS;

/// Editor if the environment names none.
const FALLBACK: &str = "vi";
const DRAFT: &str = "draft.md";
/// Exit status of a shell if the program does not exist.
const NOT_FOUND: i32 = 127;

/// A running editor.
#[derive(Debug)]
pub(super) struct Editing {
    directory: TempDir,
    file: PathBuf,
    program: String,
    ended: oneshot::Receiver<io::Result<ExitStatus>>,
}

impl Editing {
    /// Starts the editor with `draft`. The shell splits the value of the variable, as it does for other programs.
    pub(super) fn start(draft: &str, variable: impl Fn(&str) -> Option<String>) -> io::Result<Self> {
        let set = |name| variable(name).filter(|value| !value.trim().is_empty());
        let program = set("VISUAL").or_else(|| set("EDITOR")).unwrap_or_else(|| FALLBACK.to_owned());
        let only_ours = Permissions::from_mode(0o700);
        let directory = tempfile::Builder::new().prefix("realtime-").permissions(only_ours).tempdir()?;
        let file = directory.path().join(DRAFT);
        fs::write(&file, draft)?;
        // Keys that interrupt are only for the editor.
        let script = format!("trap : INT QUIT; {program} \"$1\"");
        let mut child = Command::new("sh").arg("-c").arg(script).arg("sh").arg(&file).spawn()?;
        let (sender, ended) = oneshot::channel();
        // If the client ends first, nobody receives the status.
        thread::Builder::new().name("editor".to_owned()).spawn(move || sender.send(child.wait()))?;
        Ok(Self { directory, file, program, ended })
    }

    /// Waits for the editor to exit.
    pub(super) async fn ended(&mut self) -> io::Result<ExitStatus> {
        (&mut self.ended).await.unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into()))
    }

    /// Keeps the file for the editor, which outlives this process. Returns its path.
    pub(super) fn leave(self) -> PathBuf {
        kept(self.directory)
    }

    /// The edited text. An error is a sentence for the user; the draft then stays unchanged.
    pub(super) fn text(self, ended: io::Result<ExitStatus>) -> Result<String, String> {
        let Self { directory, file, program, .. } = self;
        match ended {
            Ok(status) if status.success() => {}
            Ok(status) if status.code() == Some(NOT_FOUND) => {
                return Err(format!("there is no program `{program}`: set EDITOR to an installed one"));
            }
            Ok(status) => return Err(format!("`{program}` failed ({status}): the draft is unchanged")),
            Err(error) => return Err(format!("`{program}` failed: {error}")),
        }
        let kept =
            |directory, why: String| Err(format!("{why}; it is kept in {}", kept(directory).display()));
        match fs::read_to_string(&file) {
            Ok(text) if text.chars().count() > DRAFT_CHARS => {
                kept(directory, format!("the draft has more than {DRAFT_CHARS} characters"))
            }
            Ok(text) => Ok(text),
            Err(error) => kept(directory, format!("the draft cannot be read: {error}")),
        }
    }
}

/// Keeps the draft's file and returns its path.
fn kept(directory: TempDir) -> PathBuf {
    directory.keep().join(DRAFT)
}

/// Waits for the editor to exit; for ever if none runs.
pub(super) async fn ended(editing: Option<&mut Editing>) -> io::Result<ExitStatus> {
    match editing {
        Some(editing) => editing.ended().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn edited(draft: &str, editor: &str) -> Result<String, String> {
        let with = |name: &str| (name == "EDITOR").then(|| editor.to_owned());
        let mut editing = Editing::start(draft, with).expect("started");
        let directory = editing.directory.path().to_owned();
        let mode = fs::metadata(&directory).expect("there").permissions().mode();
        assert_eq!(mode & 0o077, 0, "no other user has access");
        let ended = editing.ended().await;
        let text = editing.text(ended);
        assert_eq!(directory.exists(), text.as_ref().is_err_and(|why| why.contains("it is kept in")));
        if directory.exists() {
            fs::remove_dir_all(directory).expect("removed");
        }
        text
    }

    #[tokio::test]
    async fn the_saved_text_replaces_the_draft() {
        assert_eq!(edited("a draft", "true").await.as_deref(), Ok("a draft"));
        assert_eq!(edited("a draft", "sed -i s/draft/text/").await.as_deref(), Ok("a text"));
    }

    #[tokio::test]
    async fn failures_of_the_editor_are_reported() {
        for (editor, part) in [
            ("false", "unchanged"),
            ("no-such-editor --wait", "no program `no-such-editor --wait`"),
            ("rm", "cannot be read"),
            ("dd if=/dev/zero bs=20000 count=1 status=none of", "more than 16000"),
        ] {
            let editor = editor.replace(" of", " > ");
            let error = edited("a draft", &editor).await.expect_err(&editor);
            assert!(error.contains(part), "{editor}: {error}");
        }
    }
}
