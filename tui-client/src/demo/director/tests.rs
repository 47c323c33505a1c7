use std::collections::{BTreeMap, BTreeSet};

use super::*;

const HOUR: Duration = Duration::from_hours(1);
const MINUTE: Duration = Duration::from_mins(1);
/// Messages of a room within which none comes twice: less than its conversations have.
const AGAIN: usize = 100;

/// Plays for that long, and checks after every step what always holds. `visit` is what the visitor does at a time.
fn play(seed: u64, length: Duration, mut visit: impl FnMut(&mut Director, Duration)) -> Vec<(Duration, Cue)> {
    let mut director = Director::new(seed, Duration::ZERO);
    let mut present: BTreeSet<_> = director.entrances().into_iter().collect();
    let mut typing = BTreeMap::new();
    let mut played = Vec::new();
    loop {
        let now = director.next_at();
        if now > length {
            return played;
        }
        visit(&mut director, now);
        for cue in director.step(now) {
            let place = (cue.person, cue.room);
            match &cue.action {
                Action::Join => assert!(present.insert(place), "joined twice: {cue:?}"),
                Action::Leave => {
                    assert!(present.remove(&place), "left twice: {cue:?}");
                    let left = present.iter().filter(|(_, room)| *room == cue.room).count();
                    assert!(left >= 2, "nobody to talk to: {cue:?}");
                    assert_ne!(typing.get(&cue.person), Some(&cue.room), "left while typing: {cue:?}");
                }
                Action::Typing(is_typing) => {
                    assert!(present.contains(&place), "not there: {cue:?}");
                    if *is_typing {
                        let other = typing.insert(cue.person, cue.room);
                        assert!(other.is_none_or(|other| other == cue.room), "in two rooms: {cue:?}");
                    } else {
                        assert!(typing.remove(&cue.person).is_some(), "stopped what had not begun: {cue:?}");
                    }
                }
                Action::Say(_) => {
                    assert!(present.contains(&place), "not there: {cue:?}");
                    assert_eq!(typing.remove(&cue.person), Some(cue.room), "did not type: {cue:?}");
                }
            }
            played.push((now, cue));
        }
        assert!(director.next_at() > now, "a step leaves nothing undone");
    }
}

fn alone(_: &mut Director, _: Duration) {}

fn said(played: &[(Duration, Cue)]) -> impl Iterator<Item = (Duration, &Cue, &str)> {
    played.iter().filter_map(|(at, cue)| match &cue.action {
        Action::Say(text) => Some((*at, cue, text.as_str())),
        _ => None,
    })
}

/// What is said first in a room after the visitor said something there, 5 s after the start.
fn answer(seed: u64, room: usize, text: &str) -> Option<(usize, String)> {
    let mut told = false;
    let played = play(seed, MINUTE / 2, |director, now| {
        if now >= Duration::from_secs(5) && !told {
            told = true;
            director.visitor_said(room, 100, text, now);
        }
    });
    let answers = said(&played).filter(|(_, cue, text)| cue.room == room && text.contains("@you"));
    answers.map(|(_, cue, text)| (cue.person, text.to_owned())).next()
}

#[test]
fn the_same_seed_is_the_same_play() {
    assert_eq!(play(7, MINUTE, alone), play(7, MINUTE, alone));
    assert_ne!(play(7, MINUTE, alone), play(8, MINUTE, alone));
}

#[test]
fn no_line_comes_again_within_many_messages_of_a_room() {
    for seed in 0..6 {
        let mut director = Director::new(seed, Duration::ZERO);
        let history: Vec<_> = director.history().into_iter().map(|past| past.text).collect();
        assert_eq!(history.iter().collect::<BTreeSet<_>>().len(), history.len());

        let played = play(seed, HOUR, alone);
        for room in 0..ROOMS.len() {
            let texts: Vec<_> =
                said(&played).filter(|(_, cue, _)| cue.room == room).map(|(_, _, text)| text).collect();
            for run in texts.windows(AGAIN) {
                assert!(!run[1..].contains(&run[0]), "again: {}", run[0]);
            }
        }
    }
}

#[test]
fn every_room_is_alive_and_can_be_read() {
    for seed in 0..6 {
        let played = play(seed, HOUR, alone);
        for room in 0..ROOMS.len() {
            let times: Vec<_> =
                said(&played).filter(|(_, cue, _)| cue.room == room).map(|(at, _, _)| at).collect();
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
fn everybody_talks_leaves_and_comes_back() {
    let played = play(3, HOUR, alone);
    for person in 0..PEOPLE.len() {
        let count = |wanted: fn(&Action) -> bool| {
            played.iter().filter(|(_, cue)| cue.person == person && wanted(&cue.action)).count()
        };
        assert!(count(|action| matches!(action, Action::Say(_))) > 50);
        assert!(count(|action| *action == Action::Leave) > 5);
        assert!(count(|action| *action == Action::Join) > 5);
        assert!(count(|action| *action == Action::Typing(false)) > 0);
    }
    let first_join = played.iter().find(|(_, cue)| cue.action == Action::Join).expect("somebody comes");
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
fn typing_is_told_before_others_forget_it() {
    let played = play(5, HOUR, alone);
    let mut told: BTreeMap<usize, Duration> = BTreeMap::new();
    for (at, cue) in &played {
        match cue.action {
            Action::Typing(true) => _ = told.insert(cue.person, *at),
            Action::Say(_) => {
                let last = told.remove(&cue.person).expect("typed");
                assert!(*at < last + Duration::from_secs(6), "forgotten at {at:?}");
            }
            Action::Typing(false) | Action::Join | Action::Leave => {}
        }
    }
}

#[test]
fn history_is_there_before_the_visitor_is() {
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
fn the_visitor_is_greeted_once_where_they_come_first() {
    let mut joined = false;
    let played = play(2, Duration::from_secs(12), |director, now| {
        if !joined {
            joined = true;
            (0..ROOMS.len()).for_each(|room| director.visitor_joined(room, now));
        }
    });
    let greetings: Vec<_> = said(&played).filter(|(_, _, text)| text.contains("@you")).collect();
    assert_eq!(greetings.len(), 1, "{greetings:?}");
    assert_eq!(greetings[0].1.room, 0);
}

#[test]
fn the_visitor_is_addressed_now_and_then_while_there() {
    let here =
        play(4, HOUR, |director, now| (0..ROOMS.len()).for_each(|room| director.visitor_joined(room, now)));
    let mentions = |played: &[(Duration, Cue)], room| {
        said(played).filter(|(_, cue, text)| cue.room == room && text.contains("@you")).count()
    };
    for (room, name) in ROOMS.iter().enumerate() {
        let count = mentions(&here, room);
        assert!((3..60).contains(&count), "{count} in {name}");
    }
    let gone = play(4, HOUR, |director, now| {
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
fn who_is_asked_answers_or_is_said_to_be_away() {
    for seed in 0..40 {
        for (person, name) in PEOPLE.iter().enumerate() {
            let (who, text) = answer(seed, 2, &format!("@{name}: here?")).expect("an answer");
            assert!(who == person || text.contains(name), "{name}: {text}");
        }
    }
}

#[test]
fn what_is_told_twice_is_answered_once() {
    let mut told = 0;
    let played = play(9, MINUTE, |director, now| {
        if told < 4 {
            told += 1;
            director.visitor_said(0, 1, "hello", now);
        }
    });
    assert_eq!(said(&played).filter(|(_, _, text)| text.contains("@you")).count(), 1);
}

#[test]
fn time_that_was_missed_is_not_made_up_for() {
    let mut director = Director::new(1, Duration::ZERO);
    let now = Duration::from_hours(9);
    let cues = director.step(now);
    assert!(cues.len() < 10, "{cues:?}");
    assert!(director.next_at() > now);
}
