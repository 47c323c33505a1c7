//! The user's membership in rooms, and the members of a room.

use std::time::Duration;

use realtime_shared::{ErrorCode, ErrorEvent, Members, ServerEvent, codec};

use super::super::Membership;
use super::super::testing::{Client, room, user};
use super::{Effect, commands, error, shown};
use crate::net::Command;

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
        scope: None,
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
        let members =
            Members { room: room(name), members: vec![user("zoe")], member_count: 9, has_more: None };
        client.server(ServerEvent::Members(members));
    }
    let counts: Vec<_> = client.model.rooms.iter().map(|room| room.member_count).collect();
    assert_eq!(counts, [9, 4], "the client is not in the other room");
}

fn keep(name: &str, is_joined: bool) -> Effect {
    Effect::KeepRoom { room: room(name), is_joined }
}

/// The changes of the list of joined rooms.
fn kept(effects: Vec<Effect>) -> Vec<Effect> {
    effects.into_iter().filter(|effect| matches!(effect, Effect::KeepRoom { .. })).collect()
}

fn refuse(client: &mut Client, name: &str, temporary: bool) -> Vec<Effect> {
    client.server(ServerEvent::Error(ErrorEvent {
        code: ErrorCode::Forbidden,
        message: "the token does not permit this room".to_owned(),
        temporary,
        room: Some(room(name)),
        client_msg_id: None,
        retry_after_ms: None,
        scope: None,
    }))
}

/// The rooms in the list, in order.
fn listed(client: &Client) -> Vec<String> {
    client.model.rooms.iter().map(|room| room.pane.title.to_string()).collect()
}

#[test]
fn a_joined_room_is_kept_once_until_it_is_left() {
    let mut client = Client::offline(&["chat"]);
    client.connect();
    assert_eq!(kept(client.joined("chat", None, None)), [keep("chat", true)]);
    client.lose_connection(Duration::from_secs(1));
    client.connect();
    assert_eq!(
        kept(client.joined("chat", None, Some(Duration::from_secs(1)))),
        [],
        "a second join changes nothing"
    );
    client.enter("/join dev");
    refuse(&mut client, "dev", false);
    assert!(!client.enter("/leave").contains(&keep("dev", false)), "a refused room was not kept");
    assert!(client.enter("/leave").contains(&keep("chat", false)));
}

#[test]
fn rooms_of_the_last_run_are_joined_behind_those_of_the_command_line() {
    let mut client = Client::offline(&["chat"]);
    let effects = client.model.join_again(&[room("dev"), room("chat"), room("ops")]);
    let join = |name| Command::Join { room: room(name), since: None };
    assert_eq!(commands(effects), [join("dev"), join("ops")]);
    assert_eq!(
        (listed(&client), client.model.current()),
        (vec!["chat".into(), "dev".into(), "ops".into()], Some(0))
    );
    client.connect();
    assert_eq!(kept(client.joined("dev", None, None)), [], "it is kept already");
    assert!(client.enter("/leave dev").contains(&keep("dev", false)));
    let mut client = Client::offline(&[]);
    client.model.join_again(&[room("dev"), room("ops")]);
    assert_eq!(client.model.current(), Some(0), "the first one is shown");
}

#[test]
fn a_refused_room_of_the_last_run_is_forgotten_and_reported_where_the_user_looks() {
    let mut client = Client::offline(&[]);
    client.model.join_again(&["dev", "chat", "ops"].map(room));
    client.connect();
    assert_eq!(kept(refuse(&mut client, "ops", true)), [], "a temporary refusal");
    assert!(refuse(&mut client, "dev", false).contains(&keep("dev", false)));
    assert_eq!(client.model.current(), Some(1), "the refused room does not block the others");
    let report = "#dev: the token does not permit this room. The next start does not join this room";
    assert_eq!(shown(&client), [report]);
    assert_eq!(kept(refuse(&mut client, "dev", false)), [], "once");
    assert_eq!(shown(&client), [report]);
    client.joined("chat", None, None);
    assert_eq!(kept(refuse(&mut client, "chat", false)), [], "a refused message in a joined room");
}

#[test]
fn a_refused_room_is_reported_in_place_if_no_other_room_is_left() {
    let mut client = Client::offline(&[]);
    client.model.join_again(&[room("dev")]);
    client.connect();
    refuse(&mut client, "dev", false);
    assert_eq!((client.model.current(), shown(&client).len()), (Some(0), 1));
}
