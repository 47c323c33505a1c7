//! Tests of whole programs: `realtime-tui` in pseudo-terminals, and a server.
//!
//! A [`terminal::Terminal`] is a running client with a keyboard and a screen. It connects to a [`server::Server`], the
//! real program, or to a [`fake_server::FakeServer`], which sends any frames that a test needs. [`pipe`] tests the
//! commands without a screen. Tests wait for a state of the screen; [`WAIT_LIMIT`] is the limit of each wait.

mod attention;
mod background;
mod changes;
mod config;
mod conversation;
#[cfg(feature = "demo")]
mod demo;
mod drafts;
mod editor;
mod exit;
mod fake_server;
mod hostile_text;
mod idle;
mod inbox;
mod inspector;
mod keys;
#[cfg(feature = "demo")]
mod large_room;
mod many_rooms;
mod outbox;
mod output_check;
mod pipe;
mod read_positions;
mod recovery;
mod redraw;
mod rejoin;
mod search;
mod selection;
mod server;
mod stall;
mod terminal;
mod terminal_input;
mod tls;
mod tmux;
mod token;
mod widths;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Limit of each wait, far more than any step takes on a busy machine.
const WAIT_LIMIT: Duration = Duration::from_mins(2);

/// Lock to hold while a process is spawned. Otherwise the child may inherit a pseudo-terminal's descriptor that another
/// thread has not marked as close-on-exec yet, and keep it open.
fn spawn_lock() -> MutexGuard<'static, ()> {
    static LOCK: Mutex<()> = Mutex::new(());
    LOCK.lock().unwrap_or_else(PoisonError::into_inner)
}
