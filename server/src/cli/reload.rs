//! Reload of a running server: the secret and the log level are read again.
//!
//! A thread of its own reads, since a file can be on a disk that does not answer.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use realtime_server::auth::Verifier;

use super::secret::{self, Origin, SECRET_VARIABLE, Sources};
use crate::logging::{FilterHandle, LogFilter};

/// Sources that a reload reads again.
#[derive(Debug)]
pub(crate) struct Reload {
    pub(super) secret: Sources,
    pub(super) log_level_file: Option<PathBuf>,
}

/// Requests reloads.
pub(crate) struct ReloadTrigger(SyncSender<()>);

impl ReloadTrigger {
    /// Requests a reload that reads everything after this call. One that has not begun yet serves both.
    pub(crate) fn request(&self) {
        let _ = self.0.try_send(());
    }
}

impl Reload {
    /// Starts the thread that reloads. It ends with its trigger.
    pub(crate) fn start(self, verifier: Arc<Verifier>, log: FilterHandle) -> io::Result<ReloadTrigger> {
        let (trigger, requests) = sync_channel(1);
        thread::Builder::new().name("reload".to_owned()).spawn(move || {
            for () in requests {
                self.reload_log_level(&log);
                self.reload_secret(&verifier);
            }
        })?;
        Ok(ReloadTrigger(trigger))
    }

    fn reload_log_level(&self, log: &FilterHandle) {
        let Some(path) = &self.log_level_file else {
            tracing::info!("the log level stays: there is no --log-level-file to read it from");
            return;
        };
        match LogFilter::read(path) {
            Ok(filter) => {
                log.set(&filter);
                tracing::info!(path = %path.display(), %filter, "reloaded the log level");
            }
            Err(error) => tracing::warn!(path = %path.display(), %error, "the log level stays"),
        }
    }

    fn reload_secret(&self, verifier: &Verifier) {
        match secret::read(&self.secret) {
            Ok((_, Origin::Variable)) => {
                tracing::info!("the secret stays: it is in {SECRET_VARIABLE}, which only a restart changes");
            }
            Ok((secret, Origin::File(path) | Origin::Existing(path) | Origin::Created(path))) => {
                verifier.set_secret(&secret);
                tracing::info!(path = %path.display(), "reloaded the secret");
            }
            Err(error) => tracing::warn!(%error, "the secret stays"),
        }
    }
}
