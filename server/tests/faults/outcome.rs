//! Outcome of a run, and the report of a test: counts, or everything that helps to find the fault.

use std::fs;
use std::path::PathBuf;

use crate::history::History;
use crate::judge::{Verdict, judge};
use crate::recorder::Stuck;

/// Variable with the seed of a run that is repeated.
pub(crate) const SEED: &str = "REALTIME_SEED";

/// Seed from the environment, or a new one.
pub(crate) fn seed() -> u64 {
    match std::env::var(SEED) {
        Ok(seed) => seed.parse().unwrap_or_else(|_| panic!("{SEED} must be a number, not {seed:?}")),
        Err(_) => fastrand::u64(..),
    }
}

pub(crate) struct Outcome {
    pub(crate) history: History,
    pub(crate) verdict: Verdict,
    pub(crate) figures: String,
    seed: u64,
    /// The event that the schedule awaited in vain.
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

    /// Asserts that no rule is broken. Otherwise the history is written to a file, and the panic lists the anomalies.
    #[track_caller]
    pub(crate) fn assert_sound(&self, name: &str) {
        println!("{name}: {}; {SEED}={}", self.figures, self.seed);
        if self.verdict.is_sound() && self.stuck.is_none() {
            return;
        }
        let file = self.write(name);
        let stuck =
            self.stuck.as_ref().map_or(String::new(), |stuck| format!("timed out: {}\n", stuck.awaited));
        panic!(
            "{name}: {}\n{}{stuck}repeat with {SEED}={}; the history is in {}\nthe server's log ends with\n{}",
            self.figures,
            self.verdict,
            self.seed,
            file.display(),
            last_lines(&self.log),
        );
    }

    /// Asserts that the judge found this rule broken, perhaps among others.
    #[track_caller]
    pub(crate) fn assert_breaks(&self, name: &str, rule: u8) {
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
    const LIMIT: usize = 12;
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(LIMIT)..].join("\n")
}
