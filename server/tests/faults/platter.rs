//! What is on a disk when the power goes: rebuilt from the shim's record.
//!
//! What was written to a file before a sync of it began is there once that sync is done; names in a directory the same
//! with a sync of the directory. Of all else any part may be there or not, sector by sector ([`Lost`]).

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use fastrand::Rng;

/// A disk writes a sector whole or not at all.
const SECTOR: usize = 512;

/// Something that was done to the files, as `shim.c` writes it down.
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

/// Reads a record. Of what a killed process was just writing down the last may be cut short.
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
    usize::try_from(number).expect("it fits into memory")
}

/// What becomes of what was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    /// None of it is there.
    All,
    /// Some of it is, torn between sectors.
    Some,
    /// All of it is: the process was killed, and the power stayed.
    Nothing,
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
    /// Not synced yet, in order, each with the number of its operation.
    pending: Vec<(usize, Change)>,
}

/// Which file a name leads to.
type Names = HashMap<PathBuf, usize>;

/// The disk, after some operations.
#[derive(Default)]
pub(crate) struct Platter {
    files: Vec<Content>,
    names: Names,
    synced_names: Names,
    operations: usize,
    /// Syncs that go on: what they are of, and how many operations there were when they began.
    syncs: HashMap<u64, Sync>,
}

enum Sync {
    File(usize, usize),
    Directory(Names),
}

impl Platter {
    /// Does what was done.
    pub(crate) fn take(&mut self, operation: &Operation) {
        self.operations += 1;
        match operation {
            Operation::Written { path, offset, data } => {
                self.change(path, Change::Write { offset: *offset, data: data.clone() });
            }
            Operation::Truncated { path, length } => self.change(path, Change::Truncate { length: *length }),
            Operation::SyncBegun { path, number } => {
                let sync = match self.names.get(path) {
                    Some(file) => Sync::File(*file, self.operations),
                    None => Sync::Directory(self.names.clone()),
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
                let file = self.names.remove(from).expect("it is there");
                self.names.insert(to.clone(), file);
            }
        }
    }

    fn change(&mut self, path: &Path, change: Change) {
        let file = *self.names.get(path).unwrap_or_else(|| panic!("{} was never made", path.display()));
        self.files[file].pending.push((self.operations, change));
    }

    fn synced(&mut self, number: u64) {
        match self.syncs.remove(&number).expect("it began") {
            Sync::Directory(names) => self.synced_names = names,
            Sync::File(file, until) => {
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

    /// Writes into a directory what is there if the power goes now.
    pub(crate) fn write(&self, lost: Lost, rng: &mut Rng, directory: &Path) {
        let all_names = lost == Lost::Nothing || (lost == Lost::Some && rng.bool());
        let names = if all_names { &self.names } else { &self.synced_names };
        for (path, file) in names {
            let content = &self.files[*file];
            let mut bytes = content.synced.clone();
            for (_, change) in &content.pending {
                match lost {
                    Lost::All => {}
                    Lost::Nothing => change.apply(&mut bytes),
                    Lost::Some => change.apply_torn(&mut bytes, rng),
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
                // To the first boundary, then sector by sector.
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

    fn on_disk(platter: &Platter, lost: Lost) -> Option<String> {
        let directory = tempfile::TempDir::new().expect("a directory");
        platter.write(lost, &mut Rng::with_seed(1), directory.path());
        fs::read_to_string(directory.path().join("file")).ok()
    }

    #[test]
    fn what_was_synced_is_there() {
        let path = PathBuf::from("/data/file");
        let write = |offset, text: &str| Operation::Written {
            path: path.clone(),
            offset,
            data: text.as_bytes().to_vec(),
        };
        let mut platter = Platter::default();
        platter.take(&Operation::Created { path: path.clone() });
        platter.take(&write(0, "one"));
        platter.take(&Operation::SyncBegun { path: path.clone(), number: 1 });
        platter.take(&write(3, "two"));
        assert_eq!(on_disk(&platter, Lost::All), None);
        platter.take(&Operation::SyncDone { number: 1 });
        assert_eq!(on_disk(&platter, Lost::All), None, "its name is not there yet");
        platter.take(&Operation::SyncBegun { path: "/data".into(), number: 2 });
        platter.take(&Operation::SyncDone { number: 2 });
        assert_eq!(on_disk(&platter, Lost::All).as_deref(), Some("one"));
        assert_eq!(on_disk(&platter, Lost::Nothing).as_deref(), Some("onetwo"));
        platter.take(&Operation::Truncated { path: path.clone(), length: 2 });
        platter.take(&Operation::SyncBegun { path: path.clone(), number: 3 });
        platter.take(&Operation::SyncDone { number: 3 });
        assert_eq!(on_disk(&platter, Lost::All).as_deref(), Some("on"));
        platter.take(&Operation::Unlinked { path });
        assert_eq!(on_disk(&platter, Lost::All).as_deref(), Some("on"));
        assert_eq!(on_disk(&platter, Lost::Nothing), None);
    }
}
