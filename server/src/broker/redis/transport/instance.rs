//! The name of this instance among those on one Redis.

use std::sync::Arc;

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

/// A random name that no other instance has.
pub(crate) fn unused_name() -> Arc<str> {
    format!("{:016x}", fastrand::u64(..)).into()
}
