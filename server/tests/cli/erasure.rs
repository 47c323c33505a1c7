//! Tests of erasure with whole programs: a deleted text leaves the files of the data directory.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::program::{Home, next};
use crate::store::{ask, history};

const SECRET: &str = "pasted-password-7f3a91";
/// Time limit of an erasure.
const PATIENCE: Duration = Duration::from_secs(30);

/// True if a file of a directory has the secret.
fn has_secret(directory: &Path) -> bool {
    let files = fs::read_dir(directory).expect("a directory");
    let mut paths: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    // The WAL comes before the database: what a checkpoint moves meanwhile is in one of them.
    paths.sort_by(|one, other| other.cmp(one));
    let bytes: Vec<_> = paths.iter().flat_map(|path| fs::read(path).expect("readable")).collect();
    bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes())
}

#[track_caller]
fn wait_until_erased(directory: &Path) {
    let deadline = Instant::now() + PATIENCE;
    while has_secret(directory) {
        assert!(Instant::now() < deadline, "the secret stays in the data directory");
        thread::yield_now();
    }
}

fn message(id: &str, text: &str) -> Value {
    json!({"type": "message", "room": "lobby", "text": text, "client_msg_id": id})
}

fn edit(target: &Value, id: &str) -> Value {
    let text = format!("the {SECRET}");
    json!({"type": "edit", "room": "lobby", "target": target["seq"], "text": text, "client_msg_id": id})
}

fn delete(target: &Value) -> Value {
    let (seq, id) = (&target["seq"], &target["id"]);
    json!({"type": "delete", "room": "lobby", "target": seq, "target_id": id, "client_msg_id": "d"})
}

#[test]
fn a_deleted_secret_leaves_the_files_after_the_export_and_the_backup_that_run() {
    let home = Home::new();
    let token = home.token("alice");
    let served = home.serve(&["--max-messages-per-second", "0"]);
    let mut alice = served.connect(&token);
    next(&mut alice).expect("welcome");
    let posted = ask(&mut alice, &message("m", SECRET), "ack");
    ask(&mut alice, &edit(&posted, "e"), "ack");
    for id in 0..30 {
        ask(&mut alice, &message(&id.to_string(), &"€".repeat(4_000)), "ack");
    }
    let directory = home.store().parent().expect("a directory").to_owned();
    assert!(has_secret(&directory));

    let mut export = home.command(&["export", "--all"]).stdout(Stdio::piped()).spawn().expect("started");
    let mut output = BufReader::new(export.stdout.take().expect("piped"));
    let mut lines = String::new();
    // The export has its snapshot now. It waits, because nobody reads on.
    output.read_line(&mut lines).expect("readable");
    let copy = home.file("copy.db", "");
    fs::remove_file(&copy).expect("removed");
    let mut backup = home.command(&["backup", copy.to_str().expect("a path")]).spawn().expect("started");
    let deleted = ask(&mut alice, &delete(&posted), "ack");
    assert!(has_secret(&directory), "the snapshot has it");
    assert!(backup.wait().expect("ended").success());
    output.read_to_string(&mut lines).expect("readable");
    assert!(export.wait().expect("ended").success() && lines.contains(SECRET));
    wait_until_erased(&directory);

    // What the deletion leaves.
    let since = json!({"epoch": posted["epoch"], "seq": posted["seq"], "id": posted["id"]});
    let joined = ask(&mut alice, &json!({"type": "join_room", "room": "lobby", "since": since}), "system");
    let replayed = deleted["seq"].as_u64().expect("a seq") - 1;
    assert_eq!(joined["recovery"], json!({"status": "complete", "replayed": replayed}));
    let again = ask(&mut alice, &message("m", SECRET), "ack");
    assert_eq!(
        (&again["seq"], &again["id"], &again["ts"], &again["duplicate"]),
        (&posted["seq"], &posted["id"], &posted["ts"], &json!(true))
    );
    let page = ask(&mut alice, &json!({"type": "history", "room": "lobby", "around": 1}), "history");
    assert!(page["messages"][0]["deleted"]["by"] == "alice" && !page.to_string().contains(SECRET), "{page}");
    assert!(!home.run(&["export", "--all"]).succeeded().stdout().contains(SECRET));
    served.stopped();
    assert!(!has_secret(&directory));
}

#[test]
fn a_vacuum_rewrites_the_store_of_a_server_that_has_stopped() {
    let home = Home::new();
    let token = home.token("alice");
    let served = home.serve(&[]);
    let posted = ask(&mut served.connect(&token), &message("m", "hello"), "ack");
    let line = home.run(&["vacuum"]).failed(1);
    assert!(line.contains(&format!("process {}", served.pid())), "{line}");
    served.stopped();
    let summary = home.run(&["vacuum"]).succeeded().stderr();
    assert!(summary.contains("rewrote") && summary.contains("bytes before"), "{summary}");
    let kept = history(&home.serve(&[]), &token);
    assert_eq!((kept.len(), &kept[0]["id"]), (1, &posted["id"]));
}

#[test]
fn a_secret_whose_deletion_was_acknowledged_before_a_kill_leaves_the_files_after_the_start() {
    let home = Home::new();
    let token = home.token("alice");
    let served = home.serve(&[]);
    let mut alice = served.connect(&token);
    let posted = ask(&mut alice, &message("m", SECRET), "ack");
    ask(&mut alice, &edit(&posted, "e"), "ack");
    ask(&mut alice, &delete(&posted), "ack");
    served.signal(Signal::KILL);
    assert_eq!(served.ended().0, None);
    let served = home.serve(&[]);
    wait_until_erased(home.store().parent().expect("a directory"));
    served.stopped();
}
