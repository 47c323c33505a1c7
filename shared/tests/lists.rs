//! Completeness of lists: error codes in the README and the golden files, frames in the strategies.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use realtime_shared::codec::{encode_client, encode_frame};
use realtime_shared::{ErrorCode, strategies};
use serde_json::Value;

const README: &str = include_str!("../README.md");
/// Number of samples in which every frame comes up. The rarest frame has a chance of 1 in 100 for each sample.
const SAMPLES: usize = 4_000;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The golden frames whose file names begin with `prefix`.
fn golden(prefix: &str) -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let files = fs::read_dir(folder).expect("the folder").map(|file| file.expect("a file").path());
    files
        .filter(|path| {
            path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(prefix))
        })
        .map(|path| json(&fs::read_to_string(path).expect("UTF-8")))
        .collect()
}

/// The words of a frame that come from lists: its type, and its event, code, reason and status if it has them.
fn words(frame: &Value) -> BTreeSet<String> {
    let status = &frame["recovery"]["status"];
    // The reason of a deletion is any text.
    let is_listed = frame["type"] != "delete";
    [
        Some(("type", &frame["type"])),
        Some(("event", &frame["event"])),
        Some(("code", &frame["code"])),
        Some(("reason", &frame["reason"])).filter(|_| is_listed),
        Some(("status", status)),
    ]
    .into_iter()
    .flatten()
    .filter_map(|(key, word)| Some(format!("{key} {}", word.as_str()?)))
    .collect()
}

fn sampled(frames: impl Strategy<Value = String>) -> BTreeSet<String> {
    let mut runner = TestRunner::deterministic();
    (0..SAMPLES)
        .flat_map(|_| words(&json(&frames.new_tree(&mut runner).expect("a value").current())))
        .collect()
}

#[test]
fn the_strategy_of_client_frames_gives_every_golden_type() {
    let frames = strategies::client_frame().prop_map(|frame| encode_client(&frame));
    assert_eq!(sampled(frames), golden("client-").iter().flat_map(words).collect());
}

#[test]
fn the_strategy_of_server_frames_gives_every_golden_type_event_code_reason_and_status() {
    let frames = strategies::server_frame().prop_map(|frame| encode_frame(&frame));
    assert_eq!(sampled(frames), golden("server-").iter().flat_map(words).collect());
}

#[test]
fn the_readme_has_the_error_codes_of_the_list_and_no_others() {
    let section =
        README.split("\n## Errors\n").nth(1).expect("the section").split("\n## ").next().expect("its text");
    let rows: Vec<(&str, &str)> = section
        .lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix("| `")?.split(" | ");
            Some((cells.next()?.strip_suffix('`')?, cells.next()?))
        })
        .skip(1)
        .collect();
    let codes: Vec<_> = ErrorCode::ALL
        .iter()
        .map(|code| (code.as_str(), if code.is_temporary() { "yes" } else { "no" }))
        .collect();
    assert_eq!(rows, codes);
}

#[test]
fn an_error_code_is_encoded_and_decoded_by_its_name() {
    for code in ErrorCode::ALL {
        assert_eq!(json(&format!("\"{}\"", code.as_str())), serde_json::to_value(code).expect("JSON"));
        let read: ErrorCode = serde_json::from_value(code.as_str().into()).expect("a code");
        assert_eq!(read, *code);
    }
    let codes: BTreeSet<_> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(codes.len(), ErrorCode::ALL.len());
}

#[test]
fn a_golden_error_has_the_temporary_flag_of_its_code() {
    for frame in golden("server-error-") {
        let code: ErrorCode = serde_json::from_value(frame["code"].clone()).expect("a code");
        assert_eq!(frame["temporary"], code.is_temporary(), "{frame}");
    }
}
