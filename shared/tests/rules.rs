//! The rules for entries, as a table: frame × sender × state.

use std::time::Duration;

use realtime_shared::codec::decode_client;
use realtime_shared::rules::{
    Decision, EDITS, EMOJI, PINS, Power, Request, RoomView, Rules, TargetView, USERS_PER_EMOJI, decide,
};
use realtime_shared::{
    ClientEvent, Content, Deleted, Emoji, EntryFields, EntryId, ErrorCode, Line, Mentions, Message,
    MessageContent, Posting, ReactionCount, RoomName, RoomSettings, Seq, SlowMode, Text, Timestamp, UserId,
};

/// The time at which the target was posted.
const POSTED: u64 = 1_000_000;
const ID: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

fn user(id: &str) -> UserId {
    UserId::new(id).expect("a user id")
}

/// The state before the entry: alice's message 7 in a room of 9 entries.
struct Situation {
    rules: Rules,
    settings: RoomSettings,
    target: Option<Message>,
    edits: u32,
    has_reacted: bool,
    pins: usize,
    since_last_message: Option<Duration>,
    from: &'static str,
    power: Power,
    age: Duration,
}

fn situation() -> Situation {
    let fields = EntryFields {
        room: RoomName::new("lobby").expect("a room's name"),
        from: user("alice"),
        seq: Seq::new(7),
        id: ID.parse().expect("an id"),
        ts: Timestamp::from_millis(POSTED),
        client_msg_id: None,
        epoch: None,
    };
    let content = MessageContent { mentions: None, ..Text::new("hello").expect("a text").into() };
    Situation {
        rules: Rules::default(),
        settings: RoomSettings::default(),
        target: Some(Message::new(content, fields)),
        edits: 0,
        has_reacted: false,
        pins: 0,
        since_last_message: None,
        from: "alice",
        power: Power::Member,
        age: Duration::from_mins(1),
    }
}

fn moderator(situation: &mut Situation) {
    (situation.from, situation.power) = ("mona", Power::Moderator);
}

fn bob(situation: &mut Situation) {
    situation.from = "bob";
}

fn target(situation: &mut Situation) -> &mut Message {
    situation.target.as_mut().expect("a target")
}

fn reaction(emoji: &str, count: u64) -> ReactionCount {
    ReactionCount { emoji: Emoji::new(emoji).expect("an emoji"), count, mine: false, users: Vec::new() }
}

fn content(frame: &str) -> Content {
    let (kind, rest) = frame.split_once(' ').expect("a kind and fields");
    let text = format!(r#"{{"type":"{kind}","room":"lobby",{rest}}}"#);
    match decode_client(&text).unwrap_or_else(|error| panic!("{text}: {error}")).event {
        ClientEvent::Post(post) => post.content,
        other => panic!("not an entry: {other:?}"),
    }
}

/// The decision as a word: `store`, `unchanged` or an error code.
fn decided(frame: &str, set: &dyn Fn(&mut Situation)) -> &'static str {
    let mut situation = situation();
    set(&mut situation);
    let Situation { rules, settings, target, edits, has_reacted, pins, since_last_message, from, power, age } =
        &situation;
    let (content, from) = (content(frame), user(from));
    let now = Timestamp::from_millis(POSTED + u64::try_from(age.as_millis()).expect("not that long"));
    let request = Request { from: &from, power: *power, now, content: &content };
    let room = RoomView { settings, head: Seq::new(9), pins: *pins, since_last_message: *since_last_message };
    let target =
        target.as_ref().map(|message| TargetView { message, edits: *edits, has_reacted: *has_reacted });
    match decide(rules, &request, &room, target.as_ref()) {
        Ok(Decision::Store) => "store",
        Ok(Decision::Unchanged) => "unchanged",
        Err(error) => {
            assert!(!error.message.is_empty());
            assert_eq!(error.retry_after.is_some(), error.code == ErrorCode::RateLimited, "{error:?}");
            error.code.as_str()
        }
    }
}

type Row<'a> = (&'static str, &'a dyn Fn(&mut Situation), &'static str);

const EDIT: &str = r#"edit "target":7,"text":"other""#;
const SAME: &str = r#"edit "target":7,"text":"hello""#;
const DELETE: &str = r#"delete "target":7"#;
const REACT: &str = r#"reaction "target":7,"emoji":"👍""#;
const UNREACT: &str = r#"reaction "target":7,"emoji":"👍","removed":true"#;
const PIN: &str = r#"pin "target":7"#;
const UNPIN: &str = r#"pin "target":7,"removed":true"#;
const TOPIC: &str = r#"room "topic":"News""#;
const POST: &str = r#"message "text":"hi""#;

fn check(rows: &[Row<'_>]) {
    for (index, (frame, set, expected)) in rows.iter().enumerate() {
        assert_eq!(decided(frame, set), *expected, "row {index}: {frame}");
    }
}

#[test]
fn only_the_author_edits_and_within_the_window() {
    let window = |situation: &mut Situation| situation.rules.edit_window = Some(Duration::from_mins(1));
    check(&[
        (EDIT, &|_| {}, "store"),
        (EDIT, &bob, "forbidden"),
        (EDIT, &moderator, "forbidden"),
        (EDIT, &move |s| window(s), "store"),
        (
            EDIT,
            &|s| (s.rules.edit_window, s.age) = (Some(Duration::from_secs(59)), Duration::from_mins(1)),
            "forbidden",
        ),
        (EDIT, &|s| s.age = Duration::from_secs(1_000_000), "store"),
        (EDIT, &|s| s.edits = EDITS - 1, "store"),
        (EDIT, &|s| s.edits = EDITS, "limit_reached"),
        (EDIT, &|s| s.settings.posting = Posting::Moderators, "store"),
    ]);
}

#[test]
fn an_edit_to_the_same_text_and_mentions_changes_nothing() {
    let mentions = |users: &[&str]| Mentions::new(users.iter().map(|id| user(id)).collect()).ok();
    check(&[
        (SAME, &|_| {}, "unchanged"),
        (SAME, &|s| s.edits = EDITS, "unchanged"),
        (SAME, &bob, "forbidden"),
        (SAME, &move |s| target(s).mentions = mentions(&["bob"]), "store"),
        (r#"edit "target":7,"text":"hello","mentions":[]"#, &|_| {}, "store"),
        (
            r#"edit "target":7,"text":"hello","mentions":["bob"]"#,
            &move |s| target(s).mentions = mentions(&["bob"]),
            "unchanged",
        ),
    ]);
}

#[test]
fn the_author_and_moderators_delete() {
    check(&[
        (DELETE, &|_| {}, "store"),
        (DELETE, &moderator, "store"),
        (DELETE, &bob, "forbidden"),
        (DELETE, &|s| s.rules.edit_window = Some(Duration::ZERO), "store"),
        (DELETE, &|s| s.settings.posting = Posting::Moderators, "store"),
    ]);
}

#[test]
fn users_that_may_post_react_within_the_bounds() {
    check(&[
        (REACT, &bob, "store"),
        (REACT, &|_| {}, "store"),
        (REACT, &|s| s.has_reacted = true, "unchanged"),
        (UNREACT, &|_| {}, "unchanged"),
        (UNREACT, &|s| s.has_reacted = true, "store"),
        (REACT, &|s| target(s).reactions = vec![reaction("👍", USERS_PER_EMOJI - 1)], "store"),
        (REACT, &|s| target(s).reactions = vec![reaction("👍", USERS_PER_EMOJI)], "limit_reached"),
        (REACT, &|s| target(s).reactions = vec![reaction("👎", USERS_PER_EMOJI)], "store"),
        (
            UNREACT,
            &|s| (s.has_reacted, target(s).reactions) = (true, vec![reaction("👍", USERS_PER_EMOJI)]),
            "store",
        ),
        (REACT, &|s| target(s).reactions = vec![reaction("👎", 1); EMOJI - 1], "store"),
        (REACT, &|s| target(s).reactions = vec![reaction("👎", 1); EMOJI], "limit_reached"),
        (
            REACT,
            &|s| {
                target(s).reactions = vec![reaction("👎", 1); EMOJI - 1];
                target(s).reactions.push(reaction("👍", 1));
            },
            "store",
        ),
        (REACT, &|s| s.settings.posting = Posting::Moderators, "forbidden"),
        (REACT, &|s| (s.settings.posting, s.power) = (Posting::Moderators, Power::Moderator), "store"),
    ]);
}

#[test]
fn moderators_pin_up_to_50_messages() {
    check(&[
        (PIN, &|_| {}, "forbidden"),
        (PIN, &moderator, "store"),
        (PIN, &|s| (s.power, target(s).pinned) = (Power::Moderator, true), "unchanged"),
        (UNPIN, &moderator, "unchanged"),
        (UNPIN, &|s| (s.power, target(s).pinned) = (Power::Moderator, true), "store"),
        (PIN, &|s| (s.power, s.pins) = (Power::Moderator, PINS - 1), "store"),
        (PIN, &|s| (s.power, s.pins) = (Power::Moderator, PINS), "limit_reached"),
        (UNPIN, &|s| (s.power, s.pins, target(s).pinned) = (Power::Moderator, PINS, true), "store"),
    ]);
}

#[test]
fn moderators_change_the_settings_of_a_room() {
    let news = |s: &mut Situation| {
        moderator(s);
        (s.settings.topic, s.settings.rev) = (Line::new("News").expect("a line"), Seq::new(3));
    };
    check(&[
        (TOPIC, &|_| {}, "forbidden"),
        (TOPIC, &moderator, "store"),
        (TOPIC, &move |s| news(s), "unchanged"),
        (r#"room "topic":"News","slow_mode":5"#, &move |s| news(s), "store"),
        (r#"room "topic":"News","slow_mode":0,"posting":"everyone""#, &move |s| news(s), "unchanged"),
        (r#"room "posting":"moderators""#, &move |s| news(s), "store"),
        // The first change is stored even if it sets the defaults.
        (r#"room "topic":"","slow_mode":0"#, &moderator, "store"),
    ]);
}

#[test]
fn posting_and_slow_mode_restrict_members() {
    let slow = |s: &mut Situation, since: u64| {
        s.settings.slow_mode = SlowMode::new(30).expect("at most a day");
        s.since_last_message = Some(Duration::from_secs(since));
    };
    check(&[
        (POST, &|_| {}, "store"),
        (POST, &|s| s.settings.posting = Posting::Moderators, "forbidden"),
        (POST, &|s| (s.settings.posting, s.power) = (Posting::Moderators, Power::Moderator), "store"),
        (POST, &move |s| slow(s, 29), "rate_limited"),
        (POST, &move |s| slow(s, 30), "store"),
        (
            POST,
            &move |s| {
                slow(s, 0);
                moderator(s);
            },
            "store",
        ),
        (EDIT, &move |s| slow(s, 0), "store"),
        (REACT, &move |s| slow(s, 0), "store"),
        (r#"message "text":"hi","reply_to":9"#, &|_| {}, "store"),
        (r#"message "text":"hi","reply_to":10"#, &|_| {}, "not_found"),
        (r#"message "text":"hi","reply_to":0"#, &|_| {}, "not_found"),
    ]);
}

#[test]
fn slow_mode_has_a_time_to_wait() {
    let (content, from) = (content(POST), user("bob"));
    let settings =
        RoomSettings { slow_mode: SlowMode::new(30).expect("at most a day"), ..RoomSettings::default() };
    let room = RoomView {
        settings: &settings,
        head: Seq::new(9),
        pins: 0,
        since_last_message: Some(Duration::from_secs(12)),
    };
    let request =
        Request { from: &from, power: Power::Member, now: Timestamp::from_millis(POSTED), content: &content };
    let error = decide(&Rules::default(), &request, &room, None).expect_err("too early");
    assert_eq!(error.retry_after, Some(Duration::from_secs(18)));
}

#[test]
fn a_missing_deleted_or_other_target_is_not_found_for_everybody() {
    let other = EntryId::from_u128(1);
    for frame in [EDIT, DELETE, REACT, UNREACT, PIN, UNPIN] {
        check(&[
            (frame, &|s| s.target = None, "not_found"),
            (
                frame,
                &|s| target(s).deleted = Some(Deleted { by: user("mona"), ts: Timestamp::from_millis(1) }),
                "not_found",
            ),
        ]);
        for set in [moderator as fn(&mut Situation), bob] {
            let gone = |s: &mut Situation| {
                set(s);
                s.target = None;
            };
            assert_eq!(decided(frame, &gone), "not_found", "{frame}");
        }
        let with_id =
            |id: &str| frame.replace("\"target\":7", &format!("\"target\":7,\"target_id\":\"{id}\""));
        assert_eq!(decided(&with_id(&other.to_string()), &moderator), "not_found", "{frame}");
        assert_eq!(decided(&with_id(ID), &moderator), decided(frame, &moderator), "{frame}");
    }
}
