//! Tests of export, import and backup.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

use crate::program::{Home, next};
use crate::store::{ask, history, post};

/// Posts messages with the ids from 1 to `count`, and returns their acks.
fn post_messages(home: &Home, count: usize) -> Vec<Value> {
    let token = home.token("alice");
    let served = home.serve(&[]);
    let mut alice = served.connect(&token);
    let acks = (1..=count).map(|number| ask(&mut alice, &post(&number.to_string()), "ack")).collect();
    served.stopped();
    acks
}

/// Another home with the same secret.
fn home_with_secret_of(home: &Home) -> Home {
    let copy = Home::new();
    fs::create_dir_all(copy.secret_file().parent().expect("a directory")).expect("created");
    fs::copy(home.secret_file(), copy.secret_file()).expect("copied");
    copy
}

#[test]
fn an_imported_room_keeps_its_positions_and_dedup_ids() {
    let home = Home::new();
    let acks = post_messages(&home, 5);
    let exported = home.run(&["export", "--room", "lobby"]).succeeded();
    assert_eq!(exported.stdout().lines().count(), 1 + 5);
    assert!(exported.stderr().contains("exported 5 messages"), "{}", exported.stderr());

    let there = home_with_secret_of(&home);
    let file = there.file("lobby.ndjson", &exported.stdout());
    let import = || there.run(&["import", file.to_str().expect("a path")]).succeeded().stderr();
    assert!(import().contains("imported 1 rooms with 5 messages; 0 existed already"));
    let before = fs::read(there.store()).expect("a store");
    assert!(import().contains("imported 0 rooms with 0 messages; 1 existed already"));
    assert!(fs::read(there.store()).expect("a store") == before, "nothing was changed");

    let token = there.token("alice");
    let served = there.serve(&[]);
    let kept = history(&served, &token);
    for (kept, ack) in kept.iter().zip(&acks) {
        assert_eq!((&kept["seq"], &kept["id"], &kept["ts"]), (&ack["seq"], &ack["id"], &ack["ts"]));
    }
    let mut alice = served.connect(&token);
    let since = json!({"epoch": acks[1]["epoch"], "seq": acks[1]["seq"], "id": acks[1]["id"]});
    next(&mut alice).expect("welcome");
    let joined = ask(&mut alice, &json!({"type": "join_room", "room": "lobby", "since": since}), "system");
    assert_eq!(joined["recovery"], json!({"status": "complete", "replayed": 3}));
    let again = ask(&mut alice, &post("2"), "ack");
    assert_eq!((&again["seq"], &again["duplicate"]), (&acks[1]["seq"], &json!(true)));
}

#[test]
fn a_stored_room_is_reachable_under_its_exact_name() {
    // A version without the rule for new rooms stored a name that is not in normalization form C.
    let old = "cafe\u{301}";
    let home = Home::new();
    post_messages(&home, 2);
    let exported = home.run(&["export", "--room", "lobby"]).succeeded().stdout().replace("lobby", old);
    let there = home_with_secret_of(&home);
    let file = there.file("old.ndjson", &exported);
    there.run(&["import", file.to_str().expect("a path")]).succeeded();

    let token = there.token("alice");
    let served = there.serve(&[]);
    let mut alice = served.connect(&token);
    next(&mut alice).expect("welcome");
    let joined = ask(&mut alice, &json!({"type": "join_room", "room": old}), "system");
    assert_eq!((&joined["event"], &joined["position"]["seq"]), (&json!("joined"), &json!(2)));
    let page = ask(&mut alice, &json!({"type": "history", "room": old}), "history");
    assert_eq!(page["messages"].as_array().expect("a page").len(), 2);
    let members = ask(&mut alice, &json!({"type": "members", "room": old}), "members");
    assert_eq!(members["members"], json!(["alice"]));
    let more = json!({"type": "message", "room": old, "text": "3", "client_msg_id": "three"});
    assert_eq!(ask(&mut alice, &more, "ack")["seq"], 3);

    // The room of the other form is another room, and may be founded.
    let founding = json!({"type": "message", "room": "caf\u{e9}", "text": "1", "client_msg_id": "one"});
    assert_eq!(ask(&mut alice, &founding, "ack")["seq"], 1);
    served.stopped();
}

#[test]
fn the_store_of_a_running_server_can_be_exported_but_takes_no_import() {
    let home = Home::new();
    let token = home.token("alice");
    let served = home.serve(&[]);
    ask(&mut served.connect(&token), &post("1"), "ack");
    let lines = home.run(&["export", "--all"]).succeeded().stdout();
    assert_eq!(lines.lines().count(), 2);
    let file = home.file("rooms.ndjson", &lines);
    let line = home.run(&["import", file.to_str().expect("a path")]).failed(1);
    assert!(line.contains(&format!("process {}", served.pid())), "{line}");
    ask(&mut served.connect(&token), &post("2"), "ack");
    served.stopped();
}

/// Posts messages of 12 KB each, and waits for the last ack.
fn post_long(alice: &mut WebSocket<TcpStream>, ids: std::ops::Range<usize>) {
    let text = "€".repeat(4_000);
    for id in ids.clone() {
        let frame =
            json!({"type": "message", "room": "lobby", "text": text, "client_msg_id": id.to_string()});
        alice.write(Message::text(frame.to_string())).expect("sent");
    }
    alice.flush().expect("sent");
    let last = (ids.end - 1).to_string();
    loop {
        let frame: Value = serde_json::from_str(&next(alice).expect("an open connection")).expect("JSON");
        if frame["type"] == "ack" && frame["client_msg_id"] == *last {
            break;
        }
    }
}

#[test]
fn the_wal_is_emptied_after_an_export() {
    const LONG: u64 = 8 << 20;
    let home = Home::new();
    let token = home.token("alice");
    let mut served = home.serve(&["--log", "debug", "--max-messages-per-second", "0"]);
    let mut alice = served.connect(&token);
    post_long(&mut alice, 0..20);

    let mut export = home.command(&["export", "--all"]).stdout(Stdio::piped()).spawn().expect("started");
    let mut output = BufReader::new(export.stdout.take().expect("piped"));
    let mut lines = String::new();
    // The export has its snapshot now. It waits, because nobody reads on.
    output.read_line(&mut lines).expect("readable");
    post_long(&mut alice, 20..1_000);
    let wal = home.store().with_file_name("store.db-wal");
    let length = || fs::metadata(&wal).expect("a WAL").len();
    assert!(length() > LONG, "{}", length());

    output.read_to_string(&mut lines).expect("readable");
    assert!(export.wait().expect("ended").success());
    assert_eq!(lines.lines().count(), 1 + 20, "the snapshot");
    served.wait_for("emptied the write-ahead log");
    assert!(length() < LONG, "{}", length());
    served.stopped();
}

#[test]
fn a_failed_transfer_is_reported_in_one_line() {
    let home = Home::new();
    let line = home.run(&["export", "--all"]).failed(1);
    assert!(line.contains("store.db") && line.contains("--data-dir"), "{line}");
    assert!(!home.store().exists(), "an export creates no store");
    post_messages(&home, 1);
    for (words, code, named) in [
        (&["export"][..], 2, "--room"),
        (&["export", "--room", "attic"], 1, "attic"),
        (&["export", "--room", ""], 2, "--room"),
        (&["import", "/nonexistent/rooms"], 1, "/nonexistent/rooms"),
        (&["import", "--data-dir", "/dev/null"], 1, "/dev/null"),
        (&["backup"], 2, "FILE"),
        (&["backup", "/nonexistent/rooms.db"], 1, "/nonexistent/rooms.db"),
        (&["vacuum", "--data-dir", "/nonexistent"], 1, "/nonexistent"),
    ] {
        let line = home.run(words).failed(code);
        assert!(line.contains(named), "{words:?}: {line}");
    }
    let diary = home.file("diary", "dear diary,\n");
    let line = home.run(&["import", diary.to_str().expect("a path")]).failed(1);
    assert!(line.contains("line 1") && line.contains("imported 0 rooms"), "{line}");
}

/// They would work on the file of the data directory, which has none of the rooms.
#[test]
fn no_command_works_on_the_file_if_the_rooms_are_in_redis() {
    let home = Home::new();
    post_messages(&home, 1);
    let before = fs::read(home.store()).expect("a store");
    let rooms = home.file("rooms.ndjson", &home.run(&["export", "--all"]).succeeded().stdout());
    let (rooms, copy) = (rooms.to_str().expect("a path"), home.path().join("copy.db"));
    let directory = home.store().parent().expect("a directory").to_str().expect("a path").to_owned();
    for (words, code, named) in [
        (&["backup", copy.to_str().expect("a path")][..], 2, "`backup` works on the file"),
        (&["export", "--all"], 1, "Redis at 127.0.0.1:1 cannot be reached"),
        (&["import", rooms], 1, "Redis at 127.0.0.1:1 cannot be reached"),
        (&["export", "--all", "--data-dir", &directory], 2, "two places"),
        (&["import", rooms, "--data-dir", &directory], 2, "two places"),
    ] {
        let program = |url| home.program(words).env("REALTIME_REDIS_URL", url).run();
        let line = program("redis://:correct-horse@127.0.0.1:1").failed(code);
        assert!(line.contains(named) && !line.contains("horse"), "{line}");
        assert!(!copy.exists() && fs::read(home.store()).expect("a store") == before, "nothing was done");
        // An empty variable counts as unset.
        program("").succeeded();
        let _ = fs::remove_file(&copy);
    }
    let with_others = |words: &[&str]| {
        home.program(words)
            .env("REALTIME_REDIS_USER", "chat")
            .env("REALTIME_REDIS_PASSWORD_FILE", "/nonexistent")
            .env("REALTIME_REDIS_CA", "/nonexistent")
            .env("REALTIME_WAIT_FOR_REDIS", "1s")
    };
    // The other variables of a server on Redis may stay.
    for words in [&["export", "--all"][..], &["import", rooms]] {
        with_others(words).env("REALTIME_REDIS_URL", "").run().succeeded();
        let line = with_others(words).run().failed(2);
        assert!(line.contains("--redis-user needs Redis"), "{line}");
    }
    let line = with_others(&["serve"]).env("REALTIME_REDIS_URL", "").run().failed(2);
    assert!(line.contains("--redis-user needs Redis"), "a server: {line}");
}

#[test]
fn a_backup_of_a_store_in_use_is_consistent() {
    let home = Home::new();
    let token = home.token("alice");
    let served = home.serve(&["--max-messages-per-second", "0"]);
    let mut alice = served.connect(&token);
    let acks: Vec<_> = (1..=300).map(|number| ask(&mut alice, &post(&number.to_string()), "ack")).collect();
    let copy = home.path().join("copy.db");
    let backed_up = AtomicBool::new(false);
    thread::scope(|scope| {
        let mut bob = served.connect(&home.token("bob"));
        let backed_up = &backed_up;
        scope.spawn(move || {
            for number in 0.. {
                ask(&mut bob, &post(&number.to_string()), "ack");
                if backed_up.load(Ordering::SeqCst) {
                    break;
                }
            }
        });
        let output = home.run(&["backup", copy.to_str().expect("a path")]).succeeded().stderr();
        backed_up.store(true, Ordering::SeqCst);
        assert!(output.contains("copy.db"), "{output}");
    });
    assert_eq!(fs::metadata(&copy).expect("a file").mode() & 0o777, 0o600);
    let before = fs::read(&copy).expect("readable");
    let line = home.run(&["backup", copy.to_str().expect("a path")]).failed(1);
    assert!(line.contains("not overwritten") && fs::read(&copy).expect("readable") == before, "{line}");
    served.stopped();

    let there = home_with_secret_of(&home);
    fs::copy(&copy, there.store()).expect("copied");
    let lines = there.run(&["export", "--room", "lobby"]).succeeded().stdout();
    let ids: Vec<Value> = lines
        .lines()
        .skip(1)
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["id"].clone())
        .collect();
    assert!(ids.len() >= 300 && ids.iter().zip(&acks).all(|(id, ack)| *id == ack["id"]));
    assert_eq!(files(home.path()), ["copy.db"], "no temporary files are left");
    there.serve(&[]).stopped();
}

/// The files in a directory that are not hidden.
fn files(directory: &Path) -> Vec<String> {
    let entries =
        fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").file_name());
    entries.filter_map(|name| name.into_string().ok()).filter(|name| name != ".local").collect()
}
