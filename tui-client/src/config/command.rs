//! Token printed by a program: [`TokenCommand`] → its output, or an error.
//!
//! The program runs in its own process group without input or access to the terminal, because the screen may be drawn
//! meanwhile. No process of the group survives the time limit.

use std::future::Future;
use std::io;
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::{Either, join, select};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::time::sleep;

use super::bearer::{Bearer, TOKEN_FILE_BYTES, fixed};
use super::error::ConfigError;
use crate::net::TokenSource;
use crate::settings::TokenCommand;

/// Time limit. A keyring that asks the user needs some seconds.
const LIMIT: Duration = Duration::from_secs(10);

/// Most bytes that are read of standard error.
const ERROR_BYTES: u64 = 4 * 1024;

/// Runs the program. Its first token is for the first connection; each later connection runs it again.
pub(super) fn bearer(command: &TokenCommand) -> Result<Bearer, ConfigError> {
    let token = run(command).map_err(ConfigError::TokenCommand)?;
    let (_, user) = fixed(&token, "token_command")?;
    let first = Mutex::new(Some(token));
    let command = command.clone();
    let source = TokenSource::from_fn(move || {
        let first = first.lock().unwrap_or_else(PoisonError::into_inner).take();
        first.map_or_else(|| run(&command), Ok)
    });
    Ok((source, user))
}

/// Output of the program, which runs on its own runtime.
fn run(command: &TokenCommand) -> io::Result<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(output(command, async { sleep(LIMIT).await }))
}

/// Output of the program, if it ends before `limit`.
async fn output(command: &TokenCommand, limit: impl Future<Output = ()>) -> io::Result<String> {
    let mut child = Command::new(&command.program)
        .args(&command.arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", command.program)))?;
    let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let read = Box::pin(join(read(stdout, TOKEN_FILE_BYTES), read(stderr, ERROR_BYTES)));
    // Wait for the process only after its output has ended: until then its id, which is the group's, is not reused.
    let finished = async {
        let (output, complaint) = read.await;
        Ok::<_, io::Error>((output?, complaint?, child.wait().await?))
    };
    let done = match select(Box::pin(finished), Box::pin(limit)).await {
        Either::Left((done, _)) => Some(done?),
        Either::Right(_) => None,
    };
    let Some((output, complaint, status)) = done else {
        if let Some(group) = group {
            // The group may have ended at this moment.
            let _ = kill_process_group(group, Signal::KILL);
        }
        return Err(io::Error::new(io::ErrorKind::TimedOut, format!("not within {} s", LIMIT.as_secs())));
    };
    if status.success() {
        return Ok(output);
    }
    let complaint = complaint.lines().find(|line| !line.trim().is_empty()).unwrap_or("no error message");
    Err(io::Error::other(format!("{} ended with {status}: {}", command.program, complaint.trim())))
}

async fn read(from: Option<impl AsyncRead + Unpin>, limit: u64) -> io::Result<String> {
    let mut bytes = Vec::new();
    if let Some(from) = from {
        from.take(limit).read_to_end(&mut bytes).await?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    fn sh(script: &str) -> TokenCommand {
        TokenCommand { program: "sh".to_owned(), arguments: vec!["-c".to_owned(), script.to_owned()] }
    }

    #[tokio::test]
    async fn the_output_of_the_program_is_the_token() {
        let printed = output(&sh("echo ' a.b.c'"), pending()).await.expect("a token");
        assert_eq!(printed.trim(), "a.b.c");
    }

    #[tokio::test]
    async fn a_failed_program_is_explained() {
        for (command, part) in [
            (sh("echo 'no such entry' >&2; exit 3"), "exit status: 3: no such entry"),
            (sh("exit 1"), "no error message"),
            (TokenCommand { program: "/none/such".to_owned(), arguments: Vec::new() }, "/none/such"),
        ] {
            let error = output(&command, pending()).await.expect_err("none").to_string();
            assert!(error.contains(part) && !error.contains('\n'), "{error}");
        }
    }

    #[tokio::test]
    async fn the_process_group_is_killed_at_the_time_limit() {
        let directory = tempfile::tempdir().expect("a directory");
        let pipe = directory.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo");
        assert!(made.success());
        let command = sh(&format!("(echo up; sleep 60; echo left) > '{}' & wait", pipe.display()));
        let mut reader = None;
        let is_up = async {
            let opened = tokio::task::spawn_blocking(move || std::fs::File::open(pipe)).await;
            reader = Some(opened.expect("a thread").expect("opened"));
        };
        let error = output(&command, is_up).await.expect_err("the program does not end by itself");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        let mut written = String::new();
        // Ends when no process has the pipe open for writing.
        io::Read::read_to_string(&mut reader.expect("opened"), &mut written).expect("read");
        assert!(!written.contains("left"), "{written}");
    }

    #[test]
    fn the_program_runs_again_for_each_later_connection() {
        let directory = tempfile::tempdir().expect("a directory");
        let log = directory.path().join("log");
        let script = format!("echo x >> '{0}'; echo a.b.$(wc -l < '{0}' | tr -d ' ')", log.display());
        let (source, _) = bearer(&sh(&script)).expect("a token");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let tokens = runtime
            .block_on(async { [source.get().await.expect("a token"), source.get().await.expect("a token")] });
        assert_eq!(tokens, ["a.b.1", "a.b.2"]);
        assert!(matches!(bearer(&sh("echo none")), Err(ConfigError::MalformedToken("token_command"))));
    }
}
