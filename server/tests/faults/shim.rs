//! The preloaded library of `shim.c`: built once, set up for a [`Site`], and moved while its server runs.
//!
//! Both sides map one small file. Here it is written and read as a file, which on Linux is the same memory: each field
//! is aligned and written in one go.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use rustix::io::Errno;

use crate::server::Site;
use crate::wire::PATIENCE;

/// The file's length, and where `struct control` has its fields.
const BYTES: u64 = 40;
const SYNC_DELAY_US: u64 = 0;
const SYNC_ERRNO: u64 = 4;
const WRITE_ERRNO: u64 = 8;
const WRITE_DELAY_US: u64 = 12;
const CLOCK_OFFSET_S: u64 = 16;
const SYNCS_BEGUN: u64 = 24;
const SYNCS_DONE: u64 = 32;

/// The library, built when it is first needed.
static LIBRARY: LazyLock<PathBuf> = LazyLock::new(|| {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/shim.c");
    // Another process may be at the same: the last one to rename wins, with the same.
    let (built, library) =
        (directory.join(format!("shim-{}.so", std::process::id())), directory.join("shim.so"));
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-O2", "-pthread", "-o"]).arg(&built).arg(source);
    let done = cc.output().expect("a C compiler");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    fs::rename(built, &library).expect("the same directory");
    library
});

/// What a server's disk and clock do from now on. Clones are the same.
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

    /// The same, with a record of what they write.
    pub(crate) fn recording(site: Site) -> (Site, Self) {
        Self::set_up(site, true)
    }

    fn set_up(site: Site, records: bool) -> (Site, Self) {
        let path = site.data().with_file_name("control");
        let control = OpenOptions::new().read(true).write(true).create_new(true).open(&path);
        let control = control.expect("a file");
        control.set_len(BYTES).expect("a file");
        let record = records.then(|| site.data().with_file_name("record"));
        let data = fs::canonicalize(site.data()).expect("it exists");
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

    /// Each sync takes that much longer.
    pub(crate) fn delay_syncs(&self, by: Duration) {
        self.put(&micros(by).to_ne_bytes(), SYNC_DELAY_US);
    }

    /// Each write takes that much longer.
    pub(crate) fn delay_writes(&self, by: Duration) {
        self.put(&micros(by).to_ne_bytes(), WRITE_DELAY_US);
    }

    /// Each sync fails, or not any more.
    pub(crate) fn fail_syncs(&self, fail: bool) {
        let errno = fail.then_some(Errno::IO);
        self.put(&errno.map_or(0, Errno::raw_os_error).to_ne_bytes(), SYNC_ERRNO);
    }

    /// Each write fails like that, or not any more.
    fn fail_writes_with(&self, errno: Option<Errno>) {
        self.put(&errno.map_or(0, Errno::raw_os_error).to_ne_bytes(), WRITE_ERRNO);
    }

    /// Each write fails, or not any more.
    pub(crate) fn fail_writes(&self, fail: bool) {
        self.fail_writes_with(fail.then_some(Errno::IO));
    }

    /// The disk is full, or not any more.
    pub(crate) fn fill_disk(&self, full: bool) {
        self.fail_writes_with(full.then_some(Errno::NOSPC));
    }

    /// The time of day is that much ahead of what it is, or behind. The monotonic clock goes on.
    pub(crate) fn set_clock(&self, ahead_s: i64) {
        self.put(&ahead_s.to_ne_bytes(), CLOCK_OFFSET_S);
    }

    /// How many syncs have begun.
    pub(crate) fn syncs_begun(&self) -> u64 {
        self.get(SYNCS_BEGUN)
    }

    /// Waits for a sync after so many have begun. The shim is only a few numbers in a file: they are looked at.
    pub(crate) async fn next_sync(&self, begun: u64) {
        let until = Instant::now() + PATIENCE;
        while self.syncs_begun() == begun {
            assert!(Instant::now() < until, "something is synced");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// How many syncs are done, and have succeeded.
    pub(crate) fn syncs_done(&self) -> u64 {
        self.get(SYNCS_DONE)
    }

    /// Where operations are recorded.
    pub(crate) fn record(&self) -> &Path {
        self.record.as_deref().expect("it records")
    }
}

fn micros(time: Duration) -> u32 {
    u32::try_from(time.as_micros()).expect("seconds")
}
