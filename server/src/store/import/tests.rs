//! Tests of import: an export is imported identically, and a faulty room not at all.

use proptest::prelude::*;
use proptest::sample::Index;
use realtime_shared::{Content, EntryEvent, EntryFields, Text};
use tempfile::TempDir;

use super::super::Archive;
use super::*;

fn directory() -> TempDir {
    TempDir::new().expect("a directory")
}

fn room(number: usize) -> RoomName {
    RoomName::new(&format!("room {number}")).expect("a room's name")
}

fn frame(room: &RoomName, seq: u64) -> String {
    let fields = EntryFields {
        room: room.clone(),
        from: UserId::new("alice").expect("a user id"),
        seq: Seq::new(seq),
        id: id(seq),
        ts: Timestamp::from_millis(seq),
        client_msg_id: None,
        epoch: (seq == 1).then(|| epoch(room)),
    };
    let text = Text::new(&format!("text {seq}")).expect("a text");
    codec::encode(&EntryEvent::new(Content::message(text), fields).into())
}

fn id(seq: u64) -> EntryId {
    EntryId::from_u128(u128::from(seq) << 70)
}

fn epoch(room: &RoomName) -> Epoch {
    Epoch::new(&format!("epoch of {room}")).expect("an epoch")
}

/// Fills a store with rooms, each given by its number of entries and how many of the oldest retention has dropped.
fn fill(directory: &TempDir, rooms: &[(u64, u64)]) {
    let writer = Store::open(directory.path()).expect("a store").into_writer().expect("a writer");
    for (number, (entries, dropped)) in rooms.iter().enumerate() {
        let name = room(number);
        let mut batch = writer.begin().expect("a batch");
        let added = batch.add_room(&name, &epoch(&name), Seq::new(1)).expect("added").expect("a room");
        for seq in 1..=*entries {
            let frame = frame(&name, seq);
            let ts = Timestamp::from_millis(seq);
            add(&mut batch, added, Seq::new(seq), id(seq), ts, None, Some(&frame)).expect("added");
        }
        if *dropped > 0 {
            batch.drop_frames(added, Seq::new(1), Seq::new(*dropped)).expect("dropped");
        }
        batch.commit().expect("committed");
    }
}

fn export(directory: &TempDir) -> Vec<u8> {
    let mut out = Vec::new();
    Archive::open(directory.path())
        .expect("a store")
        .export(&[], &mut out, &mut |_, _| ())
        .expect("exported");
    out
}

fn import_into(directory: &TempDir, mut lines: &[u8]) -> (Vec<Imported>, Result<(), ImportError>) {
    let mut all = Vec::new();
    let store = Store::open(directory.path()).expect("a store");
    let result = store.import(&mut lines, &mut |imported| all.push(imported), &mut |_, _, _| ());
    (all, result)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn an_imported_store_exports_the_same_bytes(
        rooms in prop::collection::vec((1_usize..30, any::<Index>()), 1..5),
    ) {
        let rooms: Vec<_> =
            rooms.iter().map(|(entries, dropped)| (*entries as u64, dropped.index(*entries + 1) as u64)).collect();
        let (from, to) = (directory(), directory());
        fill(&from, &rooms);
        let lines = export(&from);
        let (imported, result) = import_into(&to, &lines);
        result.expect("imported");
        prop_assert!(imported.iter().all(|room| room.new));
        prop_assert!(export(&to) == lines);
        let (again, result) = import_into(&to, &lines);
        result.expect("imported again");
        prop_assert!(again.iter().all(|room| !room.new), "{again:?}");
        prop_assert!(export(&to) == lines);
    }

    #[test]
    fn a_corrupt_line_or_a_truncated_input_imports_nothing(line in any::<Index>(), column in any::<Index>(), byte in 0_u8..0x7F) {
        let (from, to) = (directory(), directory());
        fill(&from, &[(8, 0)]);
        let whole = export(&from);
        let mut lines: Vec<Vec<u8>> = whole.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        let line = line.index(lines.len());
        let column = column.index(lines[line].len());
        lines[line][column] = byte;
        let (imported, result) = import_into(&to, &lines.concat());
        // A changed text or room name that is still valid cannot be detected.
        match result {
            Ok(()) => prop_assert_eq!(imported.len(), 1),
            Err(error) => {
                prop_assert!(imported.is_empty() && error.line >= 1 && !error.fault.contains('\n'), "{}", error);
                prop_assert!(export(&to).is_empty());
            }
        }
        // A truncated input is not taken for complete.
        let cut = &whole[..whole.len() - 1 - column];
        let to = directory();
        import_into(&to, cut).1.expect_err("cut short");
        prop_assert!(export(&to).is_empty());
    }
}

#[test]
fn a_diverging_room_is_refused_and_left_unchanged() {
    let to = directory();
    fill(&to, &[(5, 2)]);
    let before = export(&to);
    let other = |change: &dyn Fn(&str) -> String| {
        let from = directory();
        fill(&from, &[(5, 0)]);
        let lines = change(&String::from_utf8(export(&from)).expect("text"));
        let (imported, result) = import_into(&to, lines.as_bytes());
        assert!(imported.is_empty() && export(&to) == before);
        result.expect_err("refused").to_string()
    };
    let error = other(&|lines| lines.replace("epoch of room 0", "another epoch"));
    assert!(error.contains("line 1: ") && error.contains("another epoch"), "{error}");
    let error = other(&|lines| lines.replace("text 4", "text 9"));
    assert!(error.contains("line 5: ") && error.contains("entry 4"), "{error}");
    let error = other(&|lines| lines.replace(&id(1).to_string(), &id(77).to_string()));
    assert!(error.contains("line 2: "), "the id of a dropped entry is compared: {error}");

    let longer = directory();
    fill(&longer, &[(6, 0)]);
    let error = import_into(&to, &export(&longer)).1.expect_err("refused").to_string();
    assert!(error.contains("up to entry 5") && export(&to) == before, "{error}");
    let shorter = directory();
    fill(&shorter, &[(4, 0)]);
    let (imported, result) = import_into(&to, &export(&shorter));
    result.expect("it has all of that");
    assert!(!imported[0].new && export(&to) == before);
}

#[test]
fn rooms_before_the_faulty_line_are_imported() {
    let (from, to) = (directory(), directory());
    fill(&from, &[(2, 0), (2, 0)]);
    let mut lines = export(&from);
    lines.truncate(lines.len() - 10);
    let (imported, result) = import_into(&to, &lines);
    assert_eq!(result.expect_err("cut short").line, 6);
    assert_eq!(imported, [Imported { room: room(0), entries: 2, new: true }]);
    let reader = Archive::open(to.path()).expect("a store");
    let mut out = Vec::new();
    reader.export(&[room(0)], &mut out, &mut |_, _| ()).expect("it is there");
    reader.export(&[room(1)], &mut out, &mut |_, _| ()).expect_err("it is not");
}

#[test]
fn an_imported_message_keeps_its_dedup_digest() {
    let (from, to) = (directory(), directory());
    fill(&from, &[(1, 0)]);
    let lines = String::from_utf8(export(&from)).expect("text");
    let lines = lines.replace("\"type\":\"message\"", "\"type\":\"message\",\"client_msg_id\":\"mine\"");
    import_into(&to, lines.as_bytes()).1.expect("imported");
    let store = Store::open(to.path()).expect("a store");
    let known = store.reader().expect("a reader").read(|view| {
        let (row, _) = view.room(&room(0))?.expect("the room");
        view.dedup_digests((row.id.start(), row.id.end()))
    });
    let (from, mine) = (UserId::new("alice").expect("a user id"), ClientMsgId::new("mine").expect("an id"));
    assert_eq!(known.expect("readable"), [(Seq::new(1), digest(&from, &mine))]);
}

#[test]
fn a_room_with_seqs_that_no_entry_has_is_refused() {
    for (first, head) in [(1, u64::MAX), (u64::MAX, u64::MAX), ((1 << 35) + 1, 1 << 35)] {
        let header = Header {
            format: 1,
            room: room(0),
            epoch: epoch(&room(0)),
            first: Seq::new(first),
            head: Seq::new(head),
            head_id: id(1),
            head_ts: Timestamp::from_millis(1),
        };
        let lines = serde_json::to_string(&header).expect("JSON") + "\n";
        let to = directory();
        let (imported, result) = import_into(&to, lines.as_bytes());
        result.expect_err("refused");
        assert!(imported.is_empty() && export(&to).is_empty(), "{first} to {head}");
    }
}

/// Lines of a room whose second of three entries is of a kind that no version knows.
fn lines_with_an_unknown_kind() -> String {
    let from = directory();
    fill(&from, &[(3, 0)]);
    let sticker = format!(
        r#"{{"type":"x-sticker","seq":2,"room":"room 0","of":{{"a":[1e3]}},"ts":2,"id":"{}","from":"alice","client_msg_id":"mine","t":"\ud83d"}}"#,
        id(2)
    );
    let lines = String::from_utf8(export(&from)).expect("text");
    lines.replace(&frame(&room(0), 2), &sticker)
}

#[test]
fn an_entry_of_an_unknown_kind_comes_in_byte_for_byte() {
    let to = directory();
    let lines = lines_with_an_unknown_kind();
    assert!(lines.contains("x-sticker"));
    let (imported, result) = import_into(&to, lines.as_bytes());
    result.expect("imported");
    assert_eq!(imported, [Imported { room: room(0), entries: 3, new: true }]);
    let exported = String::from_utf8(export(&to)).expect("text");
    assert_eq!(exported, lines.replacen(r#""format":1"#, r#""format":2"#, 1));
    let (again, result) = import_into(&to, lines.as_bytes());
    result.expect("imported again");
    assert!(!again[0].new);

    let store = Store::open(to.path()).expect("a store");
    let known = store.reader().expect("a reader").read(|view| {
        let (row, _) = view.room(&room(0))?.expect("the room");
        view.dedup_digests((row.id.start(), row.id.end()))
    });
    let (from, mine) = (UserId::new("alice").expect("a user id"), ClientMsgId::new("mine").expect("an id"));
    assert_eq!(
        known.expect("readable"),
        [(Seq::new(2), digest(&from, &mine))],
        "known when it is sent again"
    );
}

#[test]
fn a_line_that_is_no_entry_is_refused() {
    let lines = lines_with_an_unknown_kind();
    for (was, becomes) in [
        (r#""type":"x-sticker""#, r#""type":"ack","epoch":"e","duplicate":false"#),
        (r#""type":"x-sticker""#, r#""kind":"x-sticker""#),
        (r#""seq":2"#, r#""seq":3"#),
        (r#""seq":2"#, r#""nr":2"#),
        (r#""ts":2,"#, ""),
        (r#""room":"room 0","of""#, r#""room":"room 1","of""#),
    ] {
        let changed = lines.replacen(was, becomes, 1);
        assert_ne!(changed, lines, "{was}");
        let to = directory();
        let (imported, result) = import_into(&to, changed.as_bytes());
        let error = result.expect_err(becomes);
        assert!(imported.is_empty() && export(&to).is_empty(), "{becomes}: {error}");
        assert_eq!(error.line, 3, "{becomes}: {error}");
    }
}
