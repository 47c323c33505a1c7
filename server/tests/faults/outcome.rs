//! What came of a run, and how a test says so: the figures, or everything that one needs to find the fault.

use std::fs;
use std::path::PathBuf;

use crate::history::History;
use crate::judge::{Verdict, judge};
use crate::recorder::Stuck;

/// The variable that replays a run's schedule.
pub(crate) const SEED: &str = "REALTIME_SEED";

/// The seed that the environment names, or a new one.
pub(crate) fn seed() -> u64 {
    match std::env::var(SEED) {
        Ok(seed) => seed.parse().unwrap_or_else(|_| panic!("{SEED} is a number, not {seed:?}")),
        Err(_) => fastrand::u64(..),
    }
}

pub(crate) struct Outcome {
    pub(crate) history: History,
    pub(crate) verdict: Verdict,
    pub(crate) figures: String,
    seed: u64,
    /// What the schedule waited for in vain.
    stuck: Option<Stuck>,
    log: String,
}

impl Outcome {
    pub(crate) fn new(
        history: History,
        seed: u64,
        figures: String,
        stuck: Option<Stuck>,
        log: String,
    ) -> Self {
        let verdict = judge(&history);
        Self { history, verdict, figures, seed, stuck, log }
    }

    /// Nothing is wrong. Otherwise the history is written to a file, and the test fails with what is.
    #[track_caller]
    pub(crate) fn is_sound(&self, name: &str) {
        println!("{name}: {}; {SEED}={}", self.figures, self.seed);
        if self.verdict.is_sound() && self.stuck.is_none() {
            return;
        }
        let file = self.write(name);
        let stuck =
            self.stuck.as_ref().map_or(String::new(), |stuck| format!("in vain: {}\n", stuck.awaited));
        panic!(
            "{name}: {}\n{}{stuck}again with {SEED}={}; the history is in {}\nthe server's log ends with\n{}",
            self.figures,
            self.verdict,
            self.seed,
            file.display(),
            last_lines(&self.log),
        );
    }

    /// The judge noticed: at least this rule is broken.
    #[track_caller]
    pub(crate) fn breaks(&self, name: &str, rule: u8) {
        println!("{name}: {}; {SEED}={}\n{}", self.figures, self.seed, self.verdict);
        assert!(
            self.verdict.broken().contains(&rule),
            "{name}: rule {rule} is not broken: {}; {:?}; the history is in {}",
            self.figures,
            self.stuck,
            self.write(name).display(),
        );
    }

    fn write(&self, name: &str) -> PathBuf {
        let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}.history", self.seed));
        fs::write(&file, format!("{}\n{}\n{}", self.verdict, self.history, self.log)).expect("writable");
        file
    }
}

fn last_lines(text: &str) -> String {
    const SHOWN: usize = 12;
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(SHOWN)..].join("\n")
}
