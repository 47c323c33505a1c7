//! The fold: states of messages after their entries, in every way in which a client may receive them.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use realtime_shared::fold::NAMED_USERS;
use realtime_shared::rules::{Decision, Power, Request, RoomView, Rules, TargetView, decide};
use realtime_shared::{
    Change, ChangeEntry, Content, Delete, Deleted, Edit, Emoji, EntryEvent, EntryFields, EntryId, Message,
    MessageState, Pin, Reaction, RoomChange, RoomName, RoomSettings, Seq, Text, Timestamp, UserId,
};

const USERS: [&str; 4] = ["alice", "bob", "carol", "dave"];
const EMOJIS: [&str; 3] = ["👍", "❤\u{FE0F}", ":party:"];

fn user(id: &str) -> UserId {
    UserId::new(id).expect("a user id")
}

fn text(text: &str) -> Text {
    Text::new(text).expect("a text")
}

/// An act of a user in a room. A target is the n-th newest message.
#[derive(Debug, Clone)]
enum Step {
    Post,
    Edit(usize, u8),
    Delete(usize),
    React(usize, &'static str, bool),
    Pin(usize, bool),
    Topic(u8),
}

fn step() -> impl Strategy<Value = (&'static str, Step)> {
    let target = 0..6_usize;
    let step = prop_oneof![
        4 => Just(Step::Post),
        3 => (target.clone(), 0..4_u8).prop_map(|(target, number)| Step::Edit(target, number)),
        1 => target.clone().prop_map(Step::Delete),
        6 => (target.clone(), select(&EMOJIS), any::<bool>())
            .prop_map(|(target, emoji, removed)| Step::React(target, emoji, removed)),
        1 => (target, any::<bool>()).prop_map(|(target, removed)| Step::Pin(target, removed)),
        1 => (0..3_u8).prop_map(Step::Topic),
    ];
    (select(&USERS), step)
}

/// A room's log, as an engine keeps it: the entries as stored, with tombstones, and the states of changed messages.
#[derive(Debug, Clone, Default)]
struct Log {
    entries: Vec<EntryEvent>,
    states: BTreeMap<Seq, MessageState>,
    reacted: BTreeSet<(Seq, String, UserId)>,
    settings: RoomSettings,
    /// The entries as they were announced, before later deletions.
    announced: Vec<EntryEvent>,
}

impl Log {
    fn head(&self) -> Seq {
        Seq::new(self.entries.len() as u64)
    }

    /// The stored message of a seq.
    fn raw(&self, seq: Seq) -> Option<&Message> {
        match self.entries.get(usize::try_from(seq.previous().get()).ok()?)? {
            EntryEvent::Message(message) => Some(message),
            EntryEvent::Change(_) => None,
        }
    }

    /// The message of a seq with its changes, for `viewer`.
    fn folded(&self, seq: Seq, viewer: &UserId) -> Option<Message> {
        let raw = self.raw(seq)?.clone();
        let mut message = match self.states.get(&seq) {
            Some(state) => state.restore(raw),
            None => raw,
        };
        for reaction in &mut message.reactions {
            reaction.mine = self.reacted.contains(&(seq, reaction.emoji.key().into_owned(), viewer.clone()));
        }
        Some(message)
    }

    fn messages(&self) -> Vec<Seq> {
        (1..=self.head().get()).map(Seq::new).filter(|seq| self.raw(*seq).is_some()).collect()
    }

    /// Submits an entry, as an engine does. Entries that are refused or change nothing leave no trace.
    fn submit(&mut self, from: &str, content: &Content) {
        let (from, now) = (user(from), Timestamp::from_millis(1_000 + self.head().get()));
        let target = content.target().and_then(|(seq, _)| self.folded(seq, &from));
        let emoji = match content {
            Content::Change(Change::Reaction(reaction)) => Some(reaction.emoji.key().into_owned()),
            _ => None,
        };
        let row = target.as_ref().zip(emoji).map(|(message, emoji)| (message.seq, emoji, from.clone()));
        let has_reacted = row.as_ref().is_some_and(|row| self.reacted.contains(row));
        let edits = |seq: Seq| self.states.get(&seq).map_or(0, MessageState::edits);
        let view =
            target.as_ref().map(|message| TargetView { message, edits: edits(message.seq), has_reacted });
        let room =
            RoomView { settings: &self.settings, head: self.head(), pins: 0, since_last_message: None };
        let request = Request { from: &from, power: Power::Moderator, now, content };
        if decide(&Rules::default(), &request, &room, view.as_ref()) != Ok(Decision::Store) {
            return;
        }
        let fields = EntryFields {
            room: RoomName::new("a").expect("a room's name"),
            from: from.clone(),
            seq: self.head().next(),
            id: EntryId::from_u128(u128::from(self.head().next().get())),
            ts: now,
            client_msg_id: None,
            epoch: None,
        };
        let entry = EntryEvent::new(content.clone(), fields);
        self.announced.push(entry.clone());
        self.entries.push(entry.clone());
        let EntryEvent::Change(entry) = entry else { return };
        match (&entry.change, row) {
            (Change::Room(change), _) => assert!(self.settings.apply(change, entry.seq)),
            (Change::Reaction(Reaction { removed: true, .. }), Some(row)) => {
                assert!(self.reacted.remove(&row));
            }
            (Change::Reaction(_), Some(row)) => assert!(self.reacted.insert(row)),
            _ => {}
        }
        let Some(mut message) = target else { return };
        assert!(message.apply(&entry, None), "a stored entry changes its message: {entry:?}");
        let state = MessageState::after(self.states.get(&message.seq), &entry, &message);
        self.states.insert(message.seq, state);
        if let Change::Delete(_) = entry.change {
            self.reacted.retain(|(seq, ..)| *seq != message.seq);
            for stored in &mut self.entries {
                let is_covered = match stored {
                    EntryEvent::Message(stored) => stored.seq == message.seq,
                    EntryEvent::Change(stored) => {
                        stored.change.target().is_some_and(|(target, _)| target == message.seq)
                    }
                };
                if let (true, Some(tombstone)) = (is_covered, stored.tombstone(&entry.from, entry.ts)) {
                    *stored = tombstone;
                }
            }
        }
    }

    fn apply(&mut self, from: &str, step: &Step) {
        let messages = self.messages();
        let nth = |newest: usize| messages.iter().rev().nth(newest).copied().unwrap_or(Seq::new(99));
        let content = match step {
            Step::Post => Content::message(text(&format!("message {}", self.head().next()))),
            Step::Edit(target, number) => Change::Edit(Edit {
                target: nth(*target),
                target_id: None,
                text: text(&format!("edit {number}")),
                mentions: None,
                deleted: false,
            })
            .into(),
            Step::Delete(target) => {
                Change::Delete(Delete { target: nth(*target), target_id: None, reason: None }).into()
            }
            Step::React(target, emoji, removed) => Change::Reaction(Reaction {
                target: nth(*target),
                target_id: None,
                emoji: Emoji::new(emoji).expect("an emoji"),
                removed: *removed,
            })
            .into(),
            Step::Pin(target, removed) => {
                Change::Pin(Pin { target: nth(*target), target_id: None, removed: *removed }).into()
            }
            Step::Topic(number) => Change::Room(RoomChange {
                topic: format!("topic {number}").parse().ok(),
                slow_mode: None,
                posting: None,
            })
            .into(),
        };
        self.submit(from, &content);
    }
}

impl Log {
    fn apply_all(&mut self, steps: &[(&'static str, Step)]) {
        for (from, step) in steps {
            self.apply(from, step);
        }
    }
}

/// A client that holds messages, and follows the rules for pages and live entries.
#[derive(Debug, Clone)]
struct Reader {
    me: UserId,
    messages: BTreeMap<Seq, Message>,
    settings: RoomSettings,
    /// Changes of messages that the client does not hold, while a page is on its way.
    kept: Option<Vec<ChangeEntry>>,
}

/// A page of messages, and the head when it was made.
#[derive(Debug, Clone)]
struct PageOf {
    messages: Vec<Message>,
    as_of: Seq,
}

impl Reader {
    fn new(me: &str) -> Self {
        Self { me: user(me), messages: BTreeMap::new(), settings: RoomSettings::default(), kept: None }
    }

    fn receive(&mut self, entry: &EntryEvent) {
        match entry {
            EntryEvent::Message(message) => {
                self.messages.entry(message.seq).or_insert_with(|| message.clone());
            }
            EntryEvent::Change(entry) => {
                if let Change::Room(change) = &entry.change {
                    self.settings.apply(change, entry.seq);
                }
                let Some((target, _)) = entry.change.target() else { return };
                match (self.messages.get_mut(&target), &mut self.kept) {
                    (Some(message), _) => {
                        message.apply(entry, Some(&self.me));
                    }
                    (None, Some(kept)) => kept.push(entry.clone()),
                    (None, None) => {}
                }
            }
        }
    }

    fn request(&mut self) {
        self.kept = Some(Vec::new());
    }

    fn receive_page(&mut self, page: PageOf) {
        for message in page.messages {
            match self.messages.get(&message.seq) {
                Some(held) if held.rev() >= message.rev() => {}
                _ => {
                    self.messages.insert(message.seq, message);
                }
            }
        }
        for entry in self.kept.take().unwrap_or_default() {
            if entry.seq > page.as_of {
                self.receive(&EntryEvent::Change(entry));
            }
        }
    }
}

fn page(log: &Log, viewer: &str) -> PageOf {
    let messages = log.messages().into_iter().filter_map(|seq| log.folded(seq, &user(viewer))).collect();
    PageOf { messages, as_of: log.head() }
}

fn assert_states(reader: &Reader, log: &Log) -> Result<(), TestCaseError> {
    prop_assert_eq!(reader.messages.keys().copied().collect::<Vec<_>>(), log.messages());
    for (seq, message) in &reader.messages {
        let expected = log.folded(*seq, &reader.me).expect("a message");
        prop_assert!(message.has_state_of(&expected), "{:?}\n{:?}", message, expected);
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_reader_that_received_everything_live_has_the_states_of_the_store(steps in vec(step(), 0..60)) {
        let mut log = Log::default();
        log.apply_all(&steps);
        let mut reader = Reader::new("alice");
        log.announced.iter().for_each(|entry| reader.receive(entry));
        assert_states(&reader, &log)?;
        prop_assert_eq!(&reader.settings, &log.settings);
    }

    #[test]
    fn a_replay_with_tombstones_gives_the_states_of_the_store(
        steps in vec(step(), 0..60),
        live in any::<prop::sample::Index>(),
    ) {
        let mut log = Log::default();
        log.apply_all(&steps);
        let live = live.index(log.announced.len() + 1);
        let mut reader = Reader::new("bob");
        log.announced[..live].iter().for_each(|entry| reader.receive(entry));
        log.entries[live..].iter().for_each(|entry| reader.receive(entry));
        assert_states(&reader, &log)?;
    }

    /// The page is made at one point, and arrives at another; live entries go on all the time.
    #[test]
    fn pages_and_live_entries_may_cross(
        steps in vec(step(), 1..60),
        points in any::<[prop::sample::Index; 4]>(),
    ) {
        let mut points = points.map(|point| point.index(steps.len() + 1));
        points.sort_unstable();
        let [joined, requested, made, arrived] = points;
        let (mut log, mut reader, mut on_its_way) = (Log::default(), Reader::new("carol"), None);
        for at in 0..=steps.len() {
            // A live entry may be behind the page: the reader receives it late.
            if at == requested {
                reader.request();
            }
            if at == made {
                on_its_way = Some(page(&log, "carol"));
            }
            if at == arrived {
                reader.receive_page(on_its_way.take().expect("a page"));
            }
            let Some((from, step)) = steps.get(at) else { break };
            let before = log.announced.len();
            log.apply(from, step);
            if at >= joined {
                log.announced[before..].iter().for_each(|entry| reader.receive(entry));
            }
        }
        assert_states(&reader, &log)?;
    }

    /// The page is newer than all entries that the reader has received, which arrive later.
    #[test]
    fn entries_that_a_page_has_already_have_no_effect(steps in vec(step(), 0..60), held in any::<prop::sample::Index>()) {
        let mut log = Log::default();
        log.apply_all(&steps);
        let held = held.index(log.announced.len() + 1);
        let mut reader = Reader::new("dave");
        log.announced[..held].iter().for_each(|entry| reader.receive(entry));
        reader.request();
        reader.receive_page(page(&log, "dave"));
        log.announced[held..].iter().for_each(|entry| reader.receive(entry));
        assert_states(&reader, &log)?;
    }

    #[test]
    fn a_state_survives_encoding_and_restores_the_message(steps in vec(step(), 0..60)) {
        let mut log = Log::default();
        log.apply_all(&steps);
        for (seq, state) in &log.states {
            let json = serde_json::to_string(state).expect("JSON");
            prop_assert_eq!(&serde_json::from_str::<MessageState>(&json).expect("a state"), state);
            let message = state.restore(log.raw(*seq).expect("a message").clone());
            prop_assert_eq!(message.rev(), state.rev());
            prop_assert_eq!(message.deleted.is_some(), state.is_deleted());
            prop_assert_eq!(message.pinned, state.is_pinned());
            if state.is_deleted() {
                prop_assert!(!json.contains("edit ") && state.reactions().is_empty(), "{}", json);
            }
        }
    }
}

fn message() -> Message {
    let fields = EntryFields {
        room: RoomName::new("a").expect("a room's name"),
        from: user("alice"),
        seq: Seq::new(1),
        id: EntryId::from_u128(1),
        ts: Timestamp::from_millis(1),
        client_msg_id: "m1".parse().ok(),
        epoch: None,
    };
    let mut message = Message::new(text("a secret").into(), fields);
    message.reply_to = Some(Seq::new(1));
    message
}

fn change(seq: u64, from: &str, change: Change) -> ChangeEntry {
    ChangeEntry {
        room: RoomName::new("a").expect("a room's name"),
        from: user(from),
        change,
        seq: Seq::new(seq),
        id: EntryId::from_u128(seq.into()),
        ts: Timestamp::from_millis(seq),
        client_msg_id: None,
        epoch: None,
    }
}

fn react(emoji: &str, removed: bool) -> Change {
    let emoji = Emoji::new(emoji).expect("an emoji");
    Change::Reaction(Reaction { target: Seq::new(1), target_id: None, emoji, removed })
}

#[test]
fn reactions_count_users_name_twenty_and_vanish_with_the_last() {
    let mut message = message();
    let me = user("u3");
    for number in 0..30_u64 {
        let form = if number % 2 == 0 { "❤" } else { "❤\u{FE0F}" };
        assert!(message.apply(&change(number + 2, &format!("u{number}"), react(form, false)), Some(&me)));
    }
    let [reaction] = &message.reactions[..] else { panic!("one emoji: {:?}", message.reactions) };
    assert_eq!((reaction.emoji.as_str(), reaction.count, reaction.mine), ("❤", 30, true));
    assert_eq!(reaction.users.len(), NAMED_USERS);
    assert!(message.apply(&change(40, "u3", react("❤", true)), Some(&me)));
    let reaction = &message.reactions[0];
    assert_eq!((reaction.count, reaction.mine), (29, false));
    assert!(!reaction.users.contains(&me));
    for number in (0..30_u64).filter(|number| *number != 3) {
        assert!(message.apply(&change(number + 50, &format!("u{number}"), react("❤", true)), Some(&me)));
    }
    assert_eq!(message.reactions, []);
    assert_eq!(message.rev(), Seq::new(79));
}

#[test]
fn an_entry_for_another_message_or_up_to_rev_has_no_effect() {
    let mut message = message();
    let edit = |target, text: &str| {
        let text = Text::new(text).expect("a text");
        Change::Edit(Edit { target: Seq::new(target), target_id: None, text, mentions: None, deleted: false })
    };
    assert!(!message.apply(&change(5, "alice", edit(2, "other")), None));
    assert!(message.apply(&change(5, "alice", edit(1, "five")), None));
    assert!(!message.apply(&change(5, "alice", edit(1, "again")), None));
    assert!(!message.apply(&change(4, "alice", edit(1, "four")), None));
    assert_eq!(
        (message.text.as_str(), message.rev(), message.edited_ts),
        ("five", Seq::new(5), Some(Timestamp::from_millis(5)))
    );
    let topic = RoomChange { topic: "x".parse().ok(), slow_mode: None, posting: None };
    assert!(!message.apply(&change(6, "alice", Change::Room(topic)), None));
}

#[test]
fn a_deletion_clears_the_message_and_absorbs_all_other_changes() {
    let mut message = message();
    message.apply(&change(2, "bob", react("👍", false)), None);
    message.apply(
        &change(3, "mona", Change::Pin(Pin { target: Seq::new(1), target_id: None, removed: false })),
        None,
    );
    let delete = Change::Delete(Delete { target: Seq::new(1), target_id: None, reason: None });
    assert!(message.apply(&change(4, "mona", delete.clone()), None));
    let by_mona = Deleted { by: user("mona"), ts: Timestamp::from_millis(4) };
    let expected = Message {
        text: Text::deleted(),
        deleted: Some(by_mona),
        rev: Some(Seq::new(4)),
        mentions: None,
        reactions: Vec::new(),
        pinned: false,
        edited_ts: None,
        ..message.clone()
    };
    assert_eq!(message, expected);
    assert!(!message.apply(&change(5, "bob", react("👎", false)), None));
    assert_eq!(message, expected);
}

#[test]
fn a_tombstone_keeps_the_place_of_its_entry_and_no_text() {
    let original = message();
    let tombstone = original.tombstone(&user("mona"), Timestamp::from_millis(9));
    assert_eq!(
        (
            tombstone.seq,
            tombstone.id,
            tombstone.ts,
            &tombstone.from,
            &tombstone.client_msg_id,
            tombstone.reply_to
        ),
        (original.seq, original.id, original.ts, &original.from, &original.client_msg_id, original.reply_to)
    );
    assert_eq!((tombstone.text, tombstone.rev), (Text::deleted(), None));
    let edit =
        Edit { target: Seq::new(1), target_id: None, text: text("a secret"), mentions: None, deleted: false };
    let edit = change(3, "alice", Change::Edit(edit));
    let covered = edit.tombstone().expect("an edit has a tombstone");
    assert_eq!((covered.seq, covered.id, covered.change.target()), (edit.seq, edit.id, edit.change.target()));
    let json = serde_json::to_string(&EntryEvent::Change(covered)).expect("JSON");
    assert!(
        json.contains(r#""deleted":true"#) && !json.contains("secret") && !json.contains("text"),
        "{json}"
    );
    assert_eq!(change(4, "bob", react("👍", false)).tombstone(), None);
}
