//! The configuration on the command line: `--print-config`, `--check-config`, and reports of faults.

use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

struct ProgramExit {
    code: Option<i32>,
    output: String,
    errors: String,
}

/// Runs the program in an environment with only this home.
fn run(home: &Path, arguments: &[&str]) -> ProgramExit {
    let mut command = Command::new(env!("CARGO_BIN_EXE_realtime-tui"));
    command.env_clear().env("HOME", home).args(arguments).stdin(Stdio::null());
    let ended = command.output().expect("a process");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    ProgramExit { code: ended.status.code(), output: text(ended.stdout), errors: text(ended.stderr) }
}

/// Creates a home with a configuration, and returns the path of its file.
fn home_with(text: &str) -> (TempDir, String) {
    let home = tempfile::tempdir().expect("a directory");
    let file = home.path().join(".config/realtime/config.toml");
    std::fs::create_dir_all(file.parent().expect("a parent")).expect("made");
    std::fs::write(&file, text).expect("written");
    let file = file.to_str().expect("a path").to_owned();
    (home, file)
}

#[test]
fn the_printed_config_has_no_faults() {
    let nowhere = Path::new("/nowhere");
    let printed = run(nowhere, &["--print-config"]);
    assert_eq!((printed.code, printed.errors.as_str()), (Some(0), ""));
    let (home, file) = home_with(&printed.output);
    let checked = run(home.path(), &["--check-config"]);
    assert_eq!((checked.code, checked.output), (Some(0), format!("{file}: no faults\n")));
    let none = run(nowhere, &["--check-config"]);
    assert_eq!(none.code, Some(0));
    assert!(none.output.contains("no such file"), "{}", none.output);
}

#[test]
fn each_fault_is_reported_with_its_line() {
    let (home, file) = home_with("them = 'dark'\n\ntoken_file\n[keys]\nretry = ['k']\n");
    let checked = run(home.path(), &["--check-config"]);
    assert_eq!((checked.code, checked.errors.as_str()), (Some(2), ""));
    let lines: Vec<&str> = checked.output.lines().collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    for (line, number) in lines.iter().zip([1, 3, 5]) {
        assert!(line.starts_with(&format!("{file}:{number}: ")), "{line}");
    }
    let named = run(Path::new("/nowhere"), &["--check-config", "--config", &file]);
    assert_eq!((named.code, named.output), (Some(2), checked.output));
    let none = run(home.path(), &["--check-config", "--config", "/nowhere/config.toml"]);
    assert_eq!((none.code, none.output.as_str()), (Some(2), ""));
    assert!(none.errors.contains("/nowhere/config.toml"), "{}", none.errors);
}

/// The fault may be the reason for the missing token.
#[test]
fn a_fault_is_reported_before_its_consequences() {
    let (home, _) = home_with("token_comand = 'echo a.b.c'");
    for arguments in [&[][..], &["tail", "--room", "dev"], &["send", "--room", "dev", "hi"]] {
        let ended = run(home.path(), arguments);
        assert_eq!((ended.code, ended.output.as_str()), (Some(2), ""));
        let lines: Vec<&str> = ended.errors.lines().collect();
        assert!(lines[0].contains("config.toml:1: ") && lines[0].contains("`token_command`"), "{lines:?}");
        assert!(lines[1].contains("no token"), "{lines:?}");
    }
}

#[test]
fn a_token_command_without_a_token_is_reported() {
    for (command, part) in [("echo hello", "three parts"), ("echo locked >&2; exit 1", "locked")] {
        let (home, _) = home_with(&format!("token_command = '{command}'"));
        let ended = run(home.path(), &["tail", "--room", "dev"]);
        assert_eq!(ended.code, Some(2));
        assert!(ended.errors.contains("token_command") && ended.errors.contains(part), "{}", ended.errors);
    }
}

/// A fallback to the default address would send the token to another server.
#[test]
fn a_faulty_url_does_not_fall_back_to_the_default() {
    for url in ["'http://chat.example/ws'", "8000", "''"] {
        let (home, _) = home_with(&format!("url = {url}\ntoken_command = 'echo a.b.c'"));
        for arguments in [&[][..], &["tail", "--room", "dev"], &["send", "--room", "dev", "hi"]] {
            let ended = run(home.path(), arguments);
            assert_eq!((ended.code, ended.output.as_str()), (Some(2), ""));
            let lines: Vec<&str> = ended.errors.lines().collect();
            assert!(lines[0].contains("config.toml:1: `url`: "), "{lines:?}");
            assert!(lines[1].contains("`url` in config.toml: "), "{lines:?}");
        }
    }
}
