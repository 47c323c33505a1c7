use std::fs;
use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;
use realtime_shared::{EntryId, Epoch, Seq};
use tempfile::TempDir;

use super::*;

fn room(name: &str) -> RoomName {
    RoomName::new(name).expect("a name")
}

fn at(epoch: &str, seq: u64) -> Position {
    let epoch = Epoch::new(epoch).expect("an epoch");
    Position::At { epoch, seq: Seq::new(seq), id: EntryId::from_u128(seq.into()) }
}

/// Alice's place in a directory that is not there yet.
fn place(home: &TempDir) -> Place {
    let user = UserId::new("alice").expect("a name");
    Place { directory: home.path().join("deep/realtime"), server: "ws://here/ws".to_owned(), user }
}

#[track_caller]
fn open(place: &Place) -> Store {
    let opened = Store::open(place.clone());
    assert!(opened.fault.is_none(), "{:?}", opened.fault);
    opened.store.expect("a store")
}

fn note(store: &mut Store, name: &str, position: Position) {
    store.note(room(name), position, false, Timestamp::from_millis(1));
}

/// Saves; what the user should know.
#[track_caller]
fn save(store: &mut Store) -> Option<Fault> {
    store.take().expect("something to save").run().expect("saved")
}

/// What is kept of `lobby`.
fn kept(place: &Place) -> Option<Position> {
    Store::open(place.clone()).positions.remove(&room("lobby"))
}

fn names(place: &Place) -> Vec<String> {
    let files = fs::read_dir(&place.directory).expect("a directory");
    let mut names: Vec<_> =
        files.map(|file| file.expect("a file").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn what_is_noted_is_there_the_next_time() {
    let home = TempDir::new().expect("a directory");
    let place = place(&home);
    let mut store = open(&place);
    assert!(store.take().is_none(), "nothing is written where nothing changed");
    assert!(!place.directory.exists());
    note(&mut store, "lobby", at("e", 7));
    note(&mut store, "büro 7", Position::Start);
    assert!(save(&mut store).is_none());
    assert!(store.take().is_none());
    let again = Store::open(place.clone()).positions;
    let expected = [(room("lobby"), at("e", 7)), (room("büro 7"), Position::Start)];
    assert_eq!(again, expected.into());
    assert_eq!(names(&place), ["lock", "read.json"]);
}

#[test]
fn it_is_for_its_owner_alone() {
    let home = TempDir::new().expect("a directory");
    let place = place(&home);
    let mut store = open(&place);
    note(&mut store, "lobby", at("e", 7));
    save(&mut store);
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!((mode(&place.directory), mode(&file::path(&place.directory))), (0o700, 0o600));
}

#[test]
fn servers_and_users_do_not_mix() {
    let home = TempDir::new().expect("a directory");
    let alice = place(&home);
    let bob = Place { user: UserId::new("bob").expect("a name"), ..alice.clone() };
    let elsewhere = Place { server: "ws://there/ws".to_owned(), ..alice.clone() };
    for (place, seq) in [(&alice, 7), (&bob, 8), (&elsewhere, 9)] {
        let mut store = open(place);
        note(&mut store, "lobby", at("e", seq));
        save(&mut store);
    }
    for (place, seq) in [(alice, 7), (bob, 8), (elsewhere, 9)] {
        assert_eq!(kept(&place), Some(at("e", seq)));
    }
}

#[test]
fn two_clients_of_a_user_keep_what_both_read() {
    let home = TempDir::new().expect("a directory");
    let place = place(&home);
    let (mut one, mut two) = (open(&place), open(&place));
    note(&mut one, "lobby", at("e", 7));
    save(&mut one);
    note(&mut two, "dev", at("f", 3));
    note(&mut two, "lobby", at("e", 5));
    save(&mut two);
    assert_eq!(Store::open(place.clone()).positions.len(), 2);
    assert_eq!(kept(&place), Some(at("e", 7)), "not back");
    note(&mut two, "lobby", at("another", 1));
    save(&mut two);
    assert_eq!(kept(&place), Some(at("another", 1)), "but into another log");
}

#[test]
fn who_knows_that_the_log_is_another_one_goes_back() {
    let home = TempDir::new().expect("a directory");
    let place = place(&home);
    let mut store = open(&place);
    note(&mut store, "lobby", at("e", 7));
    save(&mut store);
    store.note(room("lobby"), Position::Start, true, Timestamp::from_millis(2));
    note(&mut store, "lobby", at("e", 3));
    save(&mut store);
    assert_eq!(kept(&place), Some(at("e", 3)));
    note(&mut store, "lobby", at("e", 2));
    save(&mut store);
    assert_eq!(kept(&place), Some(at("e", 3)), "once");
}

#[test]
fn what_could_not_be_saved_is_saved_with_the_next() {
    let home = TempDir::new().expect("a directory");
    let place = place(&home);
    let mut store = open(&place);
    fs::create_dir_all(file::path(&place.directory)).expect("in the way");
    store.note(room("lobby"), at("e", 1), true, Timestamp::from_millis(1));
    note(&mut store, "dev", at("e", 1));
    let failed = store.take().expect("something");
    assert!(matches!(failed.run(), Err(Fault::Failed(..))));
    note(&mut store, "lobby", at("e", 2));
    store.put_back(failed);
    fs::remove_dir(file::path(&place.directory)).expect("out of the way");
    save(&mut store);
    assert_eq!(kept(&place), Some(at("e", 2)), "the newer one");
    assert_eq!(Store::open(place.clone()).positions.len(), 2);
}

#[test]
fn a_broken_file_is_set_aside_and_said() {
    for broken in ["", "{", "\0\u{ff}", r#"{"version":1}"#, r#"{"version":0,"rooms":[]}"#, "[]"] {
        let home = TempDir::new().expect("a directory");
        let place = place(&home);
        fs::create_dir_all(&place.directory).expect("made");
        fs::write(file::path(&place.directory), broken).expect("written");
        let opened = Store::open(place.clone());
        let said = opened.fault.expect("a fault").to_string();
        assert!(said.contains("read.json is broken") && said.contains("read.json.broken"), "{said}");
        let aside = fs::read_to_string(file::aside(&place.directory)).expect("there");
        assert_eq!(aside, broken);
        let mut store = opened.store.expect("it goes on");
        note(&mut store, "lobby", at("e", 7));
        assert!(save(&mut store).is_none());
        assert_eq!(kept(&place), Some(at("e", 7)));
    }
}

#[test]
fn one_that_breaks_meanwhile_is_set_aside_too() {
    let home = TempDir::new().expect("a directory");
    let place = place(&home);
    let mut store = open(&place);
    note(&mut store, "lobby", at("e", 7));
    save(&mut store);
    fs::write(file::path(&place.directory), "half").expect("written");
    note(&mut store, "lobby", at("e", 8));
    assert!(matches!(save(&mut store), Some(Fault::SetAside { .. })));
    assert_eq!(kept(&place), Some(at("e", 8)));
}

#[test]
fn what_is_of_a_later_version_or_no_file_is_left_alone() {
    let home = TempDir::new().expect("a directory");
    let place = place(&home);
    let path = file::path(&place.directory);
    fs::create_dir_all(&place.directory).expect("made");
    let later = r#"{"version":2,"rooms":"otherwise"}"#;
    fs::write(&path, later).expect("written");
    let opened = Store::open(place.clone());
    assert!(opened.store.is_none() && matches!(opened.fault, Some(Fault::Later(_))));
    assert_eq!(fs::read_to_string(&path).expect("there"), later);
    fs::remove_file(&path).expect("removed");
    fs::create_dir(&path).expect("made");
    let opened = Store::open(place);
    assert!(opened.store.is_none() && matches!(opened.fault, Some(Fault::Failed(..))));
}

#[test]
fn no_more_than_the_bound_is_kept_and_the_last_read_stay() {
    let home = TempDir::new().expect("a directory");
    let place = place(&home);
    let mut store = open(&place);
    for number in 0..ROOMS as u64 + 10 {
        let name = room(&format!("room {number}"));
        store.note(name, at("e", 1), false, Timestamp::from_millis(number));
    }
    save(&mut store);
    let kept = Store::open(place).positions;
    assert_eq!(kept.len(), ROOMS);
    assert!(!kept.contains_key(&room("room 9")) && kept.contains_key(&room("room 10")));
}

#[test]
fn the_directory_is_where_the_environment_says() {
    let of = |variables: &[(&str, &str)]| {
        let find = |name: &str| variables.iter().find(|(known, _)| *known == name);
        directory(|name| find(name).map(|(_, value)| (*value).to_owned()))
    };
    let path = |text: &str| Some(PathBuf::from(text));
    assert_eq!(of(&[("HOME", "/home/a")]), path("/home/a/.local/state/realtime"));
    assert_eq!(of(&[("HOME", "/home/a"), ("XDG_STATE_HOME", "/s")]), path("/s/realtime"));
    let relative = of(&[("HOME", "/home/a"), ("XDG_STATE_HOME", "s")]);
    assert_eq!(relative, path("/home/a/.local/state/realtime"), "the specification has absolute paths only");
    assert_eq!(of(&[("HOME", "")]), None);
}

/// What may stand in a file: anything, or nearly what does.
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
    fn whatever_is_in_the_file_is_read_set_aside_or_left(bytes in contents()) {
        let home = TempDir::new().expect("a directory");
        let place = place(&home);
        fs::create_dir_all(&place.directory).expect("made");
        let path = file::path(&place.directory);
        fs::write(&path, &bytes).expect("written");
        let opened = Store::open(place.clone());
        let survivor = match &opened.fault {
            None | Some(Fault::Later(_)) => path,
            Some(Fault::SetAside { aside, .. }) => aside.clone(),
            Some(Fault::Failed(_, error)) => return Err(TestCaseError::fail(error.to_string())),
        };
        prop_assert_eq!(fs::read(survivor).expect("there"), bytes);
        if let Some(mut store) = opened.store {
            store.note(room("lobby"), at("new", 1), true, Timestamp::from_millis(9));
            save(&mut store);
            prop_assert_eq!(kept(&place), Some(at("new", 1)));
        }
    }

    /// Whoever writes in whatever order: in one epoch nothing goes back.
    #[test]
    fn a_position_never_goes_back_in_its_epoch(writes in proptest::collection::vec((0..3_usize, 1..9_u64), 1..12)) {
        let home = TempDir::new().expect("a directory");
        let place = place(&home);
        let mut clients = [(); 3].map(|()| open(&place));
        let mut most = 0;
        for (who, seq) in writes {
            note(&mut clients[who], "lobby", at("e", seq));
            save(&mut clients[who]);
            most = most.max(seq);
            prop_assert_eq!(kept(&place), Some(at("e", most)));
        }
    }
}
