//! Tests of the log lines of refused upgrades, and of the listener for metrics.

use std::net::TcpStream;

use tungstenite::client::IntoClientRequest;
use tungstenite::handshake::HandshakeError;
use tungstenite::http::HeaderValue;

use crate::program::{Home, get};

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
    let mut served = home.serve(&["--memory", "--auth-failures-per-minute", "1", "--max-connections", "1"]);
    drop(served.try_connect("/ws?token=a-secret"));
    let _alice = served.connect(&home.token("alice"));
    for (target, status) in [
        ("/ws?token=a-secret&token=other", 400),
        ("/nowhere?token=a-secret", 404),
        ("/ws?token=a-secret", 429),
        (&*format!("/ws?token={}", home.token("bob")), 503),
    ] {
        assert_eq!(served.try_connect(target).err(), Some(status), "{target}");
        let line = served.wait_for("an upgrade was refused");
        assert!(line.contains(&format!("status={status}")) && line.contains("127.0.0.1"), "{line}");
    }
    let log = served.stopped();
    assert!(!log.contains("a-secret") && !log.contains("eyJ"), "{log}");
}

#[test]
fn metrics_are_on_the_admin_listener_alone() {
    let home = Home::new();
    let mut served = home
        .program(&["serve", "--memory", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
        .start();
    let line = served.wait_for("serving metrics and health");
    let admin = line.split("http://").nth(1).and_then(|rest| rest.split('/').next()).expect("an address");
    let admin = admin.parse().expect("an address");
    served.wait_until_listening();
    assert!(get(admin, "/metrics").contains("realtime_connections 0"));
    for (address, path, status) in [
        (served.address(), "/metrics", "404"),
        (served.address(), "/healthz", "200"),
        (served.address(), "/readyz", "200"),
        (admin, "/healthz", "200"),
        (admin, "/readyz", "200"),
        (admin, "/ws", "404"),
    ] {
        let answer = get(address, path);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{path} at {address}: {answer}");
    }
    served.stopped();
}
