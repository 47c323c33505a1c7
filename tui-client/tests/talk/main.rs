//! The whole way, from keyboards to screens: `realtime-tui` in pseudo-terminals, and a server.
//!
//! A [`terminal::Terminal`] is a client that runs, with somebody at its keyboard and somebody who looks at its screen.
//! It talks to a [`server::Server`], the real program, or to a [`fake::Fake`], which says whatever a test wants.
//! [`pipe`] is about the commands that need no screen.
//! Tests wait for what they want to see; [`GUARD`] is for those that wait in vain.

mod bytes;
mod config;
mod conversation;
#[cfg(feature = "demo")]
mod demo;
mod editor;
mod end;
mod fake;
mod gaps;
mod hostile;
mod inspector;
mod keys;
mod looks;
mod pipe;
mod restart;
mod search;
mod sending;
mod server;
mod stillness;
mod terminal;
mod tls;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// After this a test has failed. Far more than anything takes, also on a busy machine.
const GUARD: Duration = Duration::from_mins(2);

/// Held while a process is started: descriptors of another thread's pseudo-terminal, not yet marked to be closed,
/// would be inherited and keep it open.
fn starting() -> MutexGuard<'static, ()> {
    static STARTING: Mutex<()> = Mutex::new(());
    STARTING.lock().unwrap_or_else(PoisonError::into_inner)
}
