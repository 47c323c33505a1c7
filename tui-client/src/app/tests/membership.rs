//! The user's membership in rooms, and the members of a room.

use std::time::Duration;

use realtime_shared::{ErrorCode, ErrorEvent, Members, ServerEvent, codec};

use super::super::Membership;
use super::super::testing::{Client, room, user};
use super::{error, shown};

#[test]
fn the_note_of_a_kicked_user_has_the_reason() {
    let mut client = Client::online(&["chat"]);
    let kick = r#"{"type":"system","event":"left","message":"","room":"chat","user_id":"you","member_count":3,"reason":"kicked"}"#;
    client.server(codec::decode_server(kick).expect("a frame").event);
    assert!(shown(&client)[0].contains("no longer in this room (removed); /join"), "{:?}", shown(&client));
}

#[test]
fn a_temporary_refusal_or_a_refusal_in_a_joined_room_changes_no_membership() {
    let mut client = Client::online(&["chat"]);
    client.enter("/join dev");
    client.server(error(Some("dev"), "try again later"));
    assert_eq!(client.model.room().map(|room| room.membership), Some(Membership::Joining));
    client.server(ServerEvent::Error(ErrorEvent {
        code: ErrorCode::Forbidden,
        message: "you may not post".to_owned(),
        temporary: false,
        room: Some(room("chat")),
        client_msg_id: None,
        retry_after_ms: None,
    }));
    assert_eq!(client.model.rooms[0].membership, Membership::Joined);
}

#[test]
fn a_lost_connection_takes_the_user_out_of_joined_rooms_only() {
    let mut client = Client::online(&["chat", "dev"]);
    client.member_leaves("dev", "you");
    client.lose_connection(Duration::from_secs(1));
    let memberships: Vec<_> = client.model.rooms.iter().map(|room| room.membership).collect();
    assert_eq!(memberships, [Membership::Joining, Membership::Outside]);
}

#[test]
fn a_join_of_a_known_member_is_not_shown() {
    let mut client = Client::online(&["chat"]);
    client.member_joins("chat", "alice");
    assert!(shown(&client).is_empty());
    client.member_joins("chat", "dave");
    assert_eq!(shown(&client), ["+dave"]);
}

#[test]
fn a_list_of_members_replaces_the_known_ones() {
    let mut client = Client::online(&["chat", "dev"]);
    client.member_leaves("dev", "you");
    for name in ["chat", "dev"] {
        let members = Members { room: room(name), members: vec![user("zoe")], member_count: 9 };
        client.server(ServerEvent::Members(members));
    }
    let counts: Vec<_> = client.model.rooms.iter().map(|room| room.member_count).collect();
    assert_eq!(counts, [9, 4], "the client is not in the other room");
}
