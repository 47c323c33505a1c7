//! A token that a program prints: [`TokenCommand`] → what it wrote, or why there is nothing.
//!
//! The program is in a process group of its own, with no input and no part of the terminal: the screen may be drawn
//! meanwhile. Whatever happens, none of the group is left when its time is over.

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

/// How long it may take. Less would be too little for a keyring that asks the user.
const LIMIT: Duration = Duration::from_secs(10);

/// No more of its complaints is read, in bytes.
const ERROR_BYTES: u64 = 4 * 1024;

/// Runs it, and has it run again for each connection but the first, for which its first token is.
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

/// What it prints, on a runtime of its own.
fn run(command: &TokenCommand) -> io::Result<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(output(command, async { sleep(LIMIT).await }))
}

/// What it prints before `limit` is there.
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
    // It is waited for only once its output has ended: until then its number, which is the group's, is no other's.
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
            // It may have ended in this moment.
            let _ = kill_process_group(group, Signal::KILL);
        }
        return Err(io::Error::new(io::ErrorKind::TimedOut, format!("not within {} s", LIMIT.as_secs())));
    };
    if status.success() {
        return Ok(output);
    }
    let complaint = complaint.lines().find(|line| !line.trim().is_empty()).unwrap_or("and does not say why");
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
    async fn what_it_prints_is_the_token() {
        let printed = output(&sh("echo ' a.b.c'"), pending()).await.expect("a token");
        assert_eq!(printed.trim(), "a.b.c");
    }

    #[tokio::test]
    async fn why_there_is_none_is_said() {
        for (command, part) in [
            (sh("echo 'no such entry' >&2; exit 3"), "exit status: 3: no such entry"),
            (sh("exit 1"), "does not say why"),
            (TokenCommand { program: "/none/such".to_owned(), arguments: Vec::new() }, "/none/such"),
        ] {
            let error = output(&command, pending()).await.expect_err("none").to_string();
            assert!(error.contains(part) && !error.contains('\n'), "{error}");
        }
    }

    #[tokio::test]
    async fn nothing_of_it_is_left_when_its_time_is_over() {
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
        let error = output(&command, is_up).await.expect_err("it never ends");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        let mut written = String::new();
        // Ends once nobody has the pipe open for writing.
        io::Read::read_to_string(&mut reader.expect("opened"), &mut written).expect("read");
        assert!(!written.contains("left"), "{written}");
    }

    #[test]
    fn it_is_run_again_for_each_connection_but_the_first() {
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
