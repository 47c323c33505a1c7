//! Progress bar of a command, on standard error if that is a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Steps between two updates; the bar itself limits how often it is drawn.
const STEPS: u64 = 64;

/// Progress bar, removed when it is dropped.
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// Bar that counts `what`.
    pub(super) fn new(what: &str) -> Self {
        let template = format!("{{msg}}{{wide_bar}} {{human_pos}} of {{human_len}} {what}, {{eta}} to go");
        let style = ProgressStyle::with_template(&template).expect("a template");
        // Without a terminal nothing is drawn.
        let bar = ProgressBar::new(0).with_style(style);
        bar.enable_steady_tick(Duration::from_millis(250));
        Self(bar)
    }

    /// Sets the progress to `done` of `of`.
    pub(super) fn at(&mut self, done: u64, of: u64) {
        if done.is_multiple_of(STEPS) || done == of {
            self.0.set_length(of);
            self.0.set_position(done);
        }
    }

    /// Sets the progress of one of several items, and shows its name.
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
