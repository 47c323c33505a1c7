//! Bound of the memory of all timelines.
//!
//! A server or its users may send any number of long texts. Beyond the bound the oldest pages of the rooms that are not
//! shown are dropped, those of the largest room first; at last the oldest of the room that is shown. They are loaded
//! again when the user scrolls up.

use realtime_shared::Seq;

use crate::app::model::Model;
use crate::app::rooms::room::HistoryPage;

/// Rows that are dropped at once.
const PAGE: usize = 200;
/// Rows of a room below which a page is loaded when the room is shown.
const FEW: usize = 50;

/// Drops old rows until all timelines together need at most `bytes`.
pub(in crate::app) fn bound(model: &mut Model, bytes: usize) {
    let mut total: usize = model.rooms.iter().map(|room| room.pane.timeline.bytes()).sum();
    if total <= bytes {
        return;
    }
    // A room whose rows cannot be dropped is not tried again.
    let mut kept = vec![false; model.rooms.len()];
    while total > bytes {
        let size = |index: usize| model.rooms[index].pane.timeline.bytes();
        let others = (0..model.rooms.len()).filter(|index| model.current != Some(*index));
        let largest = others.filter(|index| !kept[*index]).max_by_key(|index| size(*index));
        let Some(index) = largest.or(model.current).filter(|index| !kept[*index]) else { return };
        let room = &mut model.rooms[index];
        total -= room.pane.timeline.bytes();
        // Half of a small room, so that some messages stay as long as possible.
        let count = PAGE.min(room.pane.timeline.len().div_ceil(2));
        kept[index] = !room.pane.timeline.drop_rows(count);
        total += room.pane.timeline.bytes();
        if model.current != Some(index)
            && room.pane.timeline.len() < FEW
            && let Some(seq) = room.pane.timeline.first_seq()
        {
            room.wanted_page = Some(HistoryPage::Before(Seq::new(seq)));
        }
    }
}

#[cfg(test)]
mod tests {
    use realtime_shared::HistoryRequest;

    use super::*;
    use crate::app::rooms::timeline::{HeldBytes, ShownMessage};
    use crate::app::testing::{Client, room};
    use crate::app::{Effect, Input};
    use crate::net::Command;
    use crate::sanitize;
    use crate::terminal_input::KeyCode;

    fn sizes(client: &Client) -> Vec<usize> {
        client.model.rooms.iter().map(|room| room.pane.timeline.len()).collect()
    }

    fn bytes(client: &Client) -> usize {
        client.model.rooms.iter().map(|room| room.pane.timeline.bytes()).sum()
    }

    fn page(before: u64) -> Vec<Effect> {
        let before = Some(Seq::new(before));
        vec![Effect::Net(Command::History(HistoryRequest::before(room("dev"), before, 50)))]
    }

    /// A client with 300 long messages in two rooms, and a short one in a third.
    fn filled() -> Client {
        let mut client = Client::online(&["chat", "dev", "ops"]);
        let long = "x".repeat(4_000);
        for _ in 0..300 {
            client.receive("chat", "bob", &long);
            client.receive("dev", "bob", &long);
        }
        client.receive("ops", "bob", "short");
        client
    }

    #[test]
    fn old_pages_of_the_largest_hidden_room_are_dropped_and_can_be_loaded_again() {
        let mut client = filled();
        bound(&mut client.model, 2_000_000);
        assert!(bytes(&client) <= 2_000_000);
        assert_eq!(sizes(&client), [300, 150, 1]);
        assert_eq!(client.model.rooms[1].reading.unread, 300, "unread messages stay unread");
        client.alt('2');
        let viewed = client.viewed(0, 0);
        client.press(KeyCode::PageUp);
        assert_eq!(client.input(viewed), page(151));
    }

    #[test]
    fn a_room_with_few_messages_left_loads_a_page_when_it_is_shown() {
        let mut client = filled();
        bound(&mut client.model, 1_400_000);
        let left = sizes(&client)[1];
        assert!(bytes(&client) <= 1_400_000 && (1..FEW).contains(&left), "{left}");
        let effects = client.alt('2');
        assert!(effects.starts_with(&page(301 - left as u64)), "{effects:?}");
    }

    #[test]
    fn the_shown_room_is_dropped_last_and_each_room_keeps_its_newest_message() {
        let mut client = filled();
        bound(&mut client.model, 1_000_000);
        assert!(bytes(&client) <= 1_000_000 && sizes(&client)[0] > 1, "{:?}", sizes(&client));
        bound(&mut client.model, 0);
        assert_eq!(sizes(&client), [1, 1, 1]);
        bound(&mut client.model, 0);
        assert_eq!(client.model.rooms[0].pane.timeline.first_seq(), Some(300));
    }

    #[test]
    fn each_input_bounds_the_memory() {
        let default = HeldBytes::default();
        assert_bounded(Client::online(&["chat", "dev"]), default);
        let mut client = Client::online(&["chat"]);
        client.model.set_held_bytes(HeldBytes(8 << 20));
        client.enter("/join dev");
        assert_bounded(client, HeldBytes(8 << 20));
    }

    /// Fills the second room far beyond the bound.
    #[track_caller]
    fn assert_bounded(mut client: Client, HeldBytes(bound): HeldBytes) {
        let ts = client.model.now.wall;
        let text = sanitize::block(&"x".repeat(16_000));
        for seq in 1..=(bound / 12_000) as u64 {
            let message = ShownMessage {
                nick: sanitize::line("bob"),
                text: text.clone(),
                is_doubtful: false,
                mention: false,
                ours: false,
                folded: None,
            };
            client.model.rooms[1].pane.timeline.add_message(Seq::new(seq), ts, message);
        }
        assert!(bytes(&client) > bound && client.model.rooms[1].pane.timeline.is_full());
        client.input(Input::Tick);
        assert!(bytes(&client) <= bound && bytes(&client) > bound / 3, "{}", bytes(&client));
    }
}
