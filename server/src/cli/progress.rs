//! How far a command is: a bar on standard error, where that is a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Steps between two looks at the bar, which looks at the time itself.
const STEPS: u64 = 64;

/// A bar. It goes away when it is dropped.
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// A bar that counts `what`.
    pub(super) fn new(what: &str) -> Self {
        let template = format!("{{msg}}{{wide_bar}} {{human_pos}} of {{human_len}} {what}, {{eta}} to go");
        let style = ProgressStyle::with_template(&template).expect("a template");
        // Without a terminal nothing is drawn.
        let bar = ProgressBar::new(0).with_style(style);
        bar.enable_steady_tick(Duration::from_millis(250));
        Self(bar)
    }

    /// So many are done, of so many.
    pub(super) fn at(&mut self, done: u64, of: u64) {
        if done.is_multiple_of(STEPS) || done == of {
            self.0.set_length(of);
            self.0.set_position(done);
        }
    }

    /// The same of one thing among several.
    pub(super) fn at_of(&mut self, name: &str, done: u64, of: u64) {
        if done == 1 {
            self.0.set_message(format!("{name} "));
        }
        self.at(done, of);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
