//! Properties of any bytes.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::{LONG, TestInput};

/// Bytes that matter to the decoder, and parts of sequences, among all bytes.
fn pieces() -> impl Strategy<Value = Vec<(Vec<u8>, u64)>> {
    let part = prop::sample::select(vec![
        &b"\x1b"[..],
        b"\x1b[",
        b"\x1bO",
        b"\x1b]11;",
        b"\x1bP",
        b"\x1b_",
        b"\x1b^",
        b"\x1bX",
        b"\x1b\\",
        b"\x07",
        b"\x1b[200~",
        b"\x1b[201~",
        b"\x1b[<0;1;1M",
        b"\x1b[M",
        b"\x1b[[",
        b"\x9b",
        b"\x9c",
        b"\x90",
        b"\x18",
        b"\xe2\x82",
        b"\r",
        b"\x03",
        b"1;5",
        b"$",
        b"~",
        b"u",
        b"text",
    ]);
    let bytes = prop_oneof![part.prop_map(<[u8]>::to_vec), prop::collection::vec(any::<u8>(), 1..6),];
    let pause = prop_oneof![4 => Just(0), 1 => 1..1_200_u64];
    prop::collection::vec((bytes, pause), 0..20)
}

/// After any bytes with any pauses, and the waits, Ctrl-C is a key.
fn check_ctrl_c(pieces: &[(Vec<u8>, u64)]) {
    let mut input = TestInput::new();
    for (bytes, pause) in pieces {
        input.send(bytes);
        input.pass(*pause);
    }
    input.pass(LONG);
    assert_eq!(input.decoder.wake(), None);
    input.events.clear();
    input.send(b"\x03");
    input.send(b"\x03x\x1b[A");
    assert_eq!(input.ended(), ["control-c", "control-c", "x", "Up"]);
}

/// Any bytes are the same events in one piece and byte by byte, except those before a stray closing mark of a paste, and
/// strings, whose introducers may be typed.
fn check_pieces(pieces: &[(Vec<u8>, u64)]) {
    let mut bytes: Vec<u8> = pieces.iter().flat_map(|(bytes, _)| bytes.iter().copied()).collect();
    if bytes.windows(6).any(|window| window == b"\x1b[201~") {
        return;
    }
    for at in 1..bytes.len() {
        if bytes[at - 1] == 0x1b && b"]P_^X".contains(&bytes[at]) {
            bytes[at] = b'[';
        }
    }
    assert_eq!(super::events(&bytes), super::byte_by_byte(&bytes, 0));
}

#[test]
fn ctrl_c_works_after_any_bytes() {
    proptest!(Config::with_cases(2_000), |(pieces in pieces())| check_ctrl_c(&pieces));
}

#[test]
fn pieces_do_not_change_the_events() {
    proptest!(Config::with_cases(2_000), |(pieces in pieces())| check_pieces(&pieces));
}

/// `just fuzz-input 600`: the properties for the seconds that `FUZZ_SECONDS` has.
#[test]
#[ignore = "runs for a chosen time"]
fn fuzz() {
    let seconds = std::env::var("FUZZ_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    let end = Instant::now() + Duration::from_secs(seconds.unwrap_or(60));
    let mut cases = 0;
    while Instant::now() < end {
        let mut runner =
            TestRunner::new(Config { cases: 10_000, failure_persistence: None, ..Config::default() });
        let checked = runner.run(&pieces(), |pieces| {
            check_ctrl_c(&pieces);
            check_pieces(&pieces);
            Ok(())
        });
        checked.expect("the properties");
        cases += 10_000;
    }
    println!("{cases} cases");
}
