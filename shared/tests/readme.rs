//! Checks of the README: its examples are valid, and its tables are complete.

use proptest::prelude::*;
use realtime_shared::codec::{decode_client, decode_server, encode_client, encode_frame};
use realtime_shared::{Claims, CloseCode, ServerEvent, Verdict, strategies};
use serde_json::Value;

const README: &str = include_str!("../README.md");

/// The lines of all code blocks with this info string.
fn lines_in(fence: &str) -> Vec<&'static str> {
    let mut lines = Vec::new();
    let mut inside = false;
    for line in README.lines() {
        match line.strip_prefix("```") {
            Some(info) => inside = !inside && info == fence,
            None if inside => lines.push(line),
            None => {}
        }
    }
    lines
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The rows of all tables, split into cells.
fn rows() -> Vec<Vec<&'static str>> {
    README
        .lines()
        .filter_map(|line| line.strip_prefix('|')?.strip_suffix('|'))
        .map(|row| row.split('|').map(str::trim).collect())
        .collect()
}

#[test]
fn the_example_frames_are_valid_and_have_no_unknown_fields() {
    let lines = lines_in("json");
    for line in &lines {
        let as_client = decode_client(line).ok().map(|frame| json(&encode_client(&frame)));
        let frame = decode_server(line).ok();
        let known = frame.filter(|frame| !matches!(frame.event, ServerEvent::Unknown { .. }));
        let as_server = known.map(|frame| json(&encode_frame(&frame)));
        let expected = Some(json(line));
        assert!(as_client == expected || as_server == expected, "{line}\n{as_client:?}\n{as_server:?}");
    }
    for line in README.lines().filter(|line| line.starts_with("{\"type\"")) {
        assert!(lines.contains(&line), "a frame outside of the tested blocks: {line}");
    }
}

#[test]
fn the_example_claims_are_valid() {
    let lines = lines_in("json claims");
    assert!(!lines.is_empty());
    for line in lines {
        let claims: Claims = serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert_eq!(serde_json::to_value(claims).expect("JSON"), json(line));
    }
}

#[test]
fn the_tables_have_every_close_code_with_its_verdict() {
    let rows = rows();
    for number in 1000..5000_u16 {
        let code = CloseCode::from_u16(number);
        let row = rows.iter().find(|row| row[0] == number.to_string());
        if let CloseCode::Other(_) = code {
            assert_eq!(row, None, "{number}");
            continue;
        }
        let row = row.unwrap_or_else(|| panic!("{number} has a row"));
        assert!(row[2].starts_with(verdict_text(code.verdict())), "{row:?}");
        if number >= 4000 {
            assert!(row[1].starts_with(&format!("`{}`", code.reason())), "{row:?}");
        }
    }
}

fn verdict_text(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Stop => "no",
        Verdict::AnotherToken => "with another token only",
        Verdict::Soon => "soon",
        Verdict::BackOff => "backing off",
    }
}

#[test]
fn the_tables_have_the_http_statuses_with_their_verdict() {
    for status in [400, 403, 404, 426, 429, 503] {
        let row = rows().into_iter().find(|row| row[0].starts_with(&status.to_string()));
        let row = row.unwrap_or_else(|| panic!("{status} has a row"));
        let expected = if Verdict::of_http_status(status).reconnects() { "yes, backing off" } else { "no" };
        assert_eq!(row[2], expected, "{row:?}");
    }
}

/// Returns true if a later cell of a row that begins with `name` contains `part`.
fn row_mentions(name: &str, part: &str) -> bool {
    rows().iter().any(|row| row[0] == name && row[1..].iter().any(|cell| cell.contains(part)))
}

proptest! {
    /// Every field of a frame is in the row of its `type`, or of its `event`.
    #[test]
    fn the_tables_have_every_field_and_every_error_code(client in strategies::client_frame(), server in strategies::server_frame()) {
        for text in [encode_client(&client), encode_frame(&server)] {
            let frame = json(&text);
            let name = frame.get("event").unwrap_or(&frame["type"]).as_str().expect("a name");
            for field in frame.as_object().expect("an object").keys() {
                let common = ["type", "event", "ref"].contains(&field.as_str());
                let common = common || (frame["type"] == "system" && field == "message");
                prop_assert!(common || row_mentions(&format!("`{name}`"), &format!("`{field}`")), "{} of {}", field, name);
            }
            if name == "error" {
                let code = format!("`{}`", frame["code"].as_str().expect("a code"));
                prop_assert!(rows().iter().any(|row| row[0] == code), "{}", code);
            }
        }
    }
}
