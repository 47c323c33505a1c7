//! Saves typed texts in the background, so that they outlive a kill and a power failure.
//!
//! A change is saved at once, but at most once a second. No timer runs without a change. Another thread does the work,
//! so that no key waits for a disk.

use std::future::pending;
use std::time::Duration;

use realtime_shared::UserId;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use crate::app::Model;
use crate::kept_texts::KeptTexts;
use crate::net::{ConnectionState, Event};
use crate::state::texts::{OpenedTexts, TextStore};
use crate::state::{StateFault, StateLocation};

/// Shortest time between two saves.
const EVERY: Duration = Duration::from_secs(1);

/// Saves typed texts.
pub(super) struct TextSaver {
    /// `None` if nothing is kept, and while a save runs.
    store: Option<TextStore>,
    /// `None` if nothing is kept.
    user: Option<UserId>,
    /// Texts of earlier runs that the model does not have yet.
    earlier: KeptTexts,
    /// Content of the file.
    saved: KeptTexts,
    saved_at: Option<Instant>,
    due: Option<Instant>,
    job: Option<JoinHandle<SavedTexts>>,
    /// The failure to save was shown to the user.
    has_failed: bool,
}

/// A save and its result.
type SavedTexts = (TextStore, KeptTexts, Result<(), StateFault>);

impl TextSaver {
    /// Reads the texts of earlier runs at `location`, if texts are kept. Returns warnings for the user. `run` differs
    /// from run to run.
    pub(super) fn open(location: Option<StateLocation>, run: u64) -> (Self, Vec<String>) {
        let user = location.as_ref().map(|location| location.user.clone());
        let opened = location.map(|location| TextStore::open(location, run));
        let (store, earlier, faults) = match opened {
            Some(OpenedTexts { store, texts, faults }) => (Some(store), texts, faults),
            None => (None, KeptTexts::default(), Vec::new()),
        };
        let saver = Self {
            store,
            user,
            earlier,
            saved: KeptTexts::default(),
            saved_at: None,
            due: None,
            job: None,
            has_failed: false,
        };
        (saver, faults.iter().map(ToString::to_string).collect())
    }

    /// Takes the user from a network event, and returns the user's texts of earlier runs, once. Keeps nothing if it is
    /// another user than expected: the texts are not that user's.
    pub(super) fn note_user(&mut self, event: &Event) -> Option<KeptTexts> {
        let Event::State(ConnectionState::Connected { user_id, .. }) = event else { return None };
        if self.user.as_ref() != Some(user_id) {
            (self.store, self.user, self.earlier) = (None, None, KeptTexts::default());
        }
        Some(std::mem::take(&mut self.earlier)).filter(|texts| !texts.is_empty())
    }

    /// Notes that the texts may have changed.
    pub(super) fn note_change(&mut self) {
        if self.user.is_some() {
            let now = Instant::now();
            let next = self.saved_at.map_or(now, |saved| now.max(saved + EVERY));
            self.due.get_or_insert(next);
        }
    }

    /// Saves whenever it is due, until there is a fault to show the user. Cancel safe.
    pub(super) async fn work(&mut self, model: &Model) -> String {
        loop {
            let saved = match (&mut self.job, self.due) {
                (Some(job), _) => job.await,
                (None, Some(due)) => {
                    sleep_until(due).await;
                    self.due = None;
                    self.begin(model.kept_texts());
                    continue;
                }
                (None, None) => pending().await,
            };
            self.job = None;
            if let Some(fault) = saved.ok().and_then(|saved| self.saved(saved)) {
                return fault.to_string();
            }
        }
    }

    /// Saves the last texts. Returns true if they are kept; a fault is ignored, because the screen is gone.
    pub(super) async fn finish(mut self, texts: KeptTexts) -> bool {
        if let Some(job) = self.job.take()
            && let Ok(saved) = job.await
        {
            self.saved(saved);
        }
        self.begin(texts);
        if let Some(job) = self.job.take()
            && let Ok(saved) = job.await
        {
            return self.saved(saved).is_none() && !self.has_failed;
        }
        self.user.is_some()
    }

    /// Begins a save if the texts differ from those in the file.
    fn begin(&mut self, mut texts: KeptTexts) {
        texts.merge(self.earlier.clone());
        if texts == self.saved {
            return;
        }
        let Some(mut store) = self.store.take() else { return };
        self.saved_at = Some(Instant::now());
        self.job = Some(tokio::task::spawn_blocking(move || {
            let result = store.save(&texts);
            (store, texts, result)
        }));
    }

    /// The fault to show the user. A failed save is repeated with the next change, and shown once.
    fn saved(&mut self, (store, texts, result): SavedTexts) -> Option<StateFault> {
        if self.user.is_some() {
            self.store = Some(store);
        }
        match result {
            Ok(()) => {
                self.has_failed = false;
                self.saved = texts;
                None
            }
            Err(fault) => (!std::mem::replace(&mut self.has_failed, true)).then_some(fault),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use realtime_shared::RoomName;
    use tempfile::TempDir;

    use super::*;
    use crate::kept_texts::PaneTexts;

    fn location(home: &TempDir) -> StateLocation {
        let user = UserId::new("alice").expect("a user id");
        StateLocation {
            directory: home.path().join("state"),
            server: "ws://chat.example/ws".to_owned(),
            user,
        }
    }

    fn draft(text: &str) -> KeptTexts {
        let room = RoomName::new("lobby").ok();
        KeptTexts { panes: vec![PaneTexts { room, draft: text.to_owned(), ..PaneTexts::default() }] }
    }

    fn earlier(home: &TempDir, run: u64) -> KeptTexts {
        TextSaver::open(Some(location(home)), run).0.earlier
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_texts_are_saved_and_removed_when_they_are_sent() {
        let home = TempDir::new().expect("a directory");
        let saver = TextSaver::open(Some(location(&home)), 1).0;
        assert!(saver.finish(draft("half a thought")).await);
        assert_eq!(earlier(&home, 2), draft("half a thought"));
        let mut saver = TextSaver::open(Some(location(&home)), 3).0;
        saver.earlier = KeptTexts::default();
        saver.saved = draft("half a thought");
        assert!(saver.finish(KeptTexts::default()).await);
        assert!(earlier(&home, 4).is_empty());
        assert_eq!(fs::read_dir(home.path().join("state/drafts")).expect("a directory").count(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn texts_that_the_model_does_not_have_yet_stay_in_the_file() {
        let home = TempDir::new().expect("a directory");
        TextSaver::open(Some(location(&home)), 1).0.finish(draft("old")).await;
        let saver = TextSaver::open(Some(location(&home)), 2).0;
        assert!(saver.finish(KeptTexts::default()).await);
        assert_eq!(earlier(&home, 3), draft("old"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_save_is_reported_and_the_texts_are_not_kept() {
        let home = TempDir::new().expect("a directory");
        fs::write(home.path().join("state"), "").expect("a file in place of the directory");
        let saver = TextSaver::open(Some(location(&home)), 1).0;
        assert!(!saver.finish(draft("text")).await);
        let nowhere = TextSaver::open(None, 1).0;
        assert!(!nowhere.finish(draft("text")).await);
    }
}
