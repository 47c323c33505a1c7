use std::fs;
use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;
use realtime_shared::{EntryId, Epoch, Seq};
use tempfile::TempDir;

use super::file::StateFile;
use super::*;

fn room(name: &str) -> RoomName {
    RoomName::new(name).expect("a name")
}

fn at(epoch: &str, seq: u64) -> Position {
    let epoch = Epoch::new(epoch).expect("an epoch");
    Position::At { epoch, seq: Seq::new(seq), id: EntryId::from_u128(seq.into()) }
}

/// Alice's location, in a directory that does not exist yet.
fn location(home: &TempDir) -> StateLocation {
    let user = UserId::new("alice").expect("a name");
    StateLocation { directory: home.path().join("deep/realtime"), server: "ws://here/ws".to_owned(), user }
}

#[track_caller]
fn open(location: &StateLocation) -> Store {
    let opened = Store::open(location.clone());
    assert!(opened.faults.is_empty(), "{:?}", opened.faults);
    opened.store.expect("a store")
}

fn note(store: &mut Store, name: &str, position: Position) {
    store.note(room(name), position, false, Timestamp::from_millis(1));
}

/// Saves, and returns the fault.
#[track_caller]
fn save(store: &mut Store) -> Option<StateFault> {
    store.take().expect("something to save").run().expect("saved")
}

/// Stored position of `lobby`.
fn kept(location: &StateLocation) -> Option<Position> {
    Store::open(location.clone()).positions.remove(&room("lobby"))
}

fn names(location: &StateLocation) -> Vec<String> {
    let files = fs::read_dir(&location.directory).expect("a directory");
    let mut names: Vec<_> =
        files.map(|file| file.expect("a file").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn noted_positions_are_read_at_the_next_start() {
    let home = TempDir::new().expect("a directory");
    let location = location(&home);
    let mut store = open(&location);
    assert!(store.take().is_none(), "no write without a change");
    assert!(!location.directory.exists());
    note(&mut store, "lobby", at("e", 7));
    note(&mut store, "büro 7", Position::Start);
    assert!(save(&mut store).is_none());
    assert!(store.take().is_none());
    let again = Store::open(location.clone()).positions;
    let expected = [(room("lobby"), at("e", 7)), (room("büro 7"), Position::Start)];
    assert_eq!(again, expected.into());
    assert_eq!(names(&location), ["lock", "read.json"]);
}

#[test]
fn the_file_and_directory_are_accessible_to_their_owner_only() {
    let home = TempDir::new().expect("a directory");
    let location = location(&home);
    let mut store = open(&location);
    note(&mut store, "lobby", at("e", 7));
    save(&mut store);
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!((mode(&location.directory), mode(&PositionsFile::path(&location.directory))), (0o700, 0o600));
}

#[test]
fn positions_of_servers_and_users_are_separate() {
    let home = TempDir::new().expect("a directory");
    let alice = location(&home);
    let bob = StateLocation { user: UserId::new("bob").expect("a name"), ..alice.clone() };
    let elsewhere = StateLocation { server: "ws://there/ws".to_owned(), ..alice.clone() };
    for (location, seq) in [(&alice, 7), (&bob, 8), (&elsewhere, 9)] {
        let mut store = open(location);
        note(&mut store, "lobby", at("e", seq));
        save(&mut store);
    }
    for (location, seq) in [(alice, 7), (bob, 8), (elsewhere, 9)] {
        assert_eq!(kept(&location), Some(at("e", seq)));
    }
}

#[test]
fn two_clients_of_a_user_keep_the_later_position() {
    let home = TempDir::new().expect("a directory");
    let location = location(&home);
    let (mut one, mut two) = (open(&location), open(&location));
    note(&mut one, "lobby", at("e", 7));
    save(&mut one);
    note(&mut two, "dev", at("f", 3));
    note(&mut two, "lobby", at("e", 5));
    save(&mut two);
    assert_eq!(Store::open(location.clone()).positions.len(), 2);
    assert_eq!(kept(&location), Some(at("e", 7)), "not back");
    note(&mut two, "lobby", at("another", 1));
    save(&mut two);
    assert_eq!(kept(&location), Some(at("another", 1)), "a lower seq of another log");
}

#[test]
fn a_position_of_a_known_new_log_may_be_lower() {
    let home = TempDir::new().expect("a directory");
    let location = location(&home);
    let mut store = open(&location);
    note(&mut store, "lobby", at("e", 7));
    save(&mut store);
    store.note(room("lobby"), Position::Start, true, Timestamp::from_millis(2));
    note(&mut store, "lobby", at("e", 3));
    save(&mut store);
    assert_eq!(kept(&location), Some(at("e", 3)));
    note(&mut store, "lobby", at("e", 2));
    save(&mut store);
    assert_eq!(kept(&location), Some(at("e", 3)), "once");
}

#[test]
fn positions_of_a_failed_save_are_saved_with_the_next() {
    let home = TempDir::new().expect("a directory");
    let location = location(&home);
    let mut store = open(&location);
    fs::create_dir_all(PositionsFile::path(&location.directory)).expect("a directory in place of the file");
    store.note(room("lobby"), at("e", 1), true, Timestamp::from_millis(1));
    note(&mut store, "dev", at("e", 1));
    let failed = store.take().expect("something");
    assert!(matches!(failed.run(), Err(StateFault::Failed(..))));
    note(&mut store, "lobby", at("e", 2));
    store.put_back(failed);
    fs::remove_dir(PositionsFile::path(&location.directory)).expect("removed");
    save(&mut store);
    assert_eq!(kept(&location), Some(at("e", 2)), "the newer position");
    assert_eq!(Store::open(location.clone()).positions.len(), 2);
}

#[test]
fn a_broken_file_is_renamed_and_reported() {
    for broken in ["", "{", "\0\u{ff}", r#"{"version":1}"#, r#"{"version":0,"rooms":[]}"#, "[]"] {
        let home = TempDir::new().expect("a directory");
        let location = location(&home);
        fs::create_dir_all(&location.directory).expect("made");
        fs::write(PositionsFile::path(&location.directory), broken).expect("written");
        let opened = Store::open(location.clone());
        let said = opened.faults[0].to_string();
        assert!(said.contains("read.json is invalid") && said.contains("read.json.broken"), "{said}");
        let aside = fs::read_to_string(PositionsFile::aside(&location.directory)).expect("there");
        assert_eq!(aside, broken);
        let mut store = opened.store.expect("a new file begins");
        note(&mut store, "lobby", at("e", 7));
        assert!(save(&mut store).is_none());
        assert_eq!(kept(&location), Some(at("e", 7)));
    }
}

#[test]
fn a_file_that_breaks_after_the_start_is_renamed() {
    let home = TempDir::new().expect("a directory");
    let location = location(&home);
    let mut store = open(&location);
    note(&mut store, "lobby", at("e", 7));
    save(&mut store);
    fs::write(PositionsFile::path(&location.directory), "half").expect("written");
    note(&mut store, "lobby", at("e", 8));
    assert!(matches!(save(&mut store), Some(StateFault::SetAside { .. })));
    assert_eq!(kept(&location), Some(at("e", 8)));
}

#[test]
fn a_later_version_and_a_non_file_are_left_alone() {
    let home = TempDir::new().expect("a directory");
    let location = location(&home);
    let path = PositionsFile::path(&location.directory);
    fs::create_dir_all(&location.directory).expect("made");
    let later = r#"{"version":2,"rooms":"otherwise"}"#;
    fs::write(&path, later).expect("written");
    let opened = Store::open(location.clone());
    assert!(opened.store.is_none() && matches!(opened.faults[..], [StateFault::Later(_)]));
    assert_eq!(fs::read_to_string(&path).expect("there"), later);
    fs::remove_file(&path).expect("removed");
    fs::create_dir(&path).expect("made");
    let opened = Store::open(location);
    assert!(opened.store.is_none() && matches!(opened.faults[..], [StateFault::Failed(..)]));
}

#[test]
fn the_rooms_read_last_are_kept_within_the_bound() {
    let home = TempDir::new().expect("a directory");
    let location = location(&home);
    let mut store = open(&location);
    for number in 0..ROOMS as u64 + 10 {
        let name = room(&format!("room {number}"));
        store.note(name, at("e", 1), false, Timestamp::from_millis(number));
    }
    save(&mut store);
    let kept = Store::open(location).positions;
    assert_eq!(kept.len(), ROOMS);
    assert!(!kept.contains_key(&room("room 9")) && kept.contains_key(&room("room 10")));
}

/// Stored rooms of a user.
fn rooms(location: &StateLocation) -> Vec<String> {
    Store::open(location.clone()).rooms.iter().map(ToString::to_string).collect()
}

fn note_rooms(store: &mut Store, changes: &[(&str, bool)]) {
    for (name, is_joined) in changes {
        store.note_room(room(name), *is_joined);
    }
}

#[test]
fn joined_rooms_are_kept_until_they_are_left() {
    let home = TempDir::new().expect("a directory");
    let location = location(&home);
    let mut store = open(&location);
    note_rooms(&mut store, &[("lobby", true), ("dev", true), ("ops", true), ("dev", false)]);
    assert!(save(&mut store).is_none());
    assert!(store.take().is_none());
    assert_eq!(rooms(&location), ["lobby", "ops"]);
    assert_eq!(names(&location), ["lock", "rooms.json"], "no file of positions without a position");
    note_rooms(&mut store, &[("dev", true), ("lobby", false), ("ops", true), ("never joined", false)]);
    save(&mut store);
    assert_eq!(rooms(&location), ["ops", "dev"], "in the order of the joins");
    let bob = StateLocation { user: UserId::new("bob").expect("a name"), ..location.clone() };
    let elsewhere = StateLocation { server: "ws://there/ws".to_owned(), ..location };
    assert_eq!((rooms(&bob), rooms(&elsewhere)), (Vec::new(), Vec::new()));
}

#[test]
fn two_clients_keep_the_rooms_of_each_other() {
    let home = TempDir::new().expect("a directory");
    let location = location(&home);
    let (mut one, mut two) = (open(&location), open(&location));
    note_rooms(&mut one, &[("lobby", true), ("dev", true)]);
    save(&mut one);
    note_rooms(&mut two, &[("ops", true)]);
    save(&mut two);
    note_rooms(&mut one, &[("dev", false), ("lobby", true)]);
    save(&mut one);
    assert_eq!(rooms(&location), ["lobby", "ops"]);
}

#[test]
fn rooms_of_a_failed_save_are_saved_with_the_next() {
    let home = TempDir::new().expect("a directory");
    let location = location(&home);
    let mut store = open(&location);
    note_rooms(&mut store, &[("lobby", true)]);
    save(&mut store);
    let path = JoinedFile::path(&location.directory);
    fs::remove_file(&path).and_then(|()| fs::create_dir(&path)).expect("a directory in place of the file");
    note_rooms(&mut store, &[("dev", true), ("ops", true)]);
    let failed = store.take().expect("something");
    assert!(matches!(failed.run(), Err(StateFault::Failed(..))));
    note_rooms(&mut store, &[("dev", false)]);
    store.put_back(failed);
    fs::remove_dir(&path).expect("removed");
    save(&mut store);
    assert_eq!(rooms(&location), ["ops"], "the newer change");
}

#[test]
fn a_broken_list_of_rooms_is_renamed_and_the_positions_stay() {
    let home = TempDir::new().expect("a directory");
    let location = location(&home);
    let mut store = open(&location);
    note(&mut store, "lobby", at("e", 7));
    save(&mut store);
    fs::write(JoinedFile::path(&location.directory), "half").expect("written");
    let opened = Store::open(location.clone());
    assert!(matches!(opened.faults[..], [StateFault::SetAside { .. }]) && opened.rooms.is_empty());
    assert_eq!(opened.positions.get(&room("lobby")), Some(&at("e", 7)));
    let aside = JoinedFile::aside(&location.directory);
    assert_eq!(fs::read_to_string(aside).expect("set aside"), "half");
}

#[test]
fn the_rooms_joined_last_are_kept_within_the_bound() {
    let home = TempDir::new().expect("a directory");
    let location = location(&home);
    let mut store = open(&location);
    for number in 0..ROOMS + 10 {
        store.note_room(room(&format!("room {number}")), true);
    }
    save(&mut store);
    let kept = rooms(&location);
    assert_eq!((kept.len(), kept[0].as_str()), (ROOMS, "room 10"));
}

#[test]
fn the_directory_follows_the_environment() {
    let of = |variables: &[(&str, &str)]| {
        let find = |name: &str| variables.iter().find(|(known, _)| *known == name);
        directory(|name| find(name).map(|(_, value)| (*value).to_owned()))
    };
    let path = |text: &str| Some(PathBuf::from(text));
    assert_eq!(of(&[("HOME", "/home/a")]), path("/home/a/.local/state/realtime"));
    assert_eq!(of(&[("HOME", "/home/a"), ("XDG_STATE_HOME", "/s")]), path("/s/realtime"));
    let relative = of(&[("HOME", "/home/a"), ("XDG_STATE_HOME", "s")]);
    assert_eq!(relative, path("/home/a/.local/state/realtime"), "a relative XDG path is ignored");
    assert_eq!(of(&[("HOME", "")]), None);
}

/// Content of a file: anything, or nearly valid.
fn contents() -> impl Strategy<Value = Vec<u8>> {
    let good = r#"{"version":1,"rooms":[{"server":"ws://here/ws","user":"alice","room":"lobby","position":{"epoch":"e","seq":7,"id":"01ARZ3NDEKTSV4RRFFQ69G5FAV"},"at":1}]}"#;
    let damaged = (0..good.len(), any::<u8>(), any::<bool>()).prop_map(move |(at, byte, cut)| {
        let mut bytes = good.as_bytes().to_vec();
        bytes[at] = byte;
        bytes.truncate(if cut { at } else { bytes.len() });
        bytes
    });
    prop_oneof![proptest::collection::vec(any::<u8>(), 0..200), damaged]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_file_is_read_renamed_or_left_alone(bytes in contents()) {
        let home = TempDir::new().expect("a directory");
        let location = location(&home);
        fs::create_dir_all(&location.directory).expect("made");
        let path = PositionsFile::path(&location.directory);
        fs::write(&path, &bytes).expect("written");
        let opened = Store::open(location.clone());
        let survivor = match opened.faults.first() {
            None | Some(StateFault::Later(_)) => path,
            Some(StateFault::SetAside { aside, .. }) => aside.clone(),
            Some(fault) => return Err(TestCaseError::fail(fault.to_string())),
        };
        prop_assert_eq!(fs::read(survivor).expect("there"), bytes);
        if let Some(mut store) = opened.store {
            store.note(room("lobby"), at("new", 1), true, Timestamp::from_millis(9));
            save(&mut store);
            prop_assert_eq!(kept(&location), Some(at("new", 1)));
        }
    }

    /// With writers in any order, a position does not go back within an epoch.
    #[test]
    fn a_position_never_goes_back_in_its_epoch(writes in proptest::collection::vec((0..3_usize, 1..9_u64), 1..12)) {
        let home = TempDir::new().expect("a directory");
        let location = location(&home);
        let mut clients = [(); 3].map(|()| open(&location));
        let mut most = 0;
        for (who, seq) in writes {
            note(&mut clients[who], "lobby", at("e", seq));
            save(&mut clients[who]);
            most = most.max(seq);
            prop_assert_eq!(kept(&location), Some(at("e", most)));
        }
    }
}
