//! Notifications of messages, and the title of the window.
//!
//! A message that [`NotifyOn`] selects causes a notification unless the user looks at the screen
//! ([`Attention`](crate::app::attention::Attention)). Replayed messages cause one notification together.

use std::time::Duration;

use crate::app::attention::{Notification, NotifyOn};
use crate::app::message::Effect;
use crate::app::model::Model;
use crate::app::rooms::missed::{MissedInRoom, MissedMessages};
use crate::app::rooms::room::{Membership, Room};
use crate::sanitize::{self, Line};

/// Shortest time between two notifications.
const EVERY: Duration = Duration::from_secs(1);
/// Longest text of a notification, in characters.
const TEXT_CHARS: usize = 200;

/// Returns the notification of a message of another user, if one is needed now. A replayed message waits for the others.
pub(in crate::app) fn notify_message(
    model: &mut Model,
    room: usize,
    from: &Line,
    text: &str,
    is_mention: bool,
    replayed: bool,
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
    if replayed {
        let missed = model.missed.get_or_insert_with(|| MissedMessages::since(now));
        missed.add(&model.rooms[room].name, from, text);
        return None;
    }
    let is_soon = model.attention.notified.is_some_and(|at| now.saturating_sub(at) < EVERY);
    if is_soon || model.attention.is_here(now) {
        return None;
    }
    model.attention.notified = Some(now);
    Some(notification(&format!("{from} in {}", model.rooms[room].pane.title), text))
}

/// Returns the name of a sender in a notification, which has no marks.
pub(in crate::app) fn name(nick: &Line, is_doubtful: bool) -> Line {
    if is_doubtful { sanitize::line(&format!("{nick} (a look-alike)")) } else { nick.clone() }
}

/// Returns one notification of all replayed messages that are still unread, when all rooms are back or at the end of the
/// wait.
pub(in crate::app) fn notify_missed(model: &mut Model) -> Option<Effect> {
    let now = model.now.mono;
    let is_back = |room: &Room| room.replay_left == 0 && room.membership != Membership::Joining;
    let is_due = model.missed.as_ref()?.until() <= now || model.rooms.iter().all(is_back);
    let missed = model.missed.take_if(|_| is_due)?;
    if model.attention.is_here(now) {
        return None;
    }
    let (mut total, mut rooms) = (0, Vec::new());
    for mut missed in missed.into_rooms() {
        let Some(room) = model.index_of(&missed.room).map(|index| &model.rooms[index]) else { continue };
        let unread = match model.notify_on {
            NotifyOn::Mentions => room.reading.mentions,
            NotifyOn::All | NotifyOn::Nothing => room.reading.unread,
        };
        missed.count = missed.count.min(unread);
        if missed.count > 0 {
            total += missed.count;
            rooms.push((missed, &room.pane.title));
        }
    }
    let from = |missed: &MissedInRoom, title: &Line| {
        let names: Vec<&str> = missed.from.iter().map(Line::as_str).collect();
        format!("{} in {title}", names.join(", "))
    };
    let effect = match rooms.as_slice() {
        [] => return None,
        [(missed, title)] if missed.count == 1 => notification(&from(missed, title), &missed.text),
        rooms => {
            let what = if model.notify_on == NotifyOn::Mentions { "mentions" } else { "messages" };
            let all: Vec<String> = rooms.iter().map(|(missed, title)| from(missed, title)).collect();
            notification(&format!("{total} {what} while offline"), &all.join("; "))
        }
    };
    model.attention.notified = Some(now);
    Some(effect)
}

fn notification(title: &str, text: &str) -> Effect {
    let text: String = text.chars().take(TEXT_CHARS).collect();
    Effect::Notify(Notification { title: sanitize::line(title), text: sanitize::line(&text) })
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
    use crate::app::testing::{Client, notified};
    use crate::app::{Input, NotifyOn};

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
    fn a_notification_says_that_a_name_is_a_look_alike() {
        let mut client = Client::online(&["chat"]);
        client.input(Input::Focus(false));
        let notifications = notified(&client.receive("chat", "\u{430}lice", "you: hi"));
        assert_eq!(notifications, ["\u{430}lice (a look-alike) in chat: you: hi"]);
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
        assert!(notified(&client.receive("chat", "bob", "you")).is_empty(), "just started");
        client.pass(30_000);
        assert_eq!(notified(&client.receive("chat", "bob", "you")).len(), 1);
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
