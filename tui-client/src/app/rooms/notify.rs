//! Notifications of messages, and the title of the window.
//!
//! A message that [`NotifyOn`] selects causes a notification unless the user is attentive. The user is attentive if
//! the window has the focus or, without reports of the focus, shortly after a key or a click. Replayed messages cause
//! none.

use std::time::Duration;

use crate::app::attention::{Notification, NotifyOn};
use crate::app::message::Effect;
use crate::app::model::Model;
use crate::sanitize::{self, Line};

/// Shortest time between two notifications.
const EVERY: Duration = Duration::from_secs(1);
/// Longest text of a notification, in characters.
const TEXT_CHARS: usize = 200;

/// Returns the notification of a new message of another user, if one is needed.
pub(in crate::app) fn notify_message(
    model: &mut Model,
    room: usize,
    from: &Line,
    text: &str,
    is_mention: bool,
) -> Option<Effect> {
    let is_wanted = match model.notify_on {
        NotifyOn::Mentions => is_mention,
        NotifyOn::All => true,
        NotifyOn::Nothing => false,
    };
    if !is_wanted {
        return None;
    }
    let now = model.now.mono;
    let is_soon = model.attention.notified.is_some_and(|at| now.saturating_sub(at) < EVERY);
    if is_soon || model.attention.is_here(now) {
        return None;
    }
    model.attention.notified = Some(now);
    let title = format!("{from} in {}", model.rooms[room].pane.title);
    let text: String = text.chars().take(TEXT_CHARS).collect();
    Some(Effect::Notify(Notification { title: sanitize::line(&title), text: sanitize::line(&text) }))
}

impl Model {
    /// Returns the title of the window, with the number of unread mentions: `(2) chat-general - realtime`.
    #[must_use]
    pub fn window_title(&self) -> String {
        let mentions: u64 = self.rooms.iter().map(|room| room.reading.mentions).sum();
        let count = if mentions > 0 { format!("({mentions}) ") } else { String::new() };
        match self.room() {
            Some(room) => format!("{count}{} - realtime", room.pane.title),
            None => format!("{count}realtime"),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::app::testing::Client;
    use crate::app::{Effect, Input, NotifyOn};

    fn notified(effects: &[Effect]) -> Vec<String> {
        let notification = |effect: &Effect| match effect {
            Effect::Notify(notification) => Some(format!("{}: {}", notification.title, notification.text)),
            _ => None,
        };
        effects.iter().filter_map(notification).collect()
    }

    #[test]
    fn a_mention_notifies_a_user_who_looks_elsewhere() {
        let mut client = Client::online(&["chat", "dev"]);
        client.input(Input::Focus(true));
        assert!(notified(&client.receive("dev", "bob", "@you there?")).is_empty());
        client.input(Input::Focus(false));
        assert!(notified(&client.receive("chat", "bob", "hello")).is_empty(), "no mention");
        let notifications = notified(&client.receive("chat", "bob", "you: a\u{202e}b\nc"));
        assert_eq!(notifications, ["bob in chat: you: ab c"]);
        assert!(notified(&client.receive("chat", "bob", "you!")).is_empty(), "one a second");
        client.pass(1_000);
        assert_eq!(notified(&client.receive("chat", "bob", "you!")).len(), 1);
    }

    #[test]
    fn notify_on_selects_all_messages_or_none() {
        let mut client = Client::online(&["chat"]);
        client.input(Input::Focus(false));
        client.model.notify_on = NotifyOn::All;
        assert_eq!(notified(&client.receive("chat", "bob", "hello")), ["bob in chat: hello"]);
        client.pass(1_000);
        assert!(
            notified(&client.receive("chat", "you", "from elsewhere")).is_empty(),
            "a message of the user"
        );
        client.model.notify_on = NotifyOn::Nothing;
        assert!(notified(&client.receive("chat", "bob", "you")).is_empty());
    }

    #[test]
    fn without_focus_reports_a_key_suppresses_notifications() {
        let mut client = Client::online(&["chat"]);
        assert_eq!(notified(&client.receive("chat", "bob", "you")).len(), 1, "no key yet");
        client.pass(2_000);
        client.write("x");
        assert!(notified(&client.receive("chat", "bob", "you")).is_empty());
        client.pass(30_000);
        assert_eq!(notified(&client.receive("chat", "bob", "you")).len(), 1);
    }

    #[test]
    fn the_title_counts_mentions() {
        let mut client = Client::online(&["chat", "dev"]);
        assert_eq!(client.model.window_title(), "chat - realtime");
        client.receive("dev", "bob", "you");
        client.receive("dev", "bob", "you again");
        assert_eq!(client.model.window_title(), "(2) chat - realtime");
    }
}
