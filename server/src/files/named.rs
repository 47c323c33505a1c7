//! Files that a flag names.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::{FileFault, OTHERS_READ, OTHERS_WRITE};

/// Time that the program at the other end of a pipe has to write.
const PIPE_TIMEOUT: Duration = Duration::from_secs(10);

/// Users who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposure {
    /// The file holds a secret: its owner and its group only.
    Secret,
    /// All users.
    Public,
}

/// Reads a file that the operator named, of at most `limit` bytes. Nobody but its owner and its group may write to it.
pub fn read_named(path: &Path, limit: u64, exposure: Exposure) -> Result<Vec<u8>, FileFault> {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let found = file.metadata()?;
    check_permissions(&found, exposure)?;
    let mut bytes = Vec::new();
    if found.is_file() {
        (&file).take(limit + 1).read_to_end(&mut bytes)?;
    } else {
        read_pipe(&file, limit, &mut bytes)?;
    }
    if bytes.len() as u64 > limit { Err(FileFault::TooLong(limit)) } else { Ok(bytes) }
}

/// Checks permissions, but not those of a device: `/dev/null` is open to all.
fn check_permissions(found: &Metadata, exposure: Exposure) -> Result<(), FileFault> {
    if !found.is_file() && !found.file_type().is_fifo() {
        return Ok(());
    }
    if found.mode() & OTHERS_WRITE != 0 {
        return Err(FileFault::WritableByOthers);
    }
    if exposure == Exposure::Secret && found.mode() & OTHERS_READ != 0 {
        return Err(FileFault::ReadableByOthers);
    }
    Ok(())
}

/// Reads a pipe or a device to its end. A named FIFO that nobody writes to has no end.
fn read_pipe(file: &File, limit: u64, bytes: &mut Vec<u8>) -> Result<(), FileFault> {
    let deadline = Instant::now() + PIPE_TIMEOUT;
    let mut piece = [0; 4096];
    while bytes.len() as u64 <= limit {
        wait_for_data(file, deadline)?;
        match (&*file).read(&mut piece) {
            Ok(0) => break,
            Ok(read) => bytes.extend_from_slice(&piece[..read]),
            Err(fault) if matches!(fault.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(fault) => return Err(fault.into()),
        }
    }
    Ok(())
}

fn wait_for_data(file: &File, deadline: Instant) -> Result<(), FileFault> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).map_err(|_| std::io::Error::from(Errno::INVAL))?;
        match poll(&mut [PollFd::new(file, PollFlags::IN)], Some(&timeout)) {
            Ok(0) => return Err(FileFault::Silent(PIPE_TIMEOUT.as_secs())),
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(fault) => return Err(std::io::Error::from(fault).into()),
        }
    }
}
