//! Search of messages. An engine without the feature is skipped.

use realtime_shared::{EntryEvent, Feature, Message, RoomName, Seq, Timestamp, codec};

use super::changes::{delete, edit, pin, react, reply};
use super::{EngineFixture, room, submission, user};
use crate::broker::{FoundPage, NameRange, RangeKind, RoomFilter, SearchQuery, Submission};
use crate::search::Query;

fn is_supported(fixture: &EngineFixture) -> bool {
    fixture.broker.features().contains(&Feature::Search)
}

fn query(text: &str) -> SearchQuery {
    let query = Query::parse(text);
    SearchQuery { query, room: None, from: None, before: None, limit: 100, bytes: 1 << 20 }
}

fn all_rooms() -> RoomFilter {
    RoomFilter::with_prefix(String::new())
}

async fn page(fixture: &EngineFixture, query: SearchQuery) -> FoundPage {
    fixture.broker.search(query, all_rooms(), &user("bob")).await.expect("an answer")
}

fn messages(page: &FoundPage) -> Vec<Message> {
    let decode = |frame: &std::sync::Arc<str>| match codec::decode_entry(frame) {
        Some(EntryEvent::Message(message)) => message,
        other => panic!("not a message: {other:?}"),
    };
    page.messages.iter().map(decode).collect()
}

/// The rooms and seqs of the results.
async fn found(fixture: &EngineFixture, query: SearchQuery) -> Vec<(String, u64)> {
    places(&page(fixture, query).await)
}

fn places(page: &FoundPage) -> Vec<(String, u64)> {
    assert!(page.is_complete, "{page:?}");
    messages(page).iter().map(|message| (message.room.to_string(), message.seq.get())).collect()
}

fn in_a(seqs: impl IntoIterator<Item = u64>) -> Vec<(String, u64)> {
    seqs.into_iter().map(|seq| ("a".to_owned(), seq)).collect()
}

/// Posts a message later than all before, so that their order is known.
async fn post_later(fixture: &EngineFixture, submission: Submission) -> Timestamp {
    let receipt = fixture.post(submission).await;
    while Timestamp::from_millis(millis_now()) <= receipt.ts {
        tokio::task::yield_now().await;
    }
    receipt.ts
}

fn millis_now() -> u64 {
    crate::clock::Clock::system().now().millis()
}

pub(super) async fn a_message_is_found_by_its_present_text_once_it_is_acked(fixture: &EngineFixture) {
    if !is_supported(fixture) {
        return;
    }
    assert_eq!(found(fixture, query("hello")).await, []);
    for number in 1..=20 {
        fixture.post(submission("alice", "a", &format!("Héllo number {number}"))).await;
        assert_eq!(found(fixture, query(&format!("hello {number}"))).await.len(), 1, "{number}");
    }
    let target = Seq::new(7);
    fixture.post(edit("alice", target, "Goodbye, 東京都")).await;
    assert_eq!(found(fixture, query("\"number 7\"")).await, []);
    for words in ["goodbye", "京都", "GOODB", "\"goodbye 東京\""] {
        assert_eq!(found(fixture, query(words)).await, in_a([7]), "{words}");
    }
    fixture.post(edit("alice", target, "Goodbye twice")).await;
    assert_eq!(found(fixture, query("東京")).await, []);
    assert_eq!(found(fixture, query("twice goodbye")).await, in_a([7]));
    fixture.post(delete("alice", target)).await;
    for words in ["goodbye", "twice", "hello 7", "京都"] {
        assert_eq!(found(fixture, query(words)).await, [], "{words}");
    }
    assert_eq!(found(fixture, query("hello")).await.len(), 19);
    assert_eq!(found(fixture, query("?!")).await, []);
}

pub(super) async fn results_are_the_newest_messages_with_their_changes(fixture: &EngineFixture) {
    if !is_supported(fixture) {
        return;
    }
    for text in ["one fish", "two fish", "red fish", "blue fish"] {
        post_later(fixture, submission("alice", "a", text)).await;
        post_later(fixture, submission("alice", "b", "no such thing")).await;
    }
    assert_eq!(found(fixture, query("fish")).await, in_a([4, 3, 2, 1]));
    let newest = page(fixture, SearchQuery { limit: 3, ..query("fish") }).await;
    assert_eq!((places(&newest), newest.has_more), (in_a([4, 3, 2]), true));
    let before = messages(&newest).last().map(|message| message.ts);
    let older = page(fixture, SearchQuery { limit: 3, before, ..query("fish") }).await;
    assert_eq!((places(&older), older.has_more), (in_a([1]), false));
    let exact = page(fixture, SearchQuery { limit: 4, ..query("fish") }).await;
    assert_eq!((places(&exact).len(), exact.has_more), (4, false));
    // A page has a message, whatever its size.
    let small = page(fixture, SearchQuery { bytes: 1, ..query("fish") }).await;
    assert_eq!((places(&small), small.has_more), (in_a([4]), true));

    let target = Seq::new(2);
    fixture.post(react("bob", target, false)).await;
    fixture.post(pin(target)).await;
    fixture.post(reply("bob", target)).await;
    let shown = page(fixture, query("two")).await;
    let shown = messages(&shown);
    let [message] = &*shown else { panic!("not one message: {shown:?}") };
    assert!(message.pinned && message.reactions[0].mine, "{message:?}");
    assert_eq!((message.rev, message.replies), (Some(Seq::new(6)), 1));
}

pub(super) async fn a_search_is_restricted_to_rooms_users_and_times(fixture: &EngineFixture) {
    if !is_supported(fixture) {
        return;
    }
    let mut times = Vec::new();
    for (from, to) in [("alice", "a"), ("bob", "b"), ("alice", "c"), ("bob", "a")] {
        times.push(post_later(fixture, submission(from, to, "the word")).await);
    }
    let rooms = |found: Vec<(String, u64)>| found.into_iter().map(|(room, _)| room).collect::<String>();
    let of = |query| async { rooms(found(fixture, query).await) };
    let word = || query("word");
    assert_eq!(of(word()).await, "acba");
    assert_eq!(of(SearchQuery { room: Some(room("a")), ..word() }).await, "aa");
    assert_eq!(of(SearchQuery { room: Some(room("none")), ..word() }).await, "");
    assert_eq!(of(SearchQuery { from: Some(user("alice")), ..word() }).await, "ca");
    assert_eq!(of(SearchQuery { from: Some(user("al")), ..word() }).await, "");
    assert_eq!(of(SearchQuery { before: Some(times[2]), ..word() }).await, "ba");
    assert_eq!(of(SearchQuery { room: Some(room("a")), from: Some(user("bob")), ..word() }).await, "a");
    let passing = |filter: RoomFilter| async {
        let page = fixture.broker.search(word(), filter, &user("bob")).await.expect("an answer");
        rooms(places(&page))
    };
    let range = |start: &str, kind| NameRange { start: start.to_owned(), kind };
    let only = |range, test: fn(&RoomName) -> bool| RoomFilter::of_ranges(std::iter::once(range), "", test);
    assert_eq!(passing(only(range("c", RangeKind::Exact), |_| true)).await, "c");
    assert_eq!(passing(only(range("b", RangeKind::Prefix), |_| true)).await, "b");
    assert_eq!(passing(only(range("", RangeKind::Tested), |room| room.as_str() != "a")).await, "cb");
    assert_eq!(passing(RoomFilter::of_ranges(std::iter::empty(), "", |_| true)).await, "");
    let unseen = SearchQuery { room: Some(room("a")), ..word() };
    let filter = only(range("c", RangeKind::Exact), |_| true);
    let page = fixture.broker.search(unseen, filter, &user("bob")).await.expect("an answer");
    assert_eq!(places(&page), [], "the filter counts for a room that is named, too");
}

pub(super) async fn a_message_beyond_the_retention_is_not_found(fixture: &EngineFixture) {
    if !is_supported(fixture) {
        return;
    }
    for number in 1..=9 {
        post_later(fixture, submission("alice", "a", &format!("number {number}"))).await;
    }
    assert_eq!(found(fixture, query("number")).await, in_a([9, 8, 7]));
    assert_eq!(found(fixture, query("6")).await, []);
}

/// Words of random texts, and as a naive search compares them.
const VOCABULARY: [(&str, &str); 8] = [
    ("Alpha", "alpha"),
    ("älphabet", "alphabet"),
    ("ALPINE", "alpine"),
    ("beta", "beta"),
    ("b", "b"),
    ("東京都", "東京都"),
    ("京都大", "京都大"),
    ("大", "大"),
];

type NaiveTest = Box<dyn Fn(&[&str]) -> bool>;

/// A random query and its naive test.
fn random_query(random: &mut fastrand::Rng) -> (String, NaiveTest) {
    let word = |random: &mut fastrand::Rng| VOCABULARY[random.usize(..5)];
    let (one, two) = (word(random), word(random));
    match random.u8(..5) {
        0 => (one.0.to_owned(), Box::new(move |words| words.iter().any(|word| word.starts_with(one.1)))),
        1 => {
            let part: String = two.1.chars().take(random.usize(1..4)).collect();
            let text = format!("{} {part}", one.0);
            let prefix = move |words: &[&str]| words.iter().any(|word| word.starts_with(&*part));
            (text, Box::new(move |words| words.contains(&one.1) && prefix(words)))
        }
        2 => {
            let text = format!("\"{} {}\"", one.0, two.0);
            (text, Box::new(move |words| words.windows(2).any(|pair| pair == [one.1, two.1])))
        }
        3 => {
            let part = *random.choice(["東京", "京都", "都大", "大", "京都大"].iter()).expect("one");
            (part.to_owned(), Box::new(move |words| words.iter().any(|word| word.contains(part))))
        }
        _ => {
            let text = format!("京都 {} \"{}\"", one.0, two.0);
            let has = |words: &[&str], part| words.iter().any(|word| word.contains(part));
            (
                text,
                Box::new(move |words| has(words, "京都") && words.contains(&one.1) && words.contains(&two.1)),
            )
        }
    }
}

pub(super) async fn random_searches_find_what_a_naive_search_finds(fixture: &EngineFixture) {
    if !is_supported(fixture) {
        return;
    }
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    // The words of each message of room `a`, by its seq; `None` if it was deleted.
    let mut model: Vec<(u64, Option<Vec<&str>>)> = Vec::new();
    let text = |random: &mut fastrand::Rng| {
        let words: Vec<_> = (0..random.usize(1..6)).map(|_| VOCABULARY[random.usize(..8)]).collect();
        let written: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        (written.join(" "), words.into_iter().map(|(_, word)| word).collect::<Vec<_>>())
    };
    for _ in 0..120 {
        let (written, words) = text(&mut random);
        let target = (!model.is_empty()).then(|| random.usize(..model.len()));
        match (random.u8(..6), target) {
            (0, Some(target)) if model[target].1.is_some() => {
                if fixture.post(edit("alice", Seq::new(model[target].0), &written)).await.duplicate {
                    continue;
                }
                model[target].1 = Some(words);
            }
            (1, Some(target)) if model[target].1.is_some() => {
                fixture.post(delete("alice", Seq::new(model[target].0))).await;
                model[target].1 = None;
            }
            _ => {
                let receipt = fixture.post(submission("alice", "a", &written)).await;
                model.push((receipt.seq.get(), Some(words)));
            }
        }
    }
    for _ in 0..60 {
        let (text, matches) = random_query(&mut random);
        let expected =
            model.iter().rev().filter(|(_, words)| words.as_ref().is_some_and(|words| matches(words)));
        let expected: Vec<_> = expected.map(|(seq, _)| *seq).collect();
        let limit = random.usize(1..30);
        let page = page(fixture, SearchQuery { limit, ..query(&text) }).await;
        let first = in_a(expected.iter().copied().take(limit));
        assert_eq!((places(&page), page.has_more), (first, expected.len() > limit), "{text}, seed {seed}");
    }
}
