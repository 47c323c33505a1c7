//! Control of the preloaded library of `shim.c`: builds it, adds it to a [`Site`], and changes disk and clock at run
//! time.
//!
//! Both sides map one small file. This side reads and writes it as a file, which on Linux is the same memory. Each
//! field is aligned and written in one call.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use rustix::io::Errno;

use crate::server::Site;
use crate::wire::TIMEOUT;

/// Length of the file, and offsets of the fields of `struct control`.
const BYTES: u64 = 56;
const SYNC_DELAY_US: u64 = 0;
const SYNC_ERRNO: u64 = 4;
const WRITE_ERRNO: u64 = 8;
const WRITE_DELAY_US: u64 = 12;
const CLOCK_OFFSET_S: u64 = 16;
const SYNCS_BEGUN: u64 = 24;
const SYNCS_DONE: u64 = 32;
const SPACE_LEFT: u64 = 40;
const SPACE_ERRNO: u64 = 48;

/// The library, built at the first use.
static LIBRARY: LazyLock<PathBuf> = LazyLock::new(|| {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/shim.c");
    // Other processes may build it at the same time. Each renames the same content, so the order does not matter.
    let (built, library) =
        (directory.join(format!("shim-{}.so", std::process::id())), directory.join("shim.so"));
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-O2", "-pthread", "-o"]).arg(&built).arg(source);
    let done = cc.output().expect("a C compiler");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    fs::rename(built, &library).expect("the same directory");
    library
});

/// Handle of a server's simulated disk and clock. Clones share it.
#[derive(Clone)]
pub(crate) struct Shim {
    control: Arc<File>,
    record: Option<PathBuf>,
}

impl Shim {
    /// Preloads the library into the servers of a site.
    pub(crate) fn on(site: Site) -> (Site, Self) {
        Self::set_up(site, false)
    }

    /// Preloads the library, with a record of all writes.
    pub(crate) fn recording(site: Site) -> (Site, Self) {
        Self::set_up(site, true)
    }

    fn set_up(site: Site, records: bool) -> (Site, Self) {
        let path = site.data().with_file_name("control");
        let control = OpenOptions::new().read(true).write(true).create_new(true).open(&path);
        let control = control.expect("a file");
        control.set_len(BYTES).expect("a file");
        let record = records.then(|| site.data().with_file_name("record"));
        let data = fs::canonicalize(site.data()).expect("a directory");
        let mut site = site
            .env("LD_PRELOAD", &*LIBRARY)
            .env("REALTIME_SHIM_CONTROL", path)
            .env("REALTIME_SHIM_DATA", OsString::from(data));
        if let Some(record) = &record {
            site = site.env("REALTIME_SHIM_RECORD", record);
        }
        (site, Self { control: Arc::new(control), record })
    }

    fn put(&self, bytes: &[u8], at: u64) {
        self.control.write_all_at(bytes, at).expect("a file");
    }

    fn get(&self, at: u64) -> u64 {
        let mut bytes = [0; 8];
        self.control.read_exact_at(&mut bytes, at).expect("a file");
        u64::from_ne_bytes(bytes)
    }

    /// Delays each sync.
    pub(crate) fn delay_syncs(&self, by: Duration) {
        self.put(&micros(by).to_ne_bytes(), SYNC_DELAY_US);
    }

    /// Delays each write.
    pub(crate) fn delay_writes(&self, by: Duration) {
        self.put(&micros(by).to_ne_bytes(), WRITE_DELAY_US);
    }

    /// Makes each sync fail, or succeed again.
    pub(crate) fn fail_syncs(&self, fail: bool) {
        let errno = fail.then_some(Errno::IO);
        self.put(&errno.map_or(0, Errno::raw_os_error).to_ne_bytes(), SYNC_ERRNO);
    }

    /// Makes each write fail with `errno`. `None`: writes succeed again.
    fn fail_writes_with(&self, errno: Option<Errno>) {
        self.put(&errno.map_or(0, Errno::raw_os_error).to_ne_bytes(), WRITE_ERRNO);
    }

    /// Makes each write fail, or succeed again.
    pub(crate) fn fail_writes(&self, fail: bool) {
        self.fail_writes_with(fail.then_some(Errno::IO));
    }

    /// Fills the disk, or frees it again.
    pub(crate) fn fill_disk(&self, full: bool) {
        self.fail_writes_with(full.then_some(Errno::NOSPC));
    }

    /// Lets the files grow by `bytes` and no more: `errno` is the error of a write beyond it. Deleted files give space
    /// back.
    pub(crate) fn limit_space(&self, bytes: i64, errno: Errno) {
        self.put(&bytes.to_ne_bytes(), SPACE_LEFT);
        self.put(&errno.raw_os_error().to_ne_bytes(), SPACE_ERRNO);
    }

    /// Moves the time of day by `ahead_s` seconds from the real one. The monotonic clock is not changed.
    pub(crate) fn set_clock(&self, ahead_s: i64) {
        self.put(&ahead_s.to_ne_bytes(), CLOCK_OFFSET_S);
    }

    /// Number of syncs that have begun.
    pub(crate) fn syncs_begun(&self) -> u64 {
        self.get(SYNCS_BEGUN)
    }

    /// Waits until more than `begun` syncs have begun. The file gives no events, so this polls.
    pub(crate) async fn next_sync(&self, begun: u64) {
        let until = Instant::now() + TIMEOUT;
        while self.syncs_begun() == begun {
            assert!(Instant::now() < until, "no sync has begun");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Number of syncs that have succeeded.
    pub(crate) fn syncs_done(&self) -> u64 {
        self.get(SYNCS_DONE)
    }

    /// Path of the record of operations.
    pub(crate) fn record(&self) -> &Path {
        self.record.as_deref().expect("a shim that records")
    }
}

fn micros(time: Duration) -> u32 {
    u32::try_from(time.as_micros()).expect("a delay of at most 71 minutes")
}
