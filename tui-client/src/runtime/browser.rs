//! Opens links in other programs: `$BROWSER`, or the desktop's opener.
//!
//! The address is one argument: no shell reads it, and it begins with a scheme, never with a dash. The program runs in
//! its own process group without access to the terminal. Its output is discarded.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};

use crate::markup::Target;

/// True if a program can show a link: `$BROWSER`, or a desktop. A shell over ssh has no desktop.
pub(super) fn can_open(variable: impl Fn(&str) -> Option<String>) -> bool {
    let is_set = |name: &&str| variable(name).is_some_and(|value| !value.trim().is_empty());
    let is_remote = ["SSH_CONNECTION", "SSH_TTY"].iter().any(&is_set);
    ["BROWSER", "DISPLAY", "WAYLAND_DISPLAY"].iter().any(&is_set) || (cfg!(target_os = "macos") && !is_remote)
}

/// Starts a program that shows `target`, and does not wait for it. The thread ends with the program.
pub(super) fn open(
    target: &Target,
    variable: impl Fn(&str) -> Option<String>,
) -> io::Result<JoinHandle<io::Result<ExitStatus>>> {
    let (program, arguments) = command(target, variable);
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()?;
    thread::Builder::new().name("browser".to_owned()).spawn(move || child.wait())
}

/// The program and its arguments. `$BROWSER` is a list separated by colons, of which the first is used. The address
/// replaces `%s`, or is the last argument.
fn command(target: &Target, variable: impl Fn(&str) -> Option<String>) -> (String, Vec<String>) {
    let browser = variable("BROWSER").filter(|_| target.is_web()).unwrap_or_default();
    let first = browser.split(':').find(|entry| !entry.trim().is_empty()).unwrap_or_default();
    let mut words = first.split_whitespace().map(str::to_owned);
    let Some(program) = words.next() else {
        let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
        return (opener.to_owned(), vec![target.to_string()]);
    };
    let mut arguments: Vec<String> = words.map(|word| word.replace("%s", target.as_str())).collect();
    if !first.contains("%s") {
        arguments.push(target.to_string());
    }
    (program, arguments)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(text: &str) -> Target {
        Target::new(text).expect("an address")
    }

    fn with(browser: &str, text: &str) -> String {
        let (program, arguments) = command(&target(text), |_| Some(browser.to_owned()));
        [program].into_iter().chain(arguments).collect::<Vec<_>>().join(" | ")
    }

    #[test]
    fn a_shell_without_a_desktop_opens_no_links() {
        let can_open = |set: &[&str]| can_open(|name| set.contains(&name).then(|| "some value".to_owned()));
        assert!(can_open(&["BROWSER", "SSH_CONNECTION"]) && can_open(&["DISPLAY"]));
        assert!(can_open(&["WAYLAND_DISPLAY"]));
        assert!(!can_open(&["SSH_CONNECTION", "TERM"]) && !can_open(&["SSH_TTY"]));
        assert_eq!(can_open(&["TERM"]), cfg!(target_os = "macos"));
    }

    #[test]
    fn the_address_is_passed_to_the_first_browser_of_the_list() {
        let web = "https://example.org/a;b?c=$(d)&e";
        assert_eq!(with("firefox", web), format!("firefox | {web}"));
        assert_eq!(with("firefox -P me:lynx", web), format!("firefox | -P | me | {web}"));
        assert_eq!(with("w3m --url=%s -s", web), format!("w3m | --url={web} | -s"));
        let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
        assert_eq!(with(" : ", web), format!("{opener} | {web}"));
        assert_eq!(with("firefox", "mailto:bob@example.org"), format!("{opener} | mailto:bob@example.org"));
    }

    #[test]
    fn the_address_is_passed_without_a_shell() {
        let directory = tempfile::tempdir().expect("a directory");
        let (script, seen) = (directory.path().join("browser"), directory.path().join("seen"));
        std::fs::write(&script, format!("printf '%s.' \"$@\" > '{}'", seen.display())).expect("written");
        let address = "https://example.org/?a=$(id)&b='c'*;d";
        let browser = |_: &str| Some(format!("sh {}", script.display()));
        let program = open(&target(address), browser).expect("started").join().expect("a thread");
        assert!(program.expect("ended").success());
        assert_eq!(std::fs::read_to_string(seen).expect("the program's argument"), format!("{address}."));
        assert!(open(&target(address), |_| Some("/none/such".to_owned())).is_err());
    }
}
