//! A client beside a server that sends what no server may send: it writes that down, gives the connection up, and comes
//! back.

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

/// What came of a connection on which the server sends this after its welcome: all that the client wrote down until it
/// was back.
async fn acts_after(answers: &[&str]) -> Vec<Act> {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let (recorder, name) = (Recorder::new(), Name::from("sends-0"));
    let plan = Plan {
        name: name.clone(),
        token: "token".to_owned(),
        doors: vec![(Instance(0), address)],
        rooms: vec!["lobby".into()],
        others: Vec::new(),
        pause: Duration::from_secs(1),
        slow: false,
        seed: 1,
    };
    let (intent, wanted) = watch::channel(Intent::Here(Load::Silent));
    let client = tokio::spawn(Client::new(plan, recorder.clone(), wanted, Arc::new(AtomicU16::new(0))).run());

    let (stream, _) = listener.accept().await.expect("it comes");
    let mut socket = accept_async(stream).await.expect("a handshake");
    for frame in [WELCOME].iter().chain(answers) {
        socket.send(Message::text(*frame)).await.expect("sent");
    }
    while socket.next().await.is_some_and(|came| came.is_ok()) {}

    let (stream, _) = listener.accept().await.expect("it comes back");
    let mut socket = accept_async(stream).await.expect("a handshake");
    socket.send(Message::text(WELCOME)).await.expect("sent");
    let back = recorder.until("it is back", |board| board.reconnects == 1);
    back.await.expect("welcomed");
    let history = recorder.history();
    drop(socket);
    intent.send_replace(Intent::Gone);
    client.await.expect("it does not panic");
    history.acts().map(|(.., act)| act.clone()).collect()
}

#[tokio::test]
async fn nonsense_is_written_down_and_ends_the_connection() {
    for nonsense in [
        "{",
        r#"{"type":"ack","room":"lobby"}"#,
        r#"{"type":"message","room":"lobby","seq":1}"#,
        r#"{"type":"system","event":"resync","room":"lobby"}"#,
        r#"{"type":"error","code":"bad_request","temporary":false}"#,
        r#"{"type":"error","temporary":true}"#,
    ] {
        let acts = acts_after(&[nonsense]).await;
        let [Act::Connected, Act::Nonsense { what }, Act::Lost { close: None }, Act::Connected] = &acts[..]
        else {
            panic!("{nonsense}: {acts:?}")
        };
        assert!(what.ends_with(nonsense), "{what}");
    }
}

#[tokio::test]
async fn a_join_that_is_refused_for_now_is_asked_for_again() {
    let refused = r#"{"type":"error","code":"unavailable","room":"lobby","temporary":true}"#;
    let acts = acts_after(&[refused]).await;
    assert_eq!(acts, [Act::Connected, Act::Lost { close: None }, Act::Connected]);
}
