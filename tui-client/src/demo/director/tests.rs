use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::history::{DAY, HISTORY};
use super::*;

const HOUR: Duration = Duration::from_hours(1);
const MINUTE: Duration = Duration::from_mins(1);
/// Messages of a room among which none is repeated: fewer than its conversations have.
const AGAIN: usize = 100;

/// Runs a director for `length`, and checks the invariants after every step. `visit` acts as the visitor.
fn run(seed: u64, length: Duration, mut visit: impl FnMut(&mut Director, Duration)) -> Vec<(Duration, Cue)> {
    let mut director = Director::new(seed, Duration::ZERO);
    let mut present: BTreeSet<_> = director.entrances().into_iter().collect();
    let mut typing = BTreeMap::new();
    let mut cues = Vec::new();
    loop {
        let now = director.next_at();
        if now > length {
            return cues;
        }
        visit(&mut director, now);
        for cue in director.step(now) {
            let place = (cue.person, cue.room);
            match &cue.action {
                CueAction::Join => assert!(present.insert(place), "joined twice: {cue:?}"),
                CueAction::Leave => {
                    assert!(present.remove(&place), "left twice: {cue:?}");
                    let left = present.iter().filter(|(_, room)| *room == cue.room).count();
                    assert!(left >= 2, "fewer than two people stay: {cue:?}");
                    assert_ne!(typing.get(&cue.person), Some(&cue.room), "left while typing: {cue:?}");
                }
                CueAction::Typing(is_typing) => {
                    assert!(present.contains(&place), "not there: {cue:?}");
                    if *is_typing {
                        let other = typing.insert(cue.person, cue.room);
                        assert!(other.is_none_or(|other| other == cue.room), "typing in two rooms: {cue:?}");
                    } else {
                        assert!(
                            typing.remove(&cue.person).is_some(),
                            "stopped typing without a start: {cue:?}"
                        );
                    }
                }
                CueAction::Send(_) => {
                    assert!(present.contains(&place), "not there: {cue:?}");
                    assert_eq!(typing.remove(&cue.person), Some(cue.room), "sent without typing: {cue:?}");
                }
            }
            cues.push((now, cue));
        }
        assert!(director.next_at() > now, "a due action is left");
    }
}

fn no_visitor(_: &mut Director, _: Duration) {}

fn messages(cues: &[(Duration, Cue)]) -> impl Iterator<Item = (Duration, &Cue, &str)> {
    cues.iter().filter_map(|(at, cue)| match &cue.action {
        CueAction::Send(text) => Some((*at, cue, text.as_str())),
        _ => None,
    })
}

/// The first message in a room after the visitor's message there, 5 s after the start.
fn answer(seed: u64, room: usize, text: &str) -> Option<(usize, String)> {
    let mut told = false;
    let cues = run(seed, MINUTE / 2, |director, now| {
        if now >= Duration::from_secs(5) && !told {
            told = true;
            director.visitor_said(room, 100, text, now);
        }
    });
    let answers = messages(&cues).filter(|(_, cue, text)| cue.room == room && text.contains("@you"));
    answers.map(|(_, cue, text)| (cue.person, text.to_owned())).next()
}

#[test]
fn the_same_seed_gives_the_same_cues() {
    assert_eq!(run(7, MINUTE, no_visitor), run(7, MINUTE, no_visitor));
    assert_ne!(run(7, MINUTE, no_visitor), run(8, MINUTE, no_visitor));
}

#[test]
fn no_line_is_repeated_within_many_messages_of_a_room() {
    for seed in 0..6 {
        let mut director = Director::new(seed, Duration::ZERO);
        let history: Vec<_> = director.history().into_iter().map(|past| past.text).collect();
        assert_eq!(history.iter().collect::<BTreeSet<_>>().len(), history.len());

        let cues = run(seed, HOUR, no_visitor);
        for room in 0..ROOMS.len() {
            let texts: Vec<_> =
                messages(&cues).filter(|(_, cue, _)| cue.room == room).map(|(_, _, text)| text).collect();
            for run in texts.windows(AGAIN) {
                assert!(!run[1..].contains(&run[0]), "again: {}", run[0]);
            }
        }
    }
}

#[test]
fn every_room_has_messages_at_a_readable_pace() {
    for seed in 0..6 {
        let cues = run(seed, HOUR, no_visitor);
        for room in 0..ROOMS.len() {
            let times: Vec<_> =
                messages(&cues).filter(|(_, cue, _)| cue.room == room).map(|(at, _, _)| at).collect();
            assert!(times[0] < Duration::from_secs(20), "first message at {:?}", times[0]);
            for pair in times.windows(2) {
                assert!(pair[1] < pair[0] + MINUTE, "silent from {:?}", pair[0]);
            }
            for crowd in times.windows(4) {
                assert!(crowd[3] > crowd[0] + Duration::from_secs(3), "too fast at {:?}", crowd[0]);
            }
            for crowd in times.windows(25) {
                assert!(crowd[24] > crowd[0] + MINUTE, "too much at {:?}", crowd[0]);
            }
        }
    }
}

#[test]
fn everybody_sends_leaves_and_returns() {
    let cues = run(3, HOUR, no_visitor);
    for person in 0..PEOPLE.len() {
        let count = |wanted: fn(&CueAction) -> bool| {
            cues.iter().filter(|(_, cue)| cue.person == person && wanted(&cue.action)).count()
        };
        assert!(count(|action| matches!(action, CueAction::Send(_))) > 50);
        assert!(count(|action| *action == CueAction::Leave) > 5);
        assert!(count(|action| *action == CueAction::Join) > 5);
        assert!(count(|action| *action == CueAction::Typing(false)) > 0);
    }
    let first_join = cues.iter().find(|(_, cue)| cue.action == CueAction::Join).expect("somebody comes");
    assert!(first_join.0 < MINUTE);
}

#[test]
fn typing_takes_as_long_as_the_text() {
    let mut random = fastrand::Rng::with_seed(1);
    let mut length = |text: &str| {
        let text = Text::new(text).expect("a text");
        (0..50).map(|_| Speech::new(0, text.clone(), Duration::ZERO, &mut random).done_at()).sum::<Duration>()
    };
    let (short, middle, long, pasted) =
        (length("ok"), length(&"x".repeat(60)), length(&"x".repeat(120)), length(&"x".repeat(4_000)));
    assert!(short * 2 < middle && middle < long);
    assert!(pasted < long * 2);
}

#[test]
fn typing_signals_are_repeated_before_they_expire() {
    let cues = run(5, HOUR, no_visitor);
    let mut told: BTreeMap<usize, Duration> = BTreeMap::new();
    for (at, cue) in &cues {
        match cue.action {
            CueAction::Typing(true) => _ = told.insert(cue.person, *at),
            CueAction::Send(_) => {
                let last = told.remove(&cue.person).expect("typed");
                assert!(*at < last + Duration::from_secs(6), "forgotten at {at:?}");
            }
            CueAction::Typing(false) | CueAction::Join | CueAction::Leave => {}
        }
    }
}

#[test]
fn the_history_is_complete_and_ordered() {
    let mut director = Director::new(11, Duration::ZERO);
    let entrances = director.entrances();
    let history = director.history();
    assert!(history.is_sorted_by_key(|past| Reverse(past.ago)), "the oldest comes first");
    for room in 0..ROOMS.len() {
        let lines: Vec<_> = history.iter().filter(|past| past.room == room).collect();
        for (days, enough) in HISTORY {
            let day = DAY * days..DAY * (days + 1);
            let count = lines.iter().filter(|past| day.contains(&past.ago)).count();
            assert!((enough..enough + 20).contains(&count), "{count} {days} days ago");
        }
        assert!(lines.iter().all(|past| entrances.contains(&(past.person, room))));
        assert!(lines.iter().all(|past| !past.text.as_str().contains("@you")));
        assert!(lines.iter().map(|past| past.person).collect::<BTreeSet<_>>().len() > 1);
    }
}

#[test]
fn the_visitor_is_greeted_once_in_the_first_room() {
    let mut joined = false;
    let cues = run(2, Duration::from_secs(12), |director, now| {
        if !joined {
            joined = true;
            (0..ROOMS.len()).for_each(|room| director.visitor_joined(room, now));
        }
    });
    let greetings: Vec<_> = messages(&cues).filter(|(_, _, text)| text.contains("@you")).collect();
    assert_eq!(greetings.len(), 1, "{greetings:?}");
    assert_eq!(greetings[0].1.room, 0);
}

#[test]
fn a_present_visitor_is_mentioned_now_and_then() {
    let here =
        run(4, HOUR, |director, now| (0..ROOMS.len()).for_each(|room| director.visitor_joined(room, now)));
    let mentions = |cues: &[(Duration, Cue)], room| {
        messages(cues).filter(|(_, cue, text)| cue.room == room && text.contains("@you")).count()
    };
    for (room, name) in ROOMS.iter().enumerate() {
        let count = mentions(&here, room);
        assert!((3..60).contains(&count), "{count} in {name}");
    }
    let gone = run(4, HOUR, |director, now| {
        director.visitor_joined(0, now);
        director.visitor_left(0);
    });
    assert_eq!(mentions(&gone, 1) + mentions(&gone, 2), 0);
}

#[test]
fn the_visitor_is_answered() {
    let kinds = ["hello!", "thanks @sam", "does this build?", "let x = `1`", "and then there were two"];
    for (index, text) in (0..).zip(kinds.iter().cycle().take(40)) {
        let answered = answer(index, 1, text);
        assert!(answered.is_some() || index % 5 == 4, "no answer to {text}");
    }
    assert!((0..20).any(|seed| answer(seed, 1, "and then there were two").is_some()));
}

#[test]
fn a_mentioned_person_answers_or_is_reported_away() {
    for seed in 0..40 {
        for (person, name) in PEOPLE.iter().enumerate() {
            let (who, text) = answer(seed, 2, &format!("@{name}: here?")).expect("an answer");
            assert!(who == person || text.contains(name), "{name}: {text}");
        }
    }
}

#[test]
fn a_repeated_report_is_answered_once() {
    let mut told = 0;
    let cues = run(9, MINUTE, |director, now| {
        if told < 4 {
            told += 1;
            director.visitor_said(0, 1, "hello", now);
        }
    });
    assert_eq!(messages(&cues).filter(|(_, _, text)| text.contains("@you")).count(), 1);
}

#[test]
fn missed_time_is_not_made_up_for() {
    let mut director = Director::new(1, Duration::ZERO);
    let now = Duration::from_hours(9);
    let cues = director.step(now);
    assert!(cues.len() < 10, "{cues:?}");
    assert!(director.next_at() > now);
}
