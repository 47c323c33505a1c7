//! Generators of the texts that a client may send: valid frames in many layouts, and invalid texts.
//!
//! Each invalid text has exactly one defect and, if it is JSON, the expected error code.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde::de::IgnoredAny;
use serde_json::Value;

use super::frames::client_frame;
use super::writer::{Style, Writer, style};
use crate::client_event::ClientFrame;
use crate::error::ErrorCode;
use crate::field::{EMOJI_NAME_CHARS, MENTIONS};
use crate::name::{LINE_CHARS, NAME_CHARS, TEXT_CHARS, TOKEN_CHARS};

/// The fields of each `type`; true if the field is required. Every frame may have `ref`.
const FIELDS: &[(&str, &[(&str, bool)])] = &[
    ("join_room", &[("room", true), ("since", false)]),
    ("leave_room", &[("room", true)]),
    (
        "message",
        &[("room", true), ("text", true), ("reply_to", false), ("mentions", false), ("client_msg_id", false)],
    ),
    (
        "edit",
        &[
            ("room", true),
            ("target", true),
            ("target_id", false),
            ("text", true),
            ("mentions", false),
            ("client_msg_id", false),
        ],
    ),
    (
        "delete",
        &[
            ("room", true),
            ("target", true),
            ("target_id", false),
            ("reason", false),
            ("client_msg_id", false),
        ],
    ),
    (
        "reaction",
        &[
            ("room", true),
            ("target", true),
            ("target_id", false),
            ("emoji", true),
            ("removed", false),
            ("client_msg_id", false),
        ],
    ),
    (
        "pin",
        &[
            ("room", true),
            ("target", true),
            ("target_id", false),
            ("removed", false),
            ("client_msg_id", false),
        ],
    ),
    (
        "room",
        &[
            ("room", true),
            ("topic", false),
            ("slow_mode", false),
            ("posting", false),
            ("client_msg_id", false),
        ],
    ),
    ("direct", &[("user_id", true)]),
    ("read", &[("room", true), ("seq", true)]),
    ("inbox", &[("limit", false)]),
    ("search", &[("query", true), ("room", false), ("from", false), ("before", false), ("limit", false)]),
    ("typing", &[("room", true), ("is_typing", false)]),
    ("ping", &[("nonce", false)]),
    (
        "history",
        &[
            ("room", true),
            ("before", false),
            ("after", false),
            ("around", false),
            ("thread", false),
            ("pinned", false),
            ("limit", false),
        ],
    ),
    ("members", &[("room", true), ("prefix", false), ("limit", false)]),
    ("list_rooms", &[("prefix", false), ("limit", false)]),
    ("refresh", &[("token", true)]),
    ("notice", &[("message", true), ("room", false), ("user_id", false)]),
];

/// The text of a client's frame, in any layout.
pub fn valid_client_text() -> impl Strategy<Value = String> {
    written_client_frame().prop_map(|(_, text)| text)
}

/// A text that is not a client's frame: either not JSON, or JSON that is refused.
pub fn invalid_client_text() -> impl Strategy<Value = String> {
    prop_oneof![1 => not_json(), 3 => refused_client_text().prop_map(|(text, _)| text)]
}

/// A client's frame and one of its texts.
///
/// The text has its fields in any order, unknown fields and fields of other types, null for fields that are left out,
/// earlier duplicates of a field that do not count, escapes (also of lone surrogates) and white space.
pub fn written_client_frame() -> impl Strategy<Value = (ClientFrame, String)> {
    (client_frame(), layout())
        .prop_map(|(frame, layout)| {
            let text = layout.write(&fields_of(&frame), &layout.values(&frame), &[]);
            (frame, text)
        })
        .boxed()
}

/// A text that is not JSON.
pub fn not_json() -> impl Strategy<Value = String> {
    let cut = (valid_client_text(), any::<Index>()).prop_map(|(text, index)| {
        let inside = text.trim_end().char_indices().map(|(at, _)| at).collect::<Vec<_>>();
        text[..*index.get(&inside)].to_owned()
    });
    let continued = (valid_client_text(), select(&[",", "x", "{}", "]", "\0", "\u{FEFF}", "\"\""]))
        .prop_map(|(text, more)| text + more);
    let bare = select(&[
        "",
        " ",
        "nul",
        "NaN",
        "ping",
        "'ping'",
        "\u{FEFF}{}",
        "01",
        ".5",
        "1e",
        r"{'type':'ping'}",
        r#"{"type":"ping",}"#,
        r#"{"type":"ping" "nonce":"1"}"#,
        r#"{"type":"ping","nonce":"\x41"}"#,
        r#"{"type":"ping","nonce":"\ud80"}"#,
        r#"{"type":"ping","nonce":\ud800}"#,
        r#"{type:"ping"}"#,
        "{\"type\":\"ping\",\"nonce\":\"\u{1}\"}",
        "{\"type\":\"ping\",\"nonce\":\"\n\"}",
        r#"{"type":"ping"}{"type":"ping"}"#,
        r#"{"type":"ping"/**/}"#,
        "\u{1b}[2J",
    ])
    .prop_map(str::to_owned);
    let deep =
        (select(&["[", "{\"a\":", "[{\"\":["]), 1..8_000_usize).prop_map(|(open, depth)| open.repeat(depth));
    let noise =
        any::<String>().prop_filter("it is JSON", |text| serde_json::from_str::<IgnoredAny>(text).is_err());
    prop_oneof![2 => cut, 1 => continued, 2 => bare, 1 => deep, 1 => noise]
}

/// A text that is JSON and is refused, with the error code.
pub fn refused_client_text() -> impl Strategy<Value = (String, ErrorCode)> {
    let scalar =
        select(&["null", "true", "0", "-0.0", "1e999", "-1e999", "\"ping\"", "\"\\ud800\"", "[]", " [{}] "])
            .prop_map(str::to_owned);
    let large = (1..20_000_usize).prop_map(|digits| "9".repeat(digits));
    let deep = (1..20_000_usize).prop_map(|depth| "[".repeat(depth) + &"]".repeat(depth));
    let not_an_object =
        prop_oneof![4 => scalar, 1 => large, 1 => deep].prop_map(|text| (text, ErrorCode::BadRequest));
    let not_a_frame = (client_frame(), layout(), any::<Index>()).prop_map(|(frame, layout, index)| {
        let own = fields_of(&frame);
        let defects = defects(&own);
        let defect = index.get(&defects);
        let mut values = layout.values(&frame);
        for (field, value) in &defect.changes {
            values.retain(|(key, _)| key != field);
            values.extend(value.clone().map(|value| ((*field).to_owned(), value)));
        }
        (layout.write(&own, &values, &defect.changes), defect.code)
    });
    prop_oneof![1 => not_an_object, 8 => not_a_frame]
}

/// The layout of a frame's text. It does not change the content of the frame.
#[derive(Debug, Clone)]
struct Layout {
    style: Style,
    /// Sort keys of the fields.
    order: Vec<u16>,
    /// Fields that the frame's type does not have.
    unknown: Vec<(String, String)>,
    /// Values of earlier duplicates of the first fields.
    duplicates: Vec<String>,
    /// If true, fields that are left out are null.
    nulls: bool,
}

fn layout() -> impl Strategy<Value = Layout> {
    let key = prop_oneof![
        select(&["", "Type", "seq", "id", "from", "ts", "type ", "__proto__"]).prop_map(str::to_owned),
        select(&["room", "since", "text", "nonce", "limit", "after", "token", "user_id"])
            .prop_map(str::to_owned),
        "\\PC{0,20}".prop_map(|key| key + "?"),
    ];
    (style(), vec(any::<u16>(), 24), vec((key, any_json()), 0..4), vec(any_json(), 0..3), any::<bool>())
        .prop_map(|(style, order, unknown, duplicates, nulls)| Layout {
            style,
            order,
            unknown,
            duplicates,
            nulls,
        })
        .boxed()
}

/// Any JSON value.
fn any_json() -> impl Strategy<Value = String> {
    let value = select(&[
        "null",
        "false",
        "-1",
        "1e999",
        "123456789012345678901234567890",
        "\"\"",
        "\"\\ud83d\"",
        "\"\\\\ud800\"",
        "{}",
        r#"{"type":"ping","room":[{"a":1,"a":2}]}"#,
    ]);
    let deep = (0..500_usize).prop_map(|depth| "[".repeat(depth) + "{}" + &"]".repeat(depth));
    prop_oneof![4 => value.prop_map(str::to_owned), 1 => deep]
}

impl Layout {
    /// The fields of `frame` with their values as JSON text.
    fn values(&self, frame: &ClientFrame) -> Vec<(String, String)> {
        let Ok(Value::Object(fields)) = serde_json::to_value(frame) else {
            panic!("a frame is an object");
        };
        fields.iter().map(|(key, value)| (key.clone(), Writer::new(&self.style).value(value))).collect()
    }

    /// The text of `values`. `own` are the fields of the type. Fields of `changed` get no null.
    fn write(&self, own: &[(&str, bool)], values: &[(String, String)], changed: &[Change]) -> String {
        let mut fields = values.to_vec();
        let unknown = self.unknown.iter().filter(|(key, _)| own.iter().all(|(own, _)| key != own));
        fields.extend(unknown.cloned());
        if self.nulls {
            let set = |field: &str| {
                changed.iter().any(|(key, _)| *key == field) || values.iter().any(|(key, _)| key == field)
            };
            let left_out = own.iter().filter(|(field, required)| !required && !set(field));
            fields.extend(left_out.map(|(field, _)| ((*field).to_owned(), "null".to_owned())));
        }
        let mut ordered: Vec<_> = fields.into_iter().zip(&self.order).collect();
        ordered.sort_by_key(|(_, place)| **place);
        let duplicates =
            values.iter().zip(&self.duplicates).map(|((key, _), value)| (key.clone(), value.clone()));
        let fields: Vec<_> = duplicates.chain(ordered.into_iter().map(|(field, _)| field)).collect();
        Writer::new(&self.style).object(&fields)
    }
}

/// The fields of the type of `frame`, with `ref` and without `type`.
fn fields_of(frame: &ClientFrame) -> Vec<(&'static str, bool)> {
    let value = serde_json::to_value(frame).expect("JSON");
    let (_, own) = FIELDS.iter().find(|(kind, _)| value["type"] == *kind).expect("a type in the table");
    own.iter().copied().chain([("ref", false)]).collect()
}

/// A field and its new JSON text; `None` removes the field.
type Change = (&'static str, Option<String>);

/// A defect of a frame: the changes that cause it, and the expected error code.
struct Defect {
    changes: Vec<Change>,
    code: ErrorCode,
}

/// All defects of a frame with these fields.
fn defects(own: &[(&'static str, bool)]) -> Vec<Defect> {
    let one = |field, value, code| Defect { changes: vec![(field, value)], code };
    let mut defects = vec![one("type", None, ErrorCode::BadRequest)];
    for wrong in ["null", "5", "[\"ping\"]", "{}"] {
        defects.push(one("type", Some(wrong.into()), ErrorCode::BadRequest));
    }
    for unknown in
        ["\"\"", "\"PING\"", "\"ping \"", "\"system\"", "\"pong\"", "\"\\ud800ping\"", "\"a\\u0000\""]
    {
        defects.push(one("type", Some(unknown.into()), ErrorCode::UnknownType));
    }
    for &(field, required) in own {
        if required {
            defects.push(one(field, None, ErrorCode::BadRequest));
            defects.push(one(field, Some("null".into()), ErrorCode::BadRequest));
        }
        let (wrong, invalid, code) = wrong_values(field);
        defects.extend(wrong.into_iter().map(|value| one(field, Some(value), ErrorCode::BadRequest)));
        defects.extend(invalid.into_iter().map(|value| one(field, Some(value), code)));
    }
    let has = |name| own.iter().any(|(field, _)| *field == name);
    if has("after") {
        defects.push(both(("before", "1"), ("after", "0")));
        defects.push(both(("thread", "1"), ("pinned", "true")));
        for (other, value) in [("before", "1"), ("after", "1"), ("thread", "1"), ("pinned", "true")] {
            defects.push(both(("around", "1"), (other, value)));
        }
    }
    if has("user_id") && has("message") {
        defects.push(both(("room", "\"a\""), ("user_id", "\"b\"")));
    }
    if has("topic") {
        let changes = ["topic", "slow_mode", "posting"].map(|field| (field, None)).to_vec();
        defects.push(Defect { changes, code: ErrorCode::BadRequest });
    }
    defects
}

fn both(one: (&'static str, &str), other: (&'static str, &str)) -> Defect {
    let changes = [one, other].map(|(field, value)| (field, Some(value.to_owned()))).to_vec();
    Defect { changes, code: ErrorCode::BadRequest }
}

/// Values of the wrong type for `field`, invalid values of the right type, and the error code of the latter.
fn wrong_values(field: &str) -> (Vec<String>, Vec<String>, ErrorCode) {
    let not_a_string = || ["5", "1e999", "true", "[]", "{\"a\":{}}"].map(String::from).to_vec();
    let not_a_count =
        || ["-1", "1.5", "\"5\"", "1e999", "18446744073709551616", "true", "[1]"].map(String::from).to_vec();
    let with = |mut values: Vec<String>, more: Vec<String>| {
        values.extend(more);
        values
    };
    let (wrong, invalid, code) = match field {
        "room" => (not_a_string(), bad_names(), ErrorCode::InvalidRoom),
        "text" | "message" => (not_a_string(), bad_texts(), ErrorCode::InvalidText),
        "user_id" | "from" => (with(not_a_string(), bad_names()), vec![], ErrorCode::BadRequest),
        "client_msg_id" => (
            [not_a_string(), vec![json(""), json(&"ü".repeat(TOKEN_CHARS + 1))], bad_tokens()].concat(),
            vec![],
            ErrorCode::BadRequest,
        ),
        "ref" => {
            let too_long = vec![json(&"🦀".repeat(TOKEN_CHARS + 1))];
            ([not_a_string(), too_long, bad_tokens()].concat(), vec![], ErrorCode::BadRequest)
        }
        "before" | "after" | "around" | "thread" | "limit" | "seq" | "target" | "reply_to" => {
            (not_a_count(), vec![], ErrorCode::BadRequest)
        }
        "slow_mode" => (with(not_a_count(), vec!["86401".to_owned()]), vec![], ErrorCode::BadRequest),
        "is_typing" | "removed" | "pinned" => {
            (["0", "\"true\"", "[]"].map(String::from).to_vec(), vec![], ErrorCode::BadRequest)
        }
        "target_id" => (with(not_a_string(), bad_entry_ids()), vec![], ErrorCode::BadRequest),
        "emoji" => (with(not_a_string(), bad_emoji()), vec![], ErrorCode::BadRequest),
        "mentions" => (bad_mentions(), vec![], ErrorCode::BadRequest),
        "posting" => {
            let bad = ["\"\"", "\"Everyone\"", "\"nobody\""].map(String::from).to_vec();
            (with(not_a_string(), bad), vec![], ErrorCode::BadRequest)
        }
        "topic" | "reason" => (not_a_string(), bad_lines(), ErrorCode::InvalidText),
        "query" => (not_a_string(), with(bad_lines(), vec![json("")]), ErrorCode::InvalidText),
        "since" => (bad_positions(), vec![], ErrorCode::BadRequest),
        "nonce" => (with(not_a_string(), bad_tokens()), vec![], ErrorCode::BadRequest),
        "prefix" | "token" => (not_a_string(), vec![], ErrorCode::BadRequest),
        other => panic!("no wrong values for `{other}`"),
    };
    (wrong, invalid, code)
}

fn json(text: &str) -> String {
    Value::from(text).to_string()
}

fn bad_names() -> Vec<String> {
    let mut names = vec![json(&"x".repeat(NAME_CHARS + 1)), json(&"日".repeat(NAME_CHARS + 1))];
    names.extend(
        ["", " a", "a ", "\u{3000}a", "\u{1b}[2J", "a\u{200b}", "a\u{202e}b", "\u{2066}a", "a\u{feff}"]
            .map(json),
    );
    names.extend(
        [r#""a\nb""#, r#""a\u0000""#, r#""\u009b2J""#, r#""a\u202Eb""#, r#""\ud800\u0007""#, r#""a\u2028""#]
            .map(String::from),
    );
    names
}

/// Ids with characters that an id may not have.
fn bad_tokens() -> Vec<String> {
    [
        r#""\u0000""#,
        r#""a\nb""#,
        r#""\u001b[2J""#,
        r#""\u009b""#,
        r#""a\u202eb""#,
        r#""\u2066""#,
        r#""\u2028""#,
    ]
    .map(String::from)
    .to_vec()
}

fn bad_texts() -> Vec<String> {
    let mut texts = vec![json(""), json(&"x".repeat(TEXT_CHARS + 1)), json(&"🦀".repeat(TEXT_CHARS + 1))];
    texts.extend(
        [r#""a\r\n""#, r#""\u0000""#, r#""a\u001b[2J""#, r#""\u007f""#, r#""\u0085""#, r#""\udfff\b""#]
            .map(String::from),
    );
    texts
}

fn bad_lines() -> Vec<String> {
    let mut lines = vec![json(&"x".repeat(LINE_CHARS + 1)), json(&"🦀".repeat(LINE_CHARS + 1))];
    lines.extend(["a\nb", "\t", "\u{1b}[2J", "\u{85}", "\u{2028}"].map(json));
    lines
}

fn bad_entry_ids() -> Vec<String> {
    ["", "01ARZ3NDEKTSV4RRFFQ69G5FA", "8ZZZZZZZZZZZZZZZZZZZZZZZZZ", "01ARZ3NDEKTSV4RRFFQ69G5FAU"]
        .map(json)
        .to_vec()
}

fn bad_emoji() -> Vec<String> {
    let mut emoji = vec![json(&format!(":{}:", "x".repeat(EMOJI_NAME_CHARS + 1)))];
    emoji.extend(["", "a", "1", "👍👍", "👍 ", "::", ":A:", "\u{FE0F}", "👩\u{200D}"].map(json));
    emoji.push(r#""\ud83d""#.to_owned());
    emoji
}

fn bad_mentions() -> Vec<String> {
    let many: Vec<_> = (0..=MENTIONS).map(|number| format!("u{number}")).collect();
    let mut mentions = vec![serde_json::to_string(&many).expect("names")];
    mentions.extend(["5", "\"a\"", "{}", "[5]", "[null]", "[\"\"]", "[\"a\",\" b\"]"].map(String::from));
    mentions
}

fn bad_positions() -> Vec<String> {
    const ID: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
    [
        "5".to_owned(),
        "\"0\"".to_owned(),
        "{}".to_owned(),
        "{\"seq\":1}".to_owned(),
        format!(r#"{{"epoch":"e","seq":-1,"id":"{ID}"}}"#),
        format!(r#"{{"epoch":"e","seq":1.5,"id":"{ID}"}}"#),
        format!(r#"{{"epoch":null,"seq":1,"id":"{ID}"}}"#),
        format!(r#"{{"epoch":"","seq":1,"id":"{ID}"}}"#),
        format!(r#"{{"epoch":"{}","seq":1,"id":"{ID}"}}"#, "e".repeat(65)),
        r#"{"epoch":"e","seq":1,"id":"8ZZZZZZZZZZZZZZZZZZZZZZZZZ"}"#.to_owned(),
        r#"{"epoch":"e","seq":1,"id":null}"#.to_owned(),
        r#"{"epoch":"e","seq":1,"id":5}"#.to_owned(),
    ]
    .to_vec()
}
