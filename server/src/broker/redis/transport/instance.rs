//! The name of this instance among those on one Redis, and the versions of the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

/// The current name. It changes when the other instances have evicted the former one.
pub(crate) struct InstanceName(Mutex<Arc<str>>);

impl InstanceName {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(unused_name()))
    }

    pub(crate) fn get(&self) -> Arc<str> {
        self.0.lock().clone()
    }

    pub(crate) fn set(&self, name: Arc<str>) {
        *self.0.lock() = name;
    }
}

/// The instances that run, as of the last heartbeat.
#[derive(Default)]
pub(crate) struct Peers {
    have_versions: AtomicBool,
}

impl Peers {
    /// True if each instance has stored its version. Instances of versions without changes store none, and would not read
    /// what a deletion stores.
    pub(crate) fn have_versions(&self) -> bool {
        self.have_versions.load(Ordering::Relaxed)
    }

    pub(crate) fn set_have_versions(&self, have_versions: bool) {
        self.have_versions.store(have_versions, Ordering::Relaxed);
    }
}

/// A random name that no other instance has.
pub(crate) fn unused_name() -> Arc<str> {
    format!("{:016x}", fastrand::u64(..)).into()
}
