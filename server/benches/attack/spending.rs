//! Spending of an attacker in all connections, below the budgets that the server gives a user by default.
//!
//! A refused frame costs the server little, so an attacker gets more done if the server accepts all its frames.

use parking_lot::Mutex;
use tokio::time::Instant;

/// Defaults of the server: amounts a second, and at once after a pause.
const MESSAGES: f64 = 200.0;
const MESSAGES_BURST: f64 = 400.0;
const BYTES: f64 = 512.0 * 1024.0;
const BYTES_BURST: f64 = 16.0 * BYTES;

/// Messages and bytes that an attacker may still send.
pub(crate) struct AttackerBudget(Mutex<Left>);

struct Left {
    messages: f64,
    bytes: f64,
    at: Instant,
}

impl AttackerBudget {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Left { messages: MESSAGES_BURST, bytes: BYTES_BURST, at: Instant::now() }))
    }

    /// Spends a message if there are bytes for it.
    pub(crate) fn take_message(&self, bytes: usize) -> bool {
        let mut left = self.0.lock();
        left.earn();
        let bytes = float(bytes);
        if left.messages < 1.0 || left.bytes < bytes {
            return false;
        }
        left.messages -= 1.0;
        left.bytes -= bytes;
        true
    }

    /// Spends the bytes of a request, which is sent in any case.
    pub(crate) fn spend_request(&self, bytes: usize) {
        self.0.lock().bytes -= float(bytes);
    }
}

impl Left {
    fn earn(&mut self) {
        let now = Instant::now();
        let seconds = (now - self.at).as_secs_f64();
        self.at = now;
        self.messages = (self.messages + seconds * MESSAGES).min(MESSAGES_BURST);
        self.bytes = (self.bytes + seconds * BYTES).min(BYTES_BURST);
    }
}

#[expect(clippy::cast_precision_loss, reason = "sizes stay far below 2^52")]
fn float(count: usize) -> f64 {
    count as f64
}
