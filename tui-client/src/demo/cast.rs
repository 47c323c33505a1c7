//! Cast of the demo: its rooms, its people, and the visitor.

use realtime_shared::RoomName;

/// Rooms of the demo; the first one is shown first.
pub(super) const ROOMS: [&str; 3] = ["chat-general", "dev", "ops"];
/// Users of the demo.
pub(super) const PEOPLE: [&str; 4] = ["mira", "jörg", "小林", "sam"];
/// The user in front of the screen.
pub(super) const VISITOR: &str = "you";
pub(super) fn room_name(name: &str) -> RoomName {
    RoomName::new(name).expect("the rooms of the demo have valid names")
}
