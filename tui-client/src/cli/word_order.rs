//! Order of the words of `send`: `[OPTIONS] --room ROOM [--] [TEXT…]`.
//!
//! A script passes text that others wrote, as in `send --room dev "$text"`. An option in that text could send the token
//! to another server (`--url`, `--config`), or end the command with its help. So after the room a word that begins with
//! `-` is refused, unless `--` stands before it.

use std::borrow::Cow;
use std::ffi::OsString;

use clap::CommandFactory;

use super::pipe::SendArgs;
use crate::sanitize;

/// Longest part of a word in an error, in characters.
const WORD_CHARS: usize = 60;

/// Checks the words after `send`. The error is one line with the remedy.
pub(super) fn check(words: &[OsString]) -> Result<(), String> {
    let words: Vec<Cow<'_, str>> = words.iter().map(|word| word.to_string_lossy()).collect();
    let Some(text) = text_index(&words)? else { return Ok(()) };
    let before_end = words[text..].iter().take_while(|word| *word != "--");
    let Some(option) = before_end.clone().find(|word| word.starts_with('-')) else { return Ok(()) };
    let room = words[..text].last().map_or("", |room| room.strip_prefix("--room=").unwrap_or(room));
    let options =
        if words[..text].first().is_some_and(|word| word.starts_with("--room")) { "" } else { "… " };
    let line: Vec<String> =
        words[text..].iter().filter(|word| *word != "--").map(|word| shown(word)).collect();
    let line = without_token(line);
    Err(format!(
        "nothing is sent: `{}` after --room begins with -. An option goes before --room; a text goes after `--`: \
         realtime-tui send {options}--room {} -- {}",
        if option.starts_with("--token=") { "--token".to_owned() } else { cut(option) },
        shown(room),
        line.join(" "),
    ))
}

/// Index of the first word after the room. `None` if there is no room, or `--` stands before it: clap refuses both.
fn text_index(words: &[Cow<'_, str>]) -> Result<Option<usize>, String> {
    let with_value = options_with_value();
    let mut index = 0;
    while let Some(word) = words.get(index) {
        match word.strip_prefix("--") {
            Some("") => return Ok(None),
            Some("room") => return Ok(Some((index + 2).min(words.len()))),
            Some(option) if option.starts_with("room=") => return Ok(Some(index + 1)),
            Some(option) if with_value.iter().any(|name| name == option) => index += 2,
            Some(_) => index += 1,
            None if word.starts_with('-') => index += 1,
            None => {
                return Err(format!(
                    "nothing is sent: the text goes after the room: realtime-tui send --room ROOM -- {}",
                    shown(word)
                ));
            }
        }
    }
    Ok(None)
}

/// Names of the options whose value is the next word.
fn options_with_value() -> Vec<String> {
    let command = SendCommand::command();
    let takes_value = command.get_arguments().filter(|argument| argument.get_action().takes_values());
    takes_value.filter_map(|argument| argument.get_long().map(str::to_owned)).collect()
}

/// The arguments as a command of their own.
#[derive(Debug, clap::Parser)]
struct SendCommand {
    #[command(flatten)]
    _arguments: SendArgs,
}

/// Hides a token: standard error is often a log.
fn without_token(mut line: Vec<String>) -> Vec<String> {
    for index in 0..line.len() {
        let is_value = index > 0 && line[index - 1] == "--token";
        if is_value || line[index].trim_start_matches('\'').starts_with("--token=") {
            (if is_value { "…" } else { "--token=…" }).clone_into(&mut line[index]);
        }
    }
    line
}

/// A word for the shell.
fn shown(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_=./:#@%+,".contains(c);
    let word = cut(word);
    if !word.is_empty() && word.chars().all(is_plain) {
        word
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// The beginning of a word, safe to print.
fn cut(word: &str) -> String {
    let mut chars = word.chars();
    let beginning: String = chars.by_ref().take(WORD_CHARS).collect();
    let rest = if chars.next().is_some() { "…" } else { "" };
    format!("{}{rest}", sanitize::line(&beginning))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::args::{Answer, Args, Command};
    use super::*;

    fn words(words: &[&str]) -> Vec<OsString> {
        ["realtime-tui", "send"].iter().chain(words).map(Into::into).collect()
    }

    fn read(arguments: &[&str]) -> Result<SendArgs, Answer> {
        Args::read(words(arguments)).map(|args| match args.command {
            Some(Command::Send(send)) => send,
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn an_option_in_the_text_is_refused() {
        for hostile in [
            "--url=ws://evil.example",
            "--url",
            "--config=/tmp/evil.toml",
            "--token=a.b.c",
            "--token-file=/etc/passwd",
            "--timeout=1",
            "--room=other",
            "--help",
            "-h",
            "-hV",
            "--version",
            "--no-such-option",
            "-",
            "-1",
            "---",
        ] {
            for arguments in [
                &["--room", "dev", hostile][..],
                &["--room=dev", hostile],
                &["--room", "dev", "two words", hostile],
                &["--timeout", "9", "--room", "dev", hostile, "tail"],
                &["--token", "a.b.c", "--url=ws://x", "--room", "dev", hostile, "--", "x"],
            ] {
                let Err(Answer::Wrong(line)) = read(arguments) else { panic!("accepted: {arguments:?}") };
                assert!(line.contains("nothing is sent") && line.contains("--room dev -- "), "{line}");
                assert!(!line.contains('\n') && !line.contains("a.b.c --"), "{line}");
            }
        }
    }

    #[test]
    fn a_text_after_two_hyphens_may_begin_with_one() {
        for (arguments, text) in [
            (&["--room", "dev", "--", "--url=ws://evil.example"][..], &["--url=ws://evil.example"][..]),
            (&["--url", "ws://x", "--room=dev", "--", "-h", "--", "-x"], &["-h", "--", "-x"]),
            (&["--token", "--room", "--room", "dev", "a", "--", "-b"], &["a", "-b"]),
            (&["--room", "dev", "the build", "is green"], &["the build", "is green"]),
            (&["--room", "dev"], &[]),
        ] {
            let send = read(arguments).unwrap_or_else(|answer| panic!("{arguments:?}: {answer:?}"));
            assert_eq!(
                (send.target.room.as_str(), send.text.as_slice()),
                ("dev", text.iter().map(ToString::to_string).collect::<Vec<_>>().as_slice())
            );
        }
    }

    #[test]
    fn a_text_before_the_room_is_refused() {
        // Otherwise a script that passes its text first works until a text begins with an option.
        for arguments in [&["hi", "--room", "dev"][..], &["--timeout", "9", "hi", "--room=dev"], &["hi"]] {
            let Err(Answer::Wrong(line)) = read(arguments) else { panic!("accepted: {arguments:?}") };
            assert!(line.contains("the text goes after the room") && line.contains("-- hi"), "{line}");
        }
    }

    #[test]
    fn an_option_in_place_of_the_room_is_refused() {
        for arguments in
            [&["--room", "--url=ws://evil.example", "hi"][..], &["--room"], &["--", "--room", "dev"]]
        {
            assert!(matches!(read(arguments), Err(Answer::Wrong(_))), "{arguments:?}");
        }
    }

    #[test]
    fn an_option_in_the_last_line_of_tail_is_refused() {
        let arguments = ["realtime-tui", "tail", "--room", "dev", "--since", "--url=ws://evil.example"];
        assert!(matches!(Args::read(arguments), Err(Answer::Wrong(_))));
    }

    #[test]
    fn the_error_is_short_and_safe_to_print() {
        let hostile = format!("--url=\u{1b}[2J\n{}", "x".repeat(5_000));
        let Err(Answer::Wrong(line)) = read(&["--room", "dev", &hostile]) else { panic!("accepted") };
        assert!(line.len() < 500 && line.contains('…') && !line.contains(char::is_control), "{line}");
        assert_eq!(shown("it's"), r"'it'\''s'");
    }

    #[test]
    fn the_error_has_no_token() {
        for token in [&["--token", "a.b.secret"][..], &["--token=a.b.secret"], &["--token=a.b.secret '"]] {
            let Err(Answer::Wrong(line)) = read(&[&["--room", "dev"], token, &["hi"]].concat()) else {
                panic!("accepted")
            };
            assert!(
                !line.contains("secret") && line.contains("-- --token") && line.ends_with(" hi"),
                "{line}"
            );
        }
    }

    #[test]
    fn help_is_printed_before_the_room() {
        assert!(matches!(read(&["--help"]), Err(Answer::Print(_))));
    }

    proptest! {
        #[test]
        fn no_text_changes_the_options(text in r"-{0,2}[a-z]{0,7}(=[a-z:/]{0,9})?", before in "[a-z]{0,3}") {
            for arguments in [vec!["--room", "dev", &text], vec!["--room=dev", &before, &text, "x"]] {
                if let Ok(send) = read(&arguments) {
                    prop_assert_eq!(send.target.room, "dev");
                    prop_assert_eq!(send.timeout, 60);
                    let connection = send.target.connection;
                    prop_assert!(connection.url.is_none() && connection.token.is_none());
                    prop_assert!(connection.config.is_none() && connection.token_file.is_none());
                    prop_assert!(send.text.contains(&text) || text == "--");
                }
            }
        }
    }
}
