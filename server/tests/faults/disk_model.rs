//! Model of a disk that loses power, rebuilt from the shim's record.
//!
//! Data written to a file before a sync began is on the disk after that sync. Names in a directory follow the syncs of
//! the directory. All other data may be there or not, sector by sector ([`Unsynced`]).

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use fastrand::Rng;

/// Bytes that a disk writes whole or not at all.
const SECTOR: usize = 512;

/// An operation on files, as `shim.c` records it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Operation {
    Written { path: PathBuf, offset: usize, data: Vec<u8> },
    Truncated { path: PathBuf, length: usize },
    SyncBegun { path: PathBuf, number: u64 },
    SyncDone { number: u64 },
    Created { path: PathBuf },
    Unlinked { path: PathBuf },
    Renamed { from: PathBuf, to: PathBuf },
}

/// Reads a record. The last operation may be cut short if the process was killed while it wrote.
pub(crate) fn read(record: &Path) -> Vec<Operation> {
    let bytes = fs::read(record).expect("a record");
    let mut rest = bytes.as_slice();
    std::iter::from_fn(|| take(&mut rest)).collect()
}

fn take(rest: &mut &[u8]) -> Option<Operation> {
    let mut input = *rest;
    let kind = u32::from_ne_bytes(chunk(&mut input)?);
    let path_bytes = u32::from_ne_bytes(chunk(&mut input)?) as usize;
    let offset = u64::from_ne_bytes(chunk(&mut input)?);
    let data_bytes = size(u64::from_ne_bytes(chunk(&mut input)?));
    let (path, data) = input.get(..path_bytes + data_bytes)?.split_at(path_bytes);
    *rest = &input[path_bytes + data_bytes..];
    let name = |bytes: &[u8]| PathBuf::from(std::str::from_utf8(bytes).expect("a path in UTF-8"));
    let path = name(path);
    Some(match kind {
        1 => Operation::Written { path, offset: size(offset), data: data.to_vec() },
        2 => Operation::Truncated { path, length: size(offset) },
        3 => Operation::SyncBegun { path, number: offset },
        4 => Operation::SyncDone { number: offset },
        5 => Operation::Created { path },
        6 => Operation::Unlinked { path },
        7 => Operation::Renamed { from: path, to: name(data) },
        other => panic!("shim.c writes no record of kind {other}"),
    })
}

fn chunk<const N: usize>(input: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = input.split_first_chunk()?;
    *input = rest;
    Some(*first)
}

fn size(number: u64) -> usize {
    usize::try_from(number).expect("a size that fits into memory")
}

/// Fate of data that was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unsynced {
    /// All of it is lost.
    Lost,
    /// A part of it is on the disk, torn between sectors.
    Torn,
    /// All of it is on the disk: the process was killed, and the power stayed.
    Kept,
}

/// A change of a file's bytes.
#[derive(Clone)]
enum Change {
    Write { offset: usize, data: Vec<u8> },
    Truncate { length: usize },
}

#[derive(Default)]
struct Content {
    synced: Vec<u8>,
    /// Changes without a sync, in order, each with the number of its operation.
    pending: Vec<(usize, Change)>,
}

/// Index of the file of each name.
type Names = HashMap<PathBuf, usize>;

/// State of the disk after some operations.
#[derive(Default)]
pub(crate) struct DiskModel {
    files: Vec<Content>,
    names: Names,
    synced_names: Names,
    operations: usize,
    /// Running syncs, by number.
    syncs: HashMap<u64, RunningSync>,
}

enum RunningSync {
    File(usize, usize),
    Directory(Names),
}

impl DiskModel {
    /// Applies an operation.
    pub(crate) fn take(&mut self, operation: &Operation) {
        self.operations += 1;
        match operation {
            Operation::Written { path, offset, data } => {
                self.change(path, Change::Write { offset: *offset, data: data.clone() });
            }
            Operation::Truncated { path, length } => self.change(path, Change::Truncate { length: *length }),
            Operation::SyncBegun { path, number } => {
                let sync = match self.names.get(path) {
                    Some(file) => RunningSync::File(*file, self.operations),
                    None => RunningSync::Directory(self.names.clone()),
                };
                self.syncs.insert(*number, sync);
            }
            Operation::SyncDone { number } => self.synced(*number),
            Operation::Created { path } => {
                self.names.insert(path.clone(), self.files.len());
                self.files.push(Content::default());
            }
            Operation::Unlinked { path } => {
                self.names.remove(path);
            }
            Operation::Renamed { from, to } => {
                let file = self.names.remove(from).expect("a file with this name");
                self.names.insert(to.clone(), file);
            }
        }
    }

    fn change(&mut self, path: &Path, change: Change) {
        let file = *self.names.get(path).unwrap_or_else(|| panic!("{} was never created", path.display()));
        self.files[file].pending.push((self.operations, change));
    }

    fn synced(&mut self, number: u64) {
        match self.syncs.remove(&number).expect("a sync that began") {
            RunningSync::Directory(names) => self.synced_names = names,
            RunningSync::File(file, until) => {
                let content = &mut self.files[file];
                let pending = std::mem::take(&mut content.pending);
                let (done, open): (Vec<_>, Vec<_>) =
                    pending.into_iter().partition(|(number, _)| *number < until);
                for (_, change) in &done {
                    change.apply(&mut content.synced);
                }
                content.pending = open;
            }
        }
    }

    /// Writes the files into a directory as they are if the power fails now.
    pub(crate) fn write(&self, unsynced: Unsynced, rng: &mut Rng, directory: &Path) {
        let all_names = unsynced == Unsynced::Kept || (unsynced == Unsynced::Torn && rng.bool());
        let names = if all_names { &self.names } else { &self.synced_names };
        for (path, file) in names {
            let content = &self.files[*file];
            let mut bytes = content.synced.clone();
            for (_, change) in &content.pending {
                match unsynced {
                    Unsynced::Lost => {}
                    Unsynced::Kept => change.apply(&mut bytes),
                    Unsynced::Torn => change.apply_torn(&mut bytes, rng),
                }
            }
            let name = path.file_name().expect("a file has a name");
            fs::write(directory.join(name), bytes).expect("writable");
        }
    }
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Write { offset, data } => put(bytes, *offset, data),
            Self::Truncate { length } => bytes.resize(*length, 0),
        }
    }

    fn apply_torn(&self, bytes: &mut Vec<u8>, rng: &mut Rng) {
        match self {
            Self::Truncate { .. } if rng.bool() => self.apply(bytes),
            Self::Write { offset, data } if rng.bool() => {
                // The first part ends at a sector boundary; the others are whole sectors.
                let (first, rest) = data.split_at(data.len().min(SECTOR - offset % SECTOR));
                let mut at = *offset;
                for part in std::iter::once(first).chain(rest.chunks(SECTOR)) {
                    if rng.u8(..4) > 0 {
                        put(bytes, at, part);
                    }
                    at += part.len();
                }
            }
            _ => {}
        }
    }
}

fn put(bytes: &mut Vec<u8>, offset: usize, data: &[u8]) {
    let end = offset + data.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[offset..end].copy_from_slice(data);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_disk(model: &DiskModel, unsynced: Unsynced) -> Option<String> {
        let directory = tempfile::TempDir::new().expect("a directory");
        model.write(unsynced, &mut Rng::with_seed(1), directory.path());
        fs::read_to_string(directory.path().join("file")).ok()
    }

    #[test]
    fn only_synced_data_and_names_survive_a_power_cut() {
        let path = PathBuf::from("/data/file");
        let write = |offset, text: &str| Operation::Written {
            path: path.clone(),
            offset,
            data: text.as_bytes().to_vec(),
        };
        let mut model = DiskModel::default();
        model.take(&Operation::Created { path: path.clone() });
        model.take(&write(0, "one"));
        model.take(&Operation::SyncBegun { path: path.clone(), number: 1 });
        model.take(&write(3, "two"));
        assert_eq!(on_disk(&model, Unsynced::Lost), None);
        model.take(&Operation::SyncDone { number: 1 });
        assert_eq!(on_disk(&model, Unsynced::Lost), None, "the name is not synced yet");
        model.take(&Operation::SyncBegun { path: "/data".into(), number: 2 });
        model.take(&Operation::SyncDone { number: 2 });
        assert_eq!(on_disk(&model, Unsynced::Lost).as_deref(), Some("one"));
        assert_eq!(on_disk(&model, Unsynced::Kept).as_deref(), Some("onetwo"));
        model.take(&Operation::Truncated { path: path.clone(), length: 2 });
        model.take(&Operation::SyncBegun { path: path.clone(), number: 3 });
        model.take(&Operation::SyncDone { number: 3 });
        assert_eq!(on_disk(&model, Unsynced::Lost).as_deref(), Some("on"));
        model.take(&Operation::Unlinked { path });
        assert_eq!(on_disk(&model, Unsynced::Lost).as_deref(), Some("on"));
        assert_eq!(on_disk(&model, Unsynced::Kept), None);
    }
}
