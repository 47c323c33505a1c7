//! Tests of the index. Buckets are small in tests, so that there are many.

use std::collections::BTreeMap;

use realtime_shared::{Seq, Timestamp, UserId};
use tempfile::TempDir;

use super::*;
use crate::search::Words;

const WORDS: [&str; 5] = ["alpha", "beta", "gamma", "delta", "epsilon"];

struct Fixture {
    directory: TempDir,
    index: Option<SearchIndex>,
}

impl Fixture {
    fn new() -> Self {
        let mut fixture = Self { directory: TempDir::new().expect("a directory"), index: None };
        fixture.open();
        fixture
    }

    /// Closes the index and opens it again.
    fn open(&mut self) {
        self.index = None;
        let index = SearchIndex::open(&self.directory.path().join("store.db")).expect("an index");
        self.index = Some(index);
    }

    fn index(&mut self) -> &mut SearchIndex {
        self.index.as_mut().expect("open")
    }

    fn update(&mut self, changes: Vec<DocumentChange>) {
        self.index().update(changes, &[]).expect("updated");
    }

    /// Keys of the messages with a word, newest first.
    fn find(&mut self, expression: &str, before: i64) -> Vec<EntryKey> {
        let mut found = Vec::new();
        let find = self.index().find(expression, before, &mut |key, _| {
            found.push(key);
            Ok(true)
        });
        find.expect("searched");
        found
    }

    fn bytes(&self) -> Vec<u8> {
        // The WAL comes before the database: what a checkpoint moves meanwhile is in one of them.
        let read = |name: &str| fs::read(self.directory.path().join(name)).expect("readable");
        [read("search.db-wal"), read("search.db")].concat()
    }

    fn has(&self, text: &str) -> bool {
        self.bytes().windows(text.len()).any(|window| window == text.as_bytes())
    }
}

fn room(number: i64) -> RoomId {
    RoomId::new(number).expect("a room")
}

fn key(number: i64, seq: u64) -> EntryKey {
    room(number).key(Seq::new(seq))
}

fn text(words: &str) -> Option<IndexedText> {
    IndexedText::new(&UserId::new("alice").expect("a user id"), &Words::of(words))
}

fn new(key: EntryKey, ts: u64, words: &str) -> DocumentChange {
    DocumentChange { key, ts: Timestamp::from_millis(ts), text: text(words), is_new: true }
}

fn changed(key: EntryKey, ts: u64, words: &str) -> DocumentChange {
    DocumentChange { is_new: false, ..new(key, ts, words) }
}

#[test]
fn messages_of_rooms_and_users_are_found_newest_first() {
    let mut fixture = Fixture::new();
    let mut changes = Vec::new();
    for seq in 1..=200 {
        changes.push(new(key(1, seq), 10 * seq, "the alpha"));
        changes.push(new(key(2, seq), 10 * seq + 5, "the beta"));
    }
    fixture.update(changes);
    assert_eq!(
        fixture.find("\"alpha\"", i64::MAX),
        (1..=200).rev().map(|seq| key(1, seq)).collect::<Vec<_>>()
    );
    assert_eq!(fixture.find("\"the alpha\"", i64::MAX).len(), 200);
    assert_eq!(fixture.find("\"alpha the\"", i64::MAX).len(), 0);
    assert_eq!(fixture.find("\"be\" *", i64::MAX).len(), 200);
    let of_room = format!("\"the\" AND (\"{}\")", room_token(room(2)));
    assert_eq!(fixture.find(&of_room, i64::MAX)[0], key(2, 200));
    assert_eq!(fixture.find(&of_room, first_number(Timestamp::from_millis(25)))[..], [key(2, 1)]);
    let user = |id: &str| user_token(&UserId::new(id).expect("a user id"));
    assert_eq!(fixture.find(&format!("\"{}\"", user("alice")), i64::MAX).len(), 400);
    assert_eq!(fixture.find(&format!("\"{}\"", user("bob")), i64::MAX).len(), 0);
    let newest: Vec<_> = fixture.find("\"the\"", i64::MAX).into_iter().take(3).collect();
    assert_eq!(newest, [key(2, 200), key(1, 200), key(2, 199)]);
}

#[test]
fn more_messages_of_one_millisecond_than_it_has_numbers_are_found() {
    let mut fixture = Fixture::new();
    for batch in 0..3 {
        let seqs = batch * 2_000 + 1..=(batch + 1) * 2_000;
        fixture.update(seqs.map(|seq| new(key(1, seq), 7, "alpha")).collect());
    }
    fixture.update(vec![new(key(1, 6_001), 8, "alpha")]);
    let mut found = fixture.find("\"alpha\"", i64::MAX);
    found.sort_unstable();
    assert_eq!(found, (1..=6_001).map(|seq| key(1, seq)).collect::<Vec<_>>());
}

#[test]
fn random_changes_leave_an_index_of_the_present_texts() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut fixture = Fixture::new();
    // The time and the words of each message.
    let mut model: BTreeMap<EntryKey, (u64, String)> = BTreeMap::new();
    let (mut newest, mut oldest) = (100_000_u64, 100_000_u64);
    for round in 0..120 {
        let mut changes = Vec::new();
        let words = |random: &mut fastrand::Rng| -> String {
            let words: Vec<_> = (0..random.usize(0..4)).map(|_| WORDS[random.usize(..5)]).collect();
            words.join(" ")
        };
        let mut add = |random: &mut fastrand::Rng, seq: u64, changes: &mut Vec<_>| {
            let (key, words, ts) = (key(random.i64(1..4), seq), words(random), seq / 3);
            changes.push(new(key, ts, &words));
            model.insert(key, (ts, words));
        };
        match random.u8(..8) {
            // New messages, and old ones from the newest to the oldest.
            0..=2 => {
                for _ in 0..random.usize(1..60) {
                    newest += 1;
                    add(&mut random, newest, &mut changes);
                }
            }
            3 | 4 => {
                for _ in 0..random.usize(1..60) {
                    add(&mut random, oldest, &mut changes);
                    oldest -= 1;
                }
            }
            5 => {
                for _ in 0..random.usize(1..10) {
                    let words = words(&mut random);
                    if let Some((key, (ts, before))) = random.choice(model.iter_mut()) {
                        changes.push(changed(*key, *ts, &words));
                        *before = words;
                    }
                }
                // Each change of a message has its present text.
                for change in &mut changes {
                    change.text = text(&model[&change.key].1);
                }
            }
            6 => {
                let end = model.keys().nth(random.usize(..=model.len() / 4)).copied();
                if let Some(end) = end {
                    let start = end.room().start();
                    while fixture.index().forget((start, end), 30).expect("forgotten") > 0 {}
                    model.retain(|key, _| !(start..=end).contains(key));
                }
            }
            _ => {
                while fixture.index().is_wasteful() {
                    fixture.index().shrink().expect("shrunk");
                }
                fixture.open();
            }
        }
        fixture.update(changes);
        for word in WORDS {
            let mut expected: Vec<_> = model
                .iter()
                .filter(|(_, (_, words))| words.contains(word))
                .map(|(key, (ts, _))| (*ts, *key))
                .collect();
            expected.sort_unstable();
            let found: Vec<_> = fixture
                .find(&format!("\"{word}\""), i64::MAX)
                .into_iter()
                .map(|key| (model[&key].0, key))
                .collect();
            assert!(found.is_sorted_by(|one, next| one.0 >= next.0), "{word}, round {round}, seed {seed}");
            let mut sorted = found.clone();
            sorted.sort_unstable();
            let extra: Vec<_> = sorted.iter().filter(|one| !expected.contains(one)).collect();
            let missing: Vec<_> = expected.iter().filter(|one| !sorted.contains(one)).collect();
            assert!(
                extra.is_empty() && missing.is_empty() && sorted.len() == expected.len(),
                "{word}, round {round}, seed {seed}: {extra:?} {missing:?}"
            );
        }
    }
}

#[test]
fn removed_words_leave_no_copy_in_the_files() {
    for seed in 0..4 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut fixture = Fixture::new();
        let words = |random: &mut fastrand::Rng, seq: u64| {
            let filler: Vec<_> = (0..random.usize(0..80)).map(|_| format!("w{}", random.u16(..))).collect();
            let filler = filler.join(" ");
            format!("{filler} secret{seq:04}x {filler}")
        };
        let mut seqs: Vec<_> = (1..=300).collect();
        for seqs in seqs.chunks(7) {
            fixture
                .update(seqs.iter().map(|seq| new(key(1, *seq), *seq, &words(&mut random, *seq))).collect());
        }
        random.shuffle(&mut seqs);
        let (removed, kept) = seqs.split_at(150);
        for (nth, seq) in removed.iter().enumerate() {
            let words = if nth % 2 == 0 { "" } else { "another text" };
            fixture.update(vec![changed(key(1, *seq), *seq, words)]);
        }
        assert!(fixture.index().is_erasing());
        assert!(fixture.index().erase().expect("erased") && !fixture.index().is_erasing());
        for seq in removed {
            assert!(!fixture.has(&format!("secret{seq:04}x")), "{seq}, seed {seed}");
        }
        for seq in kept {
            assert_eq!(fixture.find(&format!("\"secret{seq:04}x\""), i64::MAX), [key(1, *seq)]);
        }
        let connection = Connection::open(fixture.directory.path().join("search.db")).expect("a file");
        let verdict: String =
            connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("a verdict");
        assert_eq!(verdict, "ok");
    }
}

#[test]
fn an_erasure_that_a_crash_prevented_is_still_to_be_done() {
    let mut fixture = Fixture::new();
    fixture.update(vec![new(key(1, 1), 1, "secret")]);
    fixture.update(vec![changed(key(1, 1), 1, "")]);
    fixture.open();
    assert!(fixture.index().is_erasing());
    assert!(fixture.index().erase().expect("erased"));
    fixture.open();
    assert!(!fixture.index().is_erasing());
}

#[test]
fn a_damaged_index_and_one_of_another_format_are_built_again() {
    let mut fixture = Fixture::new();
    fixture.update(vec![new(key(1, 1), 1, "alpha")]);
    fixture.open();
    assert_eq!(fixture.find("\"alpha\"", i64::MAX).len(), 1);
    fixture.index().connection.pragma_update(None, "user_version", FORMAT + 1).expect("updated");
    fixture.open();
    assert_eq!(fixture.find("\"alpha\"", i64::MAX).len(), 0);
    fixture.update(vec![new(key(1, 1), 1, "alpha")]);
    fixture.index = None;
    fs::write(
        fixture.directory.path().join("search.db"),
        "not a database, and long enough to be read as one".repeat(50),
    )
    .expect("written");
    fixture.open();
    assert_eq!(fixture.find("\"alpha\"", i64::MAX).len(), 0);
    fixture.index = None;
    SearchIndex::remove(&fixture.directory.path().join("store.db")).expect("removed");
    assert_eq!(fs::read_dir(fixture.directory.path()).expect("a directory").count(), 0);
}
