//! Reactions of the test client to protocol violations: it records them, drops the connection and reconnects.

use std::sync::Arc;
use std::sync::atomic::AtomicU16;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::Message;

use crate::client::{Client, Intent, Load, Plan};
use crate::history::{Act, Instance, Name};
use crate::recorder::Recorder;

const WELCOME: &str = r#"{"type":"system","event":"welcome"}"#;

/// Acts that the client records on a connection on which the server sends `answers` after `welcome`, up to its next
/// connection.
async fn acts_after(answers: &[&str]) -> Vec<Act> {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let (recorder, name) = (Recorder::new(), Name::from("sender-0"));
    let plan = Plan {
        name: name.clone(),
        token: "token".to_owned(),
        servers: vec![(Instance(0), address)],
        rooms: vec!["lobby".into()],
        others: Vec::new(),
        pause: Duration::from_secs(1),
        slow: false,
        changes: 0.0,
        seed: 1,
    };
    let (intent, wanted) = watch::channel(Intent::Online(Load::Silent));
    let client = tokio::spawn(Client::new(plan, recorder.clone(), wanted, Arc::new(AtomicU16::new(0))).run());

    let (stream, _) = listener.accept().await.expect("a connection");
    let mut socket = accept_async(stream).await.expect("a handshake");
    for frame in [WELCOME].iter().chain(answers) {
        socket.send(Message::text(*frame)).await.expect("sent");
    }
    while socket.next().await.is_some_and(|came| came.is_ok()) {}

    let (stream, _) = listener.accept().await.expect("a second connection");
    let mut socket = accept_async(stream).await.expect("a handshake");
    socket.send(Message::text(WELCOME)).await.expect("sent");
    let back = recorder.until("the client is back", |progress| progress.reconnects == 1);
    back.await.expect("welcomed");
    let history = recorder.history();
    drop(socket);
    intent.send_replace(Intent::Finished);
    client.await.expect("the client does not panic");
    history.acts().map(|(.., act)| act.clone()).collect()
}

#[tokio::test]
async fn a_protocol_violation_is_recorded_and_ends_the_connection() {
    for violation in [
        "{",
        r#"{"type":"ack","room":"lobby"}"#,
        r#"{"type":"message","room":"lobby","seq":1}"#,
        r#"{"type":"system","event":"resync","room":"lobby"}"#,
        r#"{"type":"error","code":"bad_request","temporary":false}"#,
        r#"{"type":"error","temporary":true}"#,
    ] {
        let acts = acts_after(&[violation]).await;
        let [Act::Connected, Act::Violation { what }, Act::Lost { close: None }, Act::Connected] = &acts[..]
        else {
            panic!("{violation}: {acts:?}")
        };
        assert!(what.ends_with(violation), "{what}");
    }
}

#[tokio::test]
async fn a_temporarily_refused_join_is_repeated_on_a_new_connection() {
    let refused = r#"{"type":"error","code":"unavailable","room":"lobby","temporary":true}"#;
    let acts = acts_after(&[refused]).await;
    assert_eq!(acts, [Act::Connected, Act::Lost { close: None }, Act::Connected]);
}
