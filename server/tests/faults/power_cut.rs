//! Power cuts: every message acked before the cut is in the files.
//!
//! A server runs under load on a disk that records, and is killed a few times. Afterwards the files are rebuilt as at
//! some moments of the run, with unsynced data missing or torn. Each time SQLite must find every message acked before
//! that moment at its position. Some of the rebuilt files are opened by the server itself.
//!
//! An ack that arrived after `n` syncs must be in the files at every moment after `n` syncs.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::Duration;

use fastrand::Rng;
use rusqlite::Connection;
use tempfile::TempDir;

use crate::client::Load;
use crate::crowd::Shape;
use crate::disk_model::{DiskModel, Operation, Unsynced, read};
use crate::history::{Act, Entry, History, Name, Position};
use crate::outcome::seed;
use crate::probe::Probe;
use crate::recorder::{Recorder, Stuck};
use crate::run::{HERE, Run};
use crate::server::{Site, token};
use crate::shim::Shim;
use crate::wire::{Frame, Socket, message};

/// One in this many cuts is checked by starting the server.
const SERVED: usize = 20;

const CROWD: Shape = Shape {
    senders: 6,
    visitors: 0,
    listeners: 2,
    slow: 0,
    rooms: 3,
    pause: Duration::from_millis(10),
    changes: 0.0,
};

/// An ack with the data to find it in a file.
struct Acked {
    room: Name,
    key: Name,
    position: Position,
    /// Number of finished syncs when the ack had arrived.
    syncs: u64,
}

fn acked(history: &History) -> Vec<Acked> {
    let acks = history.acts().filter_map(|(_, event, _, _, act)| match act {
        Act::Acked { room, key, position, .. } => Some(Acked {
            room: room.clone(),
            key: key.clone(),
            position: position.clone(),
            syncs: event.syncs,
        }),
        _ => None,
    });
    acks.collect()
}

/// Load with kills, on a disk with slow syncs.
async fn load(run: &mut Run, shim: &Shim) -> Result<(), Stuck> {
    let provokes = &["client_reconnects", "client_duplicates"];
    run.phase("load and kills", provokes, async |run| {
        for _ in 0..4 {
            shim.delay_syncs(Duration::from_micros(run.rng.u64(0..2_000)));
            // Long texts fill the write-ahead log, so that checkpoints move it into the file.
            run.crowd.load(if run.rng.bool() { Load::Long } else { Load::Short });
            run.acks(250).await?;
            shim.delay_syncs(Duration::from_millis(20));
            run.acks(10).await?;
            run.kill(0).await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn acked_messages_survive_a_power_cut() {
    power_cuts(seed(), 200).await;
}

/// Runs the load and checks this many power cuts.
pub(crate) async fn power_cuts(seed: u64, cuts: usize) {
    let (site, shim) = Shim::recording(Site::new());
    let syncs = shim.clone();
    let recorder = Recorder::counting(Box::new(move || syncs.syncs_done()));
    let mut run = Run::start(site, CROWD, seed, recorder).await;
    let ended = load(&mut run, &shim).await;
    let mut rng = run.rng.clone();
    let operations = read(shim.record());
    let outcome = run.finish(ended).await;
    outcome.assert_sound("acked_messages_survive_a_power_cut");

    let acks = acked(&outcome.history);
    let found = cut(&operations, &acks, cuts, &mut rng).await;
    println!("{cuts} power cuts: {found} acked messages found");
    assert!(found > cuts * 100, "the cuts must fall after many acks");
}

/// Cuts the power after some of the operations. Returns the number of checked acks.
async fn cut(operations: &[Operation], acks: &[Acked], cuts: usize, rng: &mut Rng) -> usize {
    let mut chosen: Vec<usize> = (0..cuts).map(|_| rng.usize(..operations.len())).collect();
    chosen.sort_unstable();
    let mut chosen = chosen.into_iter().enumerate().peekable();
    let mut model = DiskModel::default();
    let (mut syncs, mut found) = (0, 0);
    for (index, operation) in operations.iter().enumerate() {
        model.take(operation);
        syncs += u64::from(matches!(operation, Operation::SyncDone { .. }));
        while let Some((number, _)) = chosen.next_if(|(_, chosen)| *chosen == index) {
            let unsynced = [Unsynced::Lost, Unsynced::Torn, Unsynced::Torn, Unsynced::Kept][rng.usize(..4)];
            let before: Vec<_> = acks.iter().filter(|ack| ack.syncs <= syncs).collect();
            let site = Site::new();
            model.write(unsynced, rng, &site.data());
            let entries = if number % SERVED == 0 {
                served(&site, &before).await
            } else {
                stored(&site.data(), !before.is_empty())
            };
            check_acked(&entries, &before).unwrap_or_else(|fault| {
                panic!("operation {index}, sync {syncs}, unsynced {unsynced:?}: {fault}")
            });
            found += before.len();
        }
    }
    found
}

/// Entries that SQLite reads from the files.
fn stored(data: &Path, expected: bool) -> Vec<Entry> {
    let path = data.join("store.db");
    if !expected && !path.exists() {
        return Vec::new();
    }
    let connection = Connection::open(path).expect("the file opens");
    let verdict: String =
        connection.pragma_query_value(None, "integrity_check", |row| row.get(0)).expect("a verdict");
    assert_eq!(verdict, "ok");
    let Ok(mut select) = connection.prepare("SELECT frame FROM entry ORDER BY place") else {
        assert!(!expected, "there are no tables");
        return Vec::new();
    };
    let frames = select.query_map([], |row| row.get::<_, String>(0)).expect("frames");
    frames.map(|frame| serde_json::from_str(&frame.expect("a frame")).expect("an entry")).collect()
}

/// Entries that the server serves from the files.
async fn served(site: &Site, acks: &[&Acked]) -> Vec<Entry> {
    let process = site.start().await;
    let mut probe = Probe::new(HERE, process.address()).await.expect("it serves");
    let rooms: HashSet<&Name> = acks.iter().map(|ack| &ack.room).collect();
    let mut entries = Vec::new();
    for room in rooms {
        let log = probe.log(room, &Recorder::new()).await.expect("the log");
        entries.extend(log.entries.iter().map(|entry| (**entry).clone()));
    }
    entries
}

/// Checks that every acked message has its position, seqs are contiguous, and no message is stored twice.
fn check_acked(entries: &[Entry], acks: &[&Acked]) -> Result<(), String> {
    let mut heads: HashMap<&Name, u64> = HashMap::new();
    let mut places: HashMap<(&Name, &Name), &Entry> = HashMap::new();
    for entry in entries {
        let head = heads.entry(&entry.room).or_default();
        *head += 1;
        if entry.seq != *head {
            return Err(format!("seq {} in position of {head}: {entry:?}", entry.seq));
        }
        let key = entry.key.as_ref().expect("every message has a key");
        if let Some(other) = places.insert((&entry.room, key), entry) {
            return Err(format!("stored twice: {other:?} and {entry:?}"));
        }
    }
    for ack in acks {
        let Acked { room, key, position, syncs } = ack;
        let found = places.get(&(room, key)).map(|entry| (entry.seq, Some(entry.id.clone())));
        if found != Some((position.seq, position.id.clone())) {
            return Err(format!(
                "{key} in {room} was acked at {position:?} after {syncs} syncs; found: {found:?}"
            ));
        }
    }
    Ok(())
}

#[tokio::test]
async fn an_unsynced_commit_of_a_killed_process_is_synced_before_its_duplicate_is_acked() {
    const ROOM: &str = "lobby";
    let (site, shim) = Shim::recording(Site::new());
    let mut process = site.start().await;
    let (mut alice, _) = Socket::dial(process.address(), &token("alice")).await.expect("it serves");
    let is_ack = |frame: &Frame| frame.kind == "ack";
    // The header of the write-ahead log is synced before the first commit is written.
    assert!(alice.send(&message(ROOM, "first", "text")).await);
    alice.wait_for(is_ack).await.expect("an ack");
    // The commit is written, and its sync does not return.
    shim.delay_syncs(Duration::from_mins(1));
    let begun = shim.syncs_begun();
    assert!(alice.send(&message(ROOM, "key", "text")).await);
    shim.next_sync(begun).await;
    process.kill();

    shim.delay_syncs(Duration::ZERO);
    let process = site.start().await;
    let (mut alice, _) = Socket::dial(process.address(), &token("alice")).await.expect("it serves");
    assert!(alice.send(&message(ROOM, "key", "text")).await);
    let ack = alice.wait_for(is_ack).await.expect("an ack");
    assert_eq!(ack.duplicate, Some(true), "the commit was written before the kill");
    let syncs = shim.syncs_done();

    let mut model = DiskModel::default();
    for operation in read(shim.record()) {
        model.take(&operation);
    }
    let disk = TempDir::new().expect("a directory");
    model.write(Unsynced::Lost, &mut Rng::with_seed(0), disk.path());
    let position = Position { epoch: ack.epoch, seq: ack.seq.expect("a seq"), id: ack.id };
    let ack = Acked { room: ROOM.into(), key: "key".into(), position, syncs };
    check_acked(&stored(disk.path(), true), &[&ack]).unwrap_or_else(|fault| panic!("{fault}"));
}
