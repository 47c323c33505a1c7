//! Tests of the files of a server: damage while it runs, and files that it refuses to trust.

use std::fs::{self, OpenOptions, Permissions};
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::Signal;
use serde_json::json;
use tungstenite::WebSocket;

use crate::SECRET;
use crate::program::{Home, RunningServer, get};
use crate::store::{ask, history, post};

const SERVE: [&str; 3] = ["serve", "--listen", "127.0.0.1:0"];

/// A server with one stored message.
struct StoreFixture {
    home: Home,
    token: String,
    served: RunningServer,
    alice: WebSocket<TcpStream>,
}

impl StoreFixture {
    fn new() -> Self {
        let home = Home::new();
        let token = home.token("alice");
        let served = home.serve(&[]);
        let mut alice = served.connect(&token);
        ask(&mut alice, &post("1"), "ack");
        Self { home, token, served, alice }
    }

    fn path(&self, suffix: &str) -> PathBuf {
        self.home.store().with_file_name(format!("store.db{suffix}"))
    }

    /// Asserts that a message is refused for now, and that the server is not ready for this reason.
    #[track_caller]
    fn refuses(&mut self, reason: &str) {
        let refused = ask(&mut self.alice, &post("2"), "error");
        assert_eq!((&refused["code"], &refused["temporary"]), (&json!("unavailable"), &json!(true)));
        let ready = get(self.served.address(), "/readyz");
        assert!(ready.starts_with("HTTP/1.1 503") && ready.contains(reason), "{ready}");
        assert!(get(self.served.address(), "/healthz").starts_with("HTTP/1.1 200"));
    }
}

#[test]
fn a_message_is_refused_once_the_store_is_removed_or_replaced() {
    type Damage = fn(&Path);
    let remove: Damage = |path| fs::remove_file(path).expect("removed");
    let replace: Damage = |path| {
        let copy = path.with_file_name("copy");
        fs::copy(path, &copy).expect("copied");
        fs::rename(copy, path).expect("moved");
    };
    for (damage, reason) in [(remove, "was removed"), (replace, "was replaced")] {
        for suffix in ["", "-wal", "-shm"] {
            let mut fixture = StoreFixture::new();
            damage(&fixture.path(suffix));
            // No second passes: each commit looks first.
            fixture.refuses(&format!("store.db{suffix} {reason}"));
            fixture.served.wait_until_logged("messages are refused");
            let log = fixture.served.stopped();
            assert_eq!(log.matches("messages are refused").count(), 1, "logged once: {log}");
        }
    }
}

#[test]
fn a_message_is_refused_within_seconds_once_the_store_is_overwritten() {
    let mut fixture = StoreFixture::new();
    let other = StoreFixture::new();
    other.served.stopped();
    // `cp` keeps the inode. The log shows when the server noticed.
    let path = fixture.path("");
    fs::copy(other.home.store(), &path).expect("overwritten");
    let overwritten = fs::read(&path).expect("readable");
    fixture.served.wait_until_logged("messages are refused");
    fixture.refuses("store.db was overwritten");
    fixture.served.stopped();
    assert!(fs::read(&path).expect("readable") == overwritten, "nothing of the WAL is in it");
}

#[test]
fn a_removed_wal_loses_no_acknowledged_message() {
    let mut fixture = StoreFixture::new();
    for suffix in ["-wal", "-shm"] {
        fs::remove_file(fixture.path(suffix)).expect("removed");
    }
    fixture.refuses("store.db-wal was removed");
    let log = fixture.served.stopped();
    assert!(log.contains("saved=true"), "{log}");
    assert_eq!(history(&fixture.home.serve(&[]), &fixture.token).len(), 1);
}

#[test]
fn a_truncated_wal_is_noticed() {
    let mut fixture = StoreFixture::new();
    OpenOptions::new().write(true).truncate(true).open(fixture.path("-wal")).expect("truncated");
    fixture.served.wait_until_logged("messages are refused");
    fixture.refuses("store.db-wal was overwritten");
}

#[test]
fn a_store_that_is_moved_back_is_used_again() {
    let mut fixture = StoreFixture::new();
    let directory = fixture.home.store().parent().expect("a directory").to_owned();
    let away = fixture.home.path().join("away");
    fs::rename(&directory, &away).expect("moved");
    fixture.refuses("was removed");
    fs::rename(&away, &directory).expect("moved back");
    assert_eq!(ask(&mut fixture.alice, &post("2"), "ack")["seq"], json!(2));
    assert!(get(fixture.served.address(), "/readyz").starts_with("HTTP/1.1 200"));
    fixture.served.signal(Signal::KILL);
    fixture.served.ended();
    assert_eq!(history(&fixture.home.serve(&[]), &fixture.token).len(), 2);
}

#[test]
fn a_wal_without_its_database_is_not_deleted() {
    let fixture = StoreFixture::new();
    fixture.served.signal(Signal::KILL);
    let (database, wal) = (fixture.path(""), fixture.path("-wal"));
    fixture.served.ended();
    fs::remove_file(database).expect("removed");
    let bytes = fs::read(&wal).expect("a WAL");
    let line = fixture.home.run(&SERVE).failed(1);
    assert!(line.contains("store.db-wal has messages"), "{line}");
    assert!(fs::read(&wal).expect("a WAL") == bytes, "the WAL is unchanged");
}

#[test]
fn a_second_server_is_refused_after_the_lock_file_is_removed() {
    let fixture = StoreFixture::new();
    let lock = fixture.home.store().with_file_name("store.lock");
    fs::remove_file(&lock).expect("removed");
    let line = fixture.home.run(&SERVE).failed(1);
    assert!(line.contains("in use"), "{line}");
    assert!(!lock.exists(), "the second server leaves nothing");
    fixture.served.stopped();
    fixture.home.serve(&[]).stopped();
}

/// Name of each file in the data directory, with the exit code of a server that refuses it.
const OWN_FILES: [(&str, i32); 5] =
    [("jwt-secret", 2), ("store.lock", 1), ("store.db", 1), ("store.db-wal", 1), ("store.db-shm", 1)];

#[test]
fn a_link_or_a_fifo_in_the_data_directory_is_refused_and_does_not_hang() {
    let home = Home::new();
    home.serve(&[]).stopped();
    for (name, code) in OWN_FILES {
        let path = home.store().with_file_name(name);
        let kept = home.path().join("kept");
        let existed = fs::rename(&path, &kept).is_ok();
        if !existed {
            fs::write(&kept, "").expect("writable");
        }
        symlink(&kept, &path).expect("a link");
        let line = home.run(&SERVE).failed(code);
        assert!(line.contains(&format!("{name} is a symbolic link")), "{line}");
        fs::remove_file(&path).expect("removed");

        mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).expect("a FIFO");
        let line = home.run(&SERVE).failed(code);
        assert!(line.contains(&format!("{name} is a FIFO")), "{line}");
        if name == "store.db" {
            let line = home.run(&["export", "--all"]).failed(1);
            assert!(line.contains("is a FIFO"), "{line}");
        }
        fs::remove_file(&path).expect("removed");
        if existed {
            fs::rename(&kept, &path).expect("moved back");
        } else {
            fs::remove_file(&kept).expect("removed");
        }
    }
    home.serve(&[]).stopped();
}

#[test]
fn a_data_directory_that_others_may_write_is_refused() {
    let home = Home::new();
    home.serve(&[]).stopped();
    let directory = home.store().parent().expect("a directory").to_owned();
    fs::set_permissions(&directory, Permissions::from_mode(0o777)).expect("permitted");
    for words in [&SERVE[..], &["token", "--user", "alice"]] {
        let line = home.run(words).failed(2);
        assert!(line.contains("every user") && line.contains("chmod o-w"), "{line}");
    }
    let given = home.program(&SERVE).env("REALTIME_JWT_SECRET", SECRET).run().failed(1);
    assert!(given.contains("chmod o-w"), "{given}");
}

#[test]
fn a_named_secret_that_others_can_read_needs_a_flag() {
    let home = Home::new();
    let secret = home.file("secret", SECRET);
    let named = home.path().join("link");
    symlink(&secret, &named).expect("a link");
    let named = named.to_str().expect("a path");
    let words = ["token", "--user", "alice", "--jwt-secret-file", named];
    let with_mode = |mode| {
        fs::set_permissions(&secret, Permissions::from_mode(mode)).expect("permitted");
        home.program(&words)
    };
    with_mode(0o640).run().succeeded();
    let line = with_mode(0o644).run().failed(2);
    assert!(line.contains(named) && line.contains("--allow-readable-secrets"), "{line}");
    with_mode(0o644).env("REALTIME_ALLOW_READABLE_SECRETS", "true").run().succeeded();
    let line = with_mode(0o646).env("REALTIME_ALLOW_READABLE_SECRETS", "true").run().failed(2);
    assert!(line.contains("chmod o-w"), "{line}");

    let password = home.file("password", "correct-horse");
    fs::set_permissions(&password, Permissions::from_mode(0o644)).expect("permitted");
    let redis = ["--redis-url", "redis://127.0.0.1:1", "--redis-password-file"];
    let line = home.run(&[&SERVE[..], &redis, &[password.to_str().expect("a path")]].concat()).failed(2);
    assert!(line.contains("password") && line.contains("--allow-readable-secrets"), "{line}");
}
