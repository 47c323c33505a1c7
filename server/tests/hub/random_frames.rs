//! A thousand random frames to a running server. Valid frames are answered. Invalid ones are refused, or close the
//! connection as the protocol requires. Nothing panics, and other connections are not affected.
//!
//! The frames are those of the property tests. The seed is printed; `SEED` in the environment repeats it.

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use realtime_shared::strategies::{not_json, refused_client_text, written_client_frame};
use realtime_shared::{ClientEvent, ClientFrame, ErrorCode, ServerEvent, codec};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::support::{TestClient, TestServer, joined, message, message_from, server_with};

const FRAMES: usize = 1_000;
/// Refusals of a connection before the one that closes it.
const REFUSALS: usize = 99;

/// The expected reaction to a text.
enum Expected {
    Answered(ClientFrame),
    Refused(ErrorCode),
    NotJson,
}

/// Random texts of all kinds.
fn texts(seed: u64) -> impl Iterator<Item = (String, Expected)> {
    let mut bytes = [0; 32];
    fastrand::Rng::with_seed(seed).fill(&mut bytes);
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), random);
    let mut kinds = fastrand::Rng::with_seed(seed);
    std::iter::repeat_with(move || match kinds.u8(0..20) {
        0 => (pick(&mut runner, &not_json()), Expected::NotJson),
        1..=6 => {
            let (text, code) = pick(&mut runner, &refused_client_text());
            (text, Expected::Refused(code))
        }
        _ => {
            let (frame, text) = pick(&mut runner, &written_client_frame());
            (text, Expected::Answered(frame))
        }
    })
}

fn pick<S: Strategy>(runner: &mut TestRunner, strategy: &S) -> S::Value {
    strategy.new_tree(runner).expect("a value").current()
}

/// True if a frame of this kind has an answer or an error before the next frame is handled.
fn is_answered(event: &ClientEvent) -> bool {
    match event {
        ClientEvent::JoinRoom { .. }
        | ClientEvent::LeaveRoom { .. }
        | ClientEvent::Ping(_)
        | ClientEvent::History(_)
        | ClientEvent::Direct { .. }
        | ClientEvent::Inbox { .. }
        | ClientEvent::Search(_)
        | ClientEvent::Members { .. }
        | ClientEvent::ListRooms { .. }
        | ClientEvent::Refresh { .. }
        | ClientEvent::Notice { .. } => true,
        ClientEvent::Post(_) | ClientEvent::Read { .. } | ClientEvent::Typing { .. } => false,
    }
}

/// Sends a text and two pings, one after the other. Returns the frames before the second pong, or the code of the close.
/// A refusal by the rules of a log may follow the first pong.
async fn reaction(client: &mut TestClient, text: &str) -> Result<Vec<Value>, u16> {
    client.send_text(text).await;
    let mut frames = until_pong(client).await?;
    frames.extend(until_pong(client).await?);
    Ok(frames)
}

async fn until_pong(client: &mut TestClient) -> Result<Vec<Value>, u16> {
    let nonce = fastrand::u64(..).to_string();
    client.send(json!({"type": "ping", "nonce": nonce})).await;
    let mut frames = Vec::new();
    loop {
        let frame = client.frame_or_close().await.map_err(|(code, _)| code)?;
        let known = codec::decode_server(&frame.to_string()).expect("a frame of the protocol");
        assert!(!matches!(known.event, ServerEvent::Unknown { .. }), "{frame}");
        if frame["type"] == "pong" && frame["nonce"] == nonce {
            return Ok(frames);
        }
        frames.push(frame);
    }
}

/// True if a refusal with this code means that the text was not a valid frame.
fn is_malformed(code: ErrorCode) -> bool {
    match code {
        ErrorCode::BadRequest | ErrorCode::UnknownType | ErrorCode::InvalidRoom | ErrorCode::InvalidText => {
            true
        }
        ErrorCode::Forbidden
        | ErrorCode::NotAMember
        | ErrorCode::RateLimited
        | ErrorCode::TooManyRooms
        | ErrorCode::NotFound
        | ErrorCode::LimitReached
        | ErrorCode::Unsupported
        | ErrorCode::Unavailable
        | ErrorCode::Unknown => false,
    }
}

fn refusals(frames: &[Value]) -> Vec<ErrorCode> {
    let errors = frames.iter().filter(|frame| frame["type"] == "error");
    errors.map(|frame| serde_json::from_value(frame["code"].clone()).expect("a code")).collect()
}

/// Sends all texts and checks the reactions. Reconnects after a close, as another user: one that was refused too often has
/// to wait.
async fn send_all(server: &TestServer, texts: impl Iterator<Item = (String, Expected)>) {
    let mut users = (0..).map(|number| format!("mallory {number}"));
    let mut next_user = || users.next().expect("a user");
    let mut mallory = server.connect(&next_user()).await;
    let mut refused = 0;
    for (text, expected) in texts {
        let frames = match (reaction(&mut mallory, &text).await, &expected) {
            (Ok(frames), _) => frames,
            (Err(4002), Expected::NotJson) => Vec::new(),
            (Err(4009), _) if refused >= REFUSALS => Vec::new(),
            (Err(code), _) => panic!("closed with {code} for {text:?}"),
        };
        let codes = refusals(&frames);
        refused += codes.len();
        match expected {
            Expected::NotJson => {
                assert!(frames.is_empty(), "{frames:?} for {text:?}");
                (mallory, refused) = (server.connect(&next_user()).await, 0);
            }
            _ if refused >= REFUSALS && frames.is_empty() => {
                (mallory, refused) = (server.connect(&next_user()).await, 0);
            }
            Expected::Refused(code) => assert_eq!(codes, [code], "{text:?}"),
            Expected::Answered(frame) => {
                assert!(!codes.iter().copied().any(is_malformed), "{frames:?} for {text:?}");
                assert!(codes.len() <= 1, "{frames:?} for {text:?}");
                if let (Some(reference), true) =
                    (&frame.reference, is_answered(&frame.event) || codes.len() == 1)
                {
                    let own = frames.iter().filter(|frame| frame["ref"] == reference.as_str()).count();
                    assert!(
                        own == 1 || is_unanswered_notice(&frame.event, &codes),
                        "{frames:?} for {text:?}"
                    );
                }
            }
        }
    }
}

/// A notice that was not refused has no answer.
fn is_unanswered_notice(event: &ClientEvent, codes: &[ErrorCode]) -> bool {
    matches!(event, ClientEvent::Notice { .. }) && codes.is_empty()
}

#[tokio::test]
async fn random_frames_are_answered_or_refused_without_effect_on_others() {
    let seed =
        std::env::var("SEED").ok().map_or_else(|| fastrand::u64(..), |seed| seed.parse().expect("a number"));
    println!("SEED={seed}");
    let server = server_with(|config| {
        config.limits.rooms = realtime_server::config::RoomLimits::none();
        config.limits.max_messages_per_second = 0;
        config.limits.max_connections_per_user = 0;
    });
    let mut alice = server.connect("alice").await;
    let mut bob = server.connect("bob").await;
    alice.join("a quiet room").await;
    bob.join("a quiet room").await;
    alice.expect(joined("bob", "a quiet room")).await;
    let (done, is_done) = watch::channel(false);
    let chat = tokio::spawn(async move {
        let mut posted = 0;
        while !*is_done.borrow() {
            posted += 1;
            let text = format!("number {posted}");
            alice.send(message("a quiet room", &text)).await;
            alice.expect(message_from("alice", "a quiet room", &text)).await;
            bob.expect(message_from("alice", "a quiet room", &text)).await;
        }
        posted
    });
    send_all(&server, texts(seed).take(FRAMES)).await;
    done.send_replace(true);
    assert!(chat.await.expect("a chat that goes on") > 100);
}
