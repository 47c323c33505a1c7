//! Tests of the log lines of refused upgrades.

use std::net::TcpStream;

use tungstenite::client::IntoClientRequest;
use tungstenite::handshake::HandshakeError;
use tungstenite::http::HeaderValue;

use crate::program::Home;

#[test]
fn the_log_line_of_a_refused_page_names_the_flag() {
    let home = Home::new();
    let mut served = home.serve(&["--memory"]);
    let stream = TcpStream::connect(served.address()).expect("a listener");
    let url = format!("ws://{}/ws?token={}", served.address(), home.token("alice"));
    let mut request = url.into_client_request().expect("a URL");
    request.headers_mut().insert("Origin", HeaderValue::from_static("https://chat.example.org"));
    let Err(HandshakeError::Failure(tungstenite::Error::Http(response))) =
        tungstenite::client(request, stream)
    else {
        panic!("the page is not refused")
    };
    assert_eq!(response.status(), 403);
    let line = served.wait_for("an upgrade was refused");
    assert!(
        line.contains("WARN") && line.contains("status=403") && line.contains("--allow-origin"),
        "{line}"
    );
    assert!(line.contains("https://chat.example.org"), "{line}");
    assert!(!served.stopped().contains("token="), "the log has no tokens");
}

#[test]
fn refused_upgrades_are_logged_with_their_status_and_without_tokens() {
    let home = Home::new();
    let mut served = home.serve(&["--memory", "--auth-failures-per-minute", "1"]);
    drop(served.try_connect("/ws?token=a-secret"));
    for (target, status) in [
        ("/ws?token=a-secret&token=other", 400),
        ("/nowhere?token=a-secret", 404),
        ("/ws?token=a-secret", 429),
    ] {
        assert_eq!(served.try_connect(target).err(), Some(status), "{target}");
        let line = served.wait_for("an upgrade was refused");
        assert!(line.contains(&format!("status={status}")) && line.contains("127.0.0.1"), "{line}");
    }
    let log = served.stopped();
    assert!(!log.contains("a-secret") && !log.contains("eyJ"), "{log}");
}
