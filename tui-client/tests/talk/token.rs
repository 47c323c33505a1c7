//! Tokens that expire: quiet renewals, the reason of a refusal, and new tokens while the client runs.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::json;
use tempfile::TempDir;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::fake_server::{FakeServer, Script};
use crate::server::Server;
use crate::terminal::{MEDIUM, NARROW, Terminal, WIDE};

const CTRL_C: &str = "\x03";
/// A token of the user `me` that expired in 1970: `{"alg":"HS256"}` and `{"sub":"me","exp":1}`.
const EXPIRED: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJtZSIsImV4cCI6MX0.c2ln";
/// A token of the user `me` that does not expire soon: `{"sub":"me","exp":99999999999}`.
const NEW: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJtZSIsImV4cCI6OTk5OTk5OTk5OTl9.c2ln";

/// A token file that only the user may read.
struct TokenFile {
    directory: TempDir,
}

impl TokenFile {
    fn with(token: &str) -> Self {
        let file = Self { directory: TempDir::new().expect("a directory") };
        file.write(token);
        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o600)).expect("set");
        file
    }

    fn write(&self, token: &str) {
        fs::write(self.path(), token).expect("written");
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("token")
    }

    /// Starts a client in the room `lobby` with this file.
    fn client(&self, url: &str) -> Terminal {
        let path = self.path();
        let path = path.to_str().expect("a path");
        Terminal::start(MEDIUM, "", &["--token-file", path, "--url", url, "--room", "lobby"])
    }
}

/// A connection with the fake server closes because its token expired.
fn expire(fake: &FakeServer) {
    fake.send(Message::Close(Some(CloseFrame { code: 4_003.into(), reason: "Token expired".into() })));
}

fn warn(fake: &FakeServer) {
    fake.send_frame(
        &json!({"type": "system", "event": "token_expiring", "message": "soon", "expires_at": 60_000}),
    );
}

#[test]
fn an_expired_token_at_the_start_is_called_expired() {
    let server = Server::start();
    let client = Terminal::start(MEDIUM, EXPIRED, &["--url", &server.url(), "--room", "lobby"]);
    let ended = client.ended();
    assert_eq!(ended.code, 3);
    for part in ["the token expired ", "(at 1970-01-01 00:00)", "realtime-server token --user me"] {
        assert!(ended.written.contains(part), "{part}: {}", ended.written);
    }
}

#[test]
fn a_renewed_token_is_not_worth_a_line() {
    let fake = FakeServer::start(Script::default());
    let file = TokenFile::with("a.b.c");
    let client = file.client(&fake.url());
    client.wait_for_connection();
    file.write("a.b.d");
    for _ in 0..5 {
        warn(&fake);
    }
    fake.ping();
    fake.send_frame(&json!({
        "type": "system", "event": "notice", "message": "after the renewal", "from": "admin",
        "id": "01ARZ3NDEKTSV4RRFFQ69G5FAV", "ts": 1,
    }));
    let seen = client.shows("after the renewal");
    assert!(!seen.text.contains("token"), "{}", seen.text);
}

#[test]
fn a_token_that_cannot_be_renewed_is_noted_once() {
    let fake = FakeServer::start(Script::default());
    let client = fake.client(MEDIUM);
    client.wait_for_connection();
    for _ in 0..5 {
        warn(&fake);
    }
    let seen = client.shows("the token expires at 00:01");
    assert!(seen.text.contains("/token takes a"), "{}", seen.text);
    fake.ping();
    fake.send_frame(&json!({"type": "typing", "room": "lobby", "user_id": "bob", "is_typing": true}));
    let seen = client.shows("bob is typing…");
    assert_eq!(seen.text.matches("the token expires").count(), 1, "{}", seen.text);
}

/// With the real server: the token is valid for a second, and for five more that the server tolerates.
#[test]
fn a_new_token_in_the_file_is_noticed_when_the_user_is_back() {
    let server = Server::start();
    let file = TokenFile::with(&server.token_with("alice", &["--ttl", "1s"]));
    let mut alice = file.client(&server.url());
    alice.shows("(there is no newer one yet)");
    alice.wait_until("the reason", |screen| screen.contains("✗ stopped") && screen.contains("token expired"));
    alice.submit("kept until then");
    alice.shows("kept until then … queued");
    file.write(&server.token("alice"));
    alice.press("\x1b[O\x1b[I");
    alice.wait_for_connection();
    alice.shows("kept until then ✓");
}

#[test]
fn a_token_is_given_inside_and_leaves_no_trace() {
    for (size, is_typed) in [(WIDE, false), (MEDIUM, true), (NARROW, false)] {
        let fake = FakeServer::start(Script::default());
        let home = TempDir::new().expect("a directory");
        let arguments = ["--url", &fake.url(), "--room", "lobby"];
        let mut client = Terminal::start_keeping(size, EXPIRED, &arguments, Some(home.path()));
        client.shows("beginning of #lobby");
        expire(&fake);
        client.wait_until("the remedy", |screen| screen.contains("stopped") && screen.contains("/token"));
        client.press("draft");
        client.shows("› draft");
        client.press("\x07/token");
        if is_typed {
            client.press(&format!(" \x1b[200~{NEW}\x1b[201~"));
            client.shows("****");
            client.press("\r");
        } else {
            client.press("\r");
            client.shows("Paste or type your new token");
            client.press(&format!("\x1b[200~{NEW}\n\x1b[201~"));
            client.shows("***");
            client.press("\r");
        }
        client.wait_until("connection", |screen| screen.contains('●') && !screen.contains("stopped"));
        client.press("\x1b[A");
        client.wait_for_input_handled();
        client.press(CTRL_C);
        let ended = client.ended();
        assert_eq!(ended.code, 0);
        assert!(!ended.written.contains(&NEW[..20]), "on the screen");
        assert_no_file_contains(home.path(), &NEW[..20]);
    }
}

fn assert_no_file_contains(directory: &Path, text: &str) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            assert_no_file_contains(&path, text);
        } else {
            let content = fs::read(&path).expect("read");
            assert!(!String::from_utf8_lossy(&content).contains(text), "{}", path.display());
        }
    }
}

#[test]
fn a_token_for_another_user_is_not_used() {
    let fake = FakeServer::start(Script { me: "alice".to_owned(), ..Script::default() });
    let mut client = fake.client(MEDIUM);
    client.wait_for_connection();
    client.submit(&format!("/token {NEW}"));
    client.shows("that token is for me, and you are alice");
}
