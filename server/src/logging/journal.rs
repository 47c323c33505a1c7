//! Journal of systemd: standard error can lead there.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

/// Environment variable with the device and inode of the stream that leads to the journal, in decimal, with a colon
/// between. A program that a service starts may have another standard error.
const STREAM_VARIABLE: &str = "JOURNAL_STREAM";

/// Returns true if standard error leads to the journal.
pub(super) fn is_journal() -> bool {
    let Ok(stream) = std::env::var(STREAM_VARIABLE) else { return false };
    let file = io::stderr().as_fd().try_clone_to_owned().map(File::from);
    let Ok(metadata) = file.and_then(|file| file.metadata()) else { return false };
    matches(&stream, metadata.dev(), metadata.ino())
}

fn matches(stream: &str, device: u64, inode: u64) -> bool {
    let parsed =
        stream.split_once(':').and_then(|(device, inode)| Some((device.parse().ok()?, inode.parse().ok()?)));
    parsed == Some((device, inode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_names_the_device_and_inode_of_the_stream() {
        assert!(matches("8:123", 8, 123));
        for other in ["8:124", "9:123", "8", "", ":", "8:", "8:123:1", "a:b", "-8:123", "8:123 "] {
            assert!(!matches(other, 8, 123), "{other:?}");
        }
    }
}
