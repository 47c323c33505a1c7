//! Conditions for the removal of a room, with a retention of an hour.

use super::*;

fn for_an_hour() -> Retain {
    Retain { age: Some(Duration::from_hours(1)), confirmed: true, ..Retain::default() }
}

/// True if a room of one message is left after a sweep, which begins `age` milliseconds after the message.
fn stays_after(age: u64) -> bool {
    let mut fixture = SweepFixture::new(for_an_hour());
    fixture.post("a", 1);
    fixture.advance(age);
    fixture.sweep();
    fixture.has("a")
}

#[test]
fn a_room_is_removed_when_its_last_message_is_more_than_a_day_old() {
    assert!(stays_after(DAY - 60_000));
    assert!(stays_after(DAY));
    assert!(!stays_after(DAY + 1));
}

#[test]
fn a_room_stays_while_its_last_message_is_retained() {
    let two_days = Duration::from_hours(48);
    let mut fixture = SweepFixture::new(Retain { age: Some(two_days), ..for_an_hour() });
    fixture.post("a", 1);
    fixture.advance(2 * DAY);
    fixture.sweep();
    assert_eq!(fixture.left("a"), [1]);
    fixture.advance(1);
    fixture.sweep();
    assert!(!fixture.has("a"), "dropped and removed in one step");
}

/// The clock was ahead for the first message, so that it is the younger one.
#[test]
fn a_room_stays_while_a_client_msg_id_of_it_has_to_be_known() {
    let mut fixture = SweepFixture::new(for_an_hour());
    let now = fixture.clock.now().millis();
    fixture.post_at("a", 1, Timestamp::from_millis(now + 20 * HOUR));
    fixture.post("a", 1);
    fixture.advance(DAY + 20 * HOUR);
    fixture.sweep();
    assert!(fixture.has("a") && fixture.left("a").is_empty());
    fixture.advance(1);
    fixture.sweep();
    assert!(!fixture.has("a"));
}

/// For a day after the clock was set, a `client_msg_id` is known whatever the age of its message.
#[test]
fn a_room_stays_for_a_day_after_the_clock_was_set() {
    let mut fixture = SweepFixture::new(for_an_hour());
    fixture.post("a", 1);
    fixture.jump(800);
    fixture.sweep();
    fixture.advance(DAY - 1);
    fixture.sweep();
    assert!(fixture.left("a").is_empty(), "trimmed");
    assert!(fixture.has("a"));
    fixture.advance(1);
    fixture.sweep();
    assert!(!fixture.has("a"));
}

#[test]
fn a_room_with_a_last_message_from_the_future_stays() {
    let mut fixture = SweepFixture::new(for_an_hour());
    let now = fixture.clock.now().millis();
    fixture.post_at("a", 1, Timestamp::from_millis(now + 10 * DAY));
    fixture.advance(2 * DAY);
    fixture.sweep();
    assert!(fixture.has("a"));
}

/// The loader of the list may have read the room, and not added it yet.
#[test]
fn a_room_stays_while_the_list_of_rooms_is_loaded() {
    let mut fixture = SweepFixture::new(for_an_hour());
    fixture.list = RoomList::loading();
    fixture.post("a", 1);
    fixture.advance(DAY + 1);
    fixture.sweep();
    assert!(fixture.has("a"));
    fixture.list.finish_loading();
    fixture.sweep();
    assert!(!fixture.has("a"));
}

#[test]
fn many_rooms_are_removed_in_several_steps() {
    let mut fixture = SweepFixture::new(for_an_hour());
    for number in 0..300 {
        fixture.post(&format!("room {number}"), 1);
    }
    fixture.post("long", 600);
    fixture.advance(DAY);
    fixture.post("young", 1);
    fixture.advance(1);
    fixture.sweep();
    assert_eq!(fixture.store.view().room_count(), Ok(1));
    assert!(fixture.has("young"));
    let rows = fixture.store.view().rooms(None, 9).expect("readable").0;
    assert_eq!(rows.len(), 1);
}
