use std::cell::RefCell;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;
use realtime_shared::{ClientMsgId, RoomName, Text};
use tempfile::TempDir;

use super::*;
use crate::kept_texts::{KeptMessage, PaneTexts};

/// Alice's location, in a directory that does not exist yet.
fn location(home: &TempDir) -> StateLocation {
    let user = UserId::new("alice").expect("a name");
    StateLocation { directory: home.path().join("deep/realtime"), server: "ws://here/ws".to_owned(), user }
}

fn draft(room: &str, text: &str) -> KeptTexts {
    let room = RoomName::new(room).ok();
    KeptTexts { panes: vec![PaneTexts { room, draft: text.to_owned(), ..PaneTexts::default() }] }
}

fn message(id: &str) -> KeptMessage {
    let (id, text) = (ClientMsgId::new(id).expect("an id"), Text::new("hi").expect("a text"));
    KeptMessage { id, text, is_held: false }
}

#[track_caller]
fn open(location: &StateLocation, run: u64) -> OpenedTexts {
    let opened = TextStore::open(location.clone(), run);
    assert!(opened.faults.is_empty(), "{:?}", opened.faults);
    opened
}

/// Stores texts in a run that ends at once, as if it were killed.
#[track_caller]
fn leave(location: &StateLocation, run: u64, texts: &KeptTexts) {
    open(location, run).store.save(texts).expect("saved");
}

fn names(location: &StateLocation) -> Vec<String> {
    let files = fs::read_dir(location.directory.join("drafts")).expect("a directory");
    let mut names: Vec<_> =
        files.map(|file| file.expect("a file").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn texts_of_an_ended_run_are_taken_once() {
    let home = TempDir::new().expect("a directory");
    let location = location(&home);
    let mut first = open(&location, 1);
    assert!(!location.directory.exists(), "no file without a text");
    let mut texts = draft("lobby", "half a thought");
    texts.panes[0].messages = vec![message("a"), message("b")];
    first.store.save(&texts).expect("saved");
    assert!(open(&location, 2).texts.is_empty(), "its run has not ended");
    drop(first);
    let mut next = open(&location, 3);
    assert_eq!(next.texts, texts);
    assert!(open(&location, 4).texts.is_empty(), "a start took them");
    next.store.save(&texts).expect("saved");
    assert_eq!(names(&location), ["0000000000000003.json", "0000000000000003.lock"]);
    drop(next);
    assert_eq!(open(&location, 5).texts, texts);
}

#[test]
fn texts_that_a_start_took_and_did_not_save_stay() {
    let home = TempDir::new().expect("a directory");
    let location = location(&home);
    leave(&location, 1, &draft("lobby", "text"));
    drop(open(&location, 2));
    assert_eq!(open(&location, 3).texts, draft("lobby", "text"));
}

#[test]
fn a_run_without_texts_leaves_no_file() {
    let home = TempDir::new().expect("a directory");
    let location = location(&home);
    leave(&location, 1, &draft("lobby", "text"));
    let mut store = open(&location, 2).store;
    store.save(&draft("lobby", "more")).expect("saved");
    store.save(&KeptTexts::default()).expect("removed");
    assert_eq!(names(&location), [""; 0]);
}

#[test]
fn two_clients_of_a_user_keep_both_texts() {
    let home = TempDir::new().expect("a directory");
    let location = location(&home);
    let (mut one, mut two) = (open(&location, 1).store, open(&location, 2).store);
    one.save(&draft("lobby", "one")).expect("saved");
    two.save(&draft("lobby", "two")).expect("saved");
    one.save(&draft("lobby", "one more")).expect("saved");
    drop((one, two));
    let pane = open(&location, 3).texts.panes.remove(0);
    assert_eq!((pane.draft.as_str(), pane.changed[0].text.as_str()), ("one more", "two"));
}

#[test]
fn files_of_servers_and_users_are_separate() {
    let home = TempDir::new().expect("a directory");
    let alice = location(&home);
    let bob = StateLocation { user: UserId::new("bob").expect("a name"), ..alice.clone() };
    let elsewhere = StateLocation { server: "ws://there/ws".to_owned(), ..alice.clone() };
    let all = [(&alice, "a"), (&bob, "b"), (&elsewhere, "c")];
    for (run, (location, text)) in (1..).zip(all) {
        leave(location, run, &draft("lobby", text));
    }
    for (run, (location, text)) in (4..).zip(all) {
        let mut opened = open(location, run);
        assert_eq!(opened.texts, draft("lobby", text));
        opened.store.save(&KeptTexts::default()).expect("removed");
    }
}

#[test]
fn the_files_are_accessible_to_their_owner_only() {
    let home = TempDir::new().expect("a directory");
    let location = location(&home);
    leave(&location, 1, &draft("lobby", "text"));
    let directory = location.directory.join("drafts");
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!((mode(&location.directory), mode(&directory)), (0o700, 0o700));
    for name in names(&location) {
        assert_eq!(mode(&directory.join(&name)), 0o600, "{name}");
    }
}

#[test]
fn a_broken_file_is_renamed_and_a_later_version_stays() {
    let home = TempDir::new().expect("a directory");
    let location = location(&home);
    leave(&location, 1, &draft("lobby", "text"));
    let file = |run: u64| location.directory.join(format!("drafts/{run:016x}.json"));
    fs::write(file(2), "{\"half").expect("written");
    fs::write(file(3), "{\"version\":2}").expect("written");
    let opened = TextStore::open(location.clone(), 4);
    assert_eq!(opened.texts, draft("lobby", "text"));
    let faults: Vec<_> = opened.faults.iter().map(ToString::to_string).collect();
    assert!(faults[0].contains("json.broken") && faults[1].contains("later version"), "{faults:?}");
    assert_eq!(fs::read_to_string(file(2).with_extension("json.broken")).expect("there"), "{\"half");
    assert_eq!(fs::read_to_string(file(3)).expect("there"), "{\"version\":2}");
}

/// A disk in memory that stops at one of its steps. What was not made durable survives in part.
#[derive(Default)]
struct CrashingDisk {
    state: RefCell<DiskState>,
}

#[derive(Default)]
struct DiskState {
    /// Steps until the crash.
    left: usize,
    contents: Vec<Content>,
    /// Files by name, as the running system has them.
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    /// Changes of names that are not durable, in order.
    changes: Vec<(PathBuf, Option<usize>)>,
}

#[derive(Default, Clone)]
struct Content {
    written: Vec<u8>,
    durable: Vec<u8>,
}

/// Things that a crash decides at random.
#[derive(Debug, Clone, Copy)]
struct Fate {
    /// Only the process ends, so everything written is there.
    is_kill: bool,
    /// Changes of names that reached the disk, and the part of bytes, both of 255.
    names: u8,
    bytes: u8,
    /// Missing bytes are zeros.
    has_zeros: bool,
}

impl CrashingDisk {
    /// Performs a step, unless the system has crashed. `part` is the step that a crash interrupts.
    fn step<T>(
        &self,
        part: impl FnOnce(&mut DiskState),
        whole: impl FnOnce(&mut DiskState) -> T,
    ) -> io::Result<T> {
        let state = &mut *self.state.borrow_mut();
        match state.left {
            0 => Err(io::ErrorKind::BrokenPipe.into()),
            1 => {
                state.left = 0;
                part(state);
                Err(io::ErrorKind::BrokenPipe.into())
            }
            _ => {
                state.left -= 1;
                Ok(whole(state))
            }
        }
    }

    /// The files after a crash.
    fn restart(&self, fate: Fate) -> BTreeMap<PathBuf, Vec<u8>> {
        let state = self.state.borrow();
        if fate.is_kill {
            return state
                .names
                .iter()
                .map(|(path, id)| (path.clone(), state.contents[*id].written.clone()))
                .collect();
        }
        let mut names = state.durable_names.clone();
        let count = state.changes.len() * usize::from(fate.names) / 255;
        for (path, id) in &state.changes[..count] {
            match id {
                Some(id) => names.insert(path.clone(), *id),
                None => names.remove(path),
            };
        }
        let content = |id: usize| {
            let Content { written, durable } = &state.contents[id];
            if written == durable {
                return durable.clone();
            }
            let mut bytes = written[..written.len() * usize::from(fate.bytes) / 255].to_vec();
            if fate.has_zeros {
                bytes.resize(written.len(), 0);
            }
            bytes
        };
        names.into_iter().map(|(path, id)| (path, content(id))).collect()
    }
}

impl DiskState {
    fn name(&mut self, path: &Path, id: Option<usize>) {
        match id {
            Some(id) => self.names.insert(path.to_owned(), id),
            None => self.names.remove(path),
        };
        self.changes.push((path.to_owned(), id));
    }
}

impl Disk for CrashingDisk {
    type File = usize;

    fn create(&self, path: &Path) -> io::Result<usize> {
        self.step(
            |_| (),
            |state| {
                state.contents.push(Content::default());
                let id = state.contents.len() - 1;
                state.name(path, Some(id));
                id
            },
        )
    }

    fn write(&self, file: &mut usize, bytes: &[u8]) -> io::Result<()> {
        let id = *file;
        let half = &bytes[..bytes.len() / 2];
        self.step(
            |state| state.contents[id].written.extend_from_slice(half),
            |state| state.contents[id].written.extend_from_slice(bytes),
        )
    }

    fn sync(&self, file: &usize) -> io::Result<()> {
        let id = *file;
        self.step(|_| (), |state| state.contents[id].durable = state.contents[id].written.clone())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step(
            |_| (),
            |state| {
                let id = state.names.remove(from).expect("a file to rename");
                state.names.insert(to.to_owned(), id);
                // A rename is one change: the names are never both there or both missing.
                state.changes.push((to.to_owned(), Some(id)));
            },
        )
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step(
            |_| (),
            |state| {
                if !state.names.contains_key(path) {
                    return Err(io::Error::from(io::ErrorKind::NotFound));
                }
                state.name(path, None);
                Ok(())
            },
        )?
    }

    fn sync_directory(&self, _: &Path) -> io::Result<()> {
        self.step(
            |_| (),
            |state| {
                state.durable_names = state.names.clone();
                state.changes.clear();
            },
        )
    }
}

/// The texts after a crash: those of all files of runs. No file may be damaged.
fn survivors(files: &BTreeMap<PathBuf, Vec<u8>>) -> Result<Vec<String>, TestCaseError> {
    let mut texts = Vec::new();
    for (path, bytes) in files.iter().filter(|(path, _)| path.extension().is_some_and(|end| end == "json")) {
        let file: TextsFile = json::parse(bytes, FILE_BYTES)
            .map_err(|error| TestCaseError::fail(format!("{}: {error:?}", path.display())))?;
        texts.extend(file.texts.panes.into_iter().map(|pane| pane.draft));
    }
    Ok(texts)
}

fn bytes_of(text: &str) -> Vec<u8> {
    let user = UserId::new("alice").expect("a name");
    let texts = draft("lobby", text);
    let file = TextsFile { version: VERSION, server: "ws://here/ws".to_owned(), user, texts };
    serde_json::to_vec_pretty(&file).expect("JSON")
}

#[test]
fn the_model_of_a_disk_shows_a_missing_sync() {
    let disk = CrashingDisk::default();
    disk.state.borrow_mut().left = usize::MAX;
    let (ours, fresh) = (Path::new("drafts/1.json"), Path::new("drafts/1.json.new"));
    store(&disk, ours, Some(&bytes_of("old")), &[]).expect("stored");
    let mut file = disk.create(fresh).expect("created");
    disk.write(&mut file, &bytes_of("new")).expect("written");
    disk.rename(fresh, ours).expect("renamed");
    for has_zeros in [true, false] {
        let fate = Fate { is_kill: false, names: 255, bytes: 100, has_zeros };
        survivors(&disk.restart(fate)).expect_err("a damaged file");
    }
}

fn fates() -> impl Strategy<Value = Fate> {
    (any::<bool>(), any::<u8>(), any::<u8>(), any::<bool>())
        .prop_map(|(is_kill, names, bytes, has_zeros)| Fate { is_kill, names, bytes, has_zeros })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// `None` stands for a text that was sent.
    #[test]
    fn after_a_crash_at_any_step_the_old_or_the_new_texts_are_there(
        saves in proptest::collection::vec(proptest::option::of(0_u32..100), 1..6),
        takes in any::<bool>(),
        steps in 1_usize..40,
        fate in fates(),
    ) {
        let disk = CrashingDisk::default();
        let (ours, taken) = (Path::new("drafts/1.json"), Path::new("drafts/0.json"));
        disk.state.borrow_mut().left = usize::MAX;
        if takes {
            store(&disk, taken, Some(&bytes_of("earlier")), &[]).expect("stored");
        }
        disk.state.borrow_mut().left = steps;
        let mut old: Vec<String> = if takes { vec!["earlier".to_owned()] } else { Vec::new() };
        let mut new = old.clone();
        for (number, text) in (0..).zip(saves) {
            // Each text is another one.
            let text = text.map(|text| format!("{number} {}", "long ".repeat(text as usize)));
            new = text.iter().cloned().collect();
            let files: &[&Path] = if takes && number == 0 { &[taken] } else { &[] };
            let bytes = text.as_deref().map(bytes_of);
            if store(&disk, ours, bytes.as_deref(), files).is_err() {
                break;
            }
            old.clone_from(&new);
        }
        let mut found = survivors(&disk.restart(fate))?;
        found.sort();
        // While the file of an ended run is taken, both files may be there.
        let both: Vec<String> = new.iter().chain(&old).cloned().collect();
        prop_assert!(found == old || found == new || found == both, "{found:?} of {old:?} or {new:?}");
    }
}
