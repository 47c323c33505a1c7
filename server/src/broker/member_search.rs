//! Search for members by a prefix, for the engines of one process.
//!
//! A search holds the lock of the presence for a turn of [`TURN`] members, and continues behind the last one. So joins and
//! leaves wait for one turn at most.

use std::ops::Bound;

use realtime_shared::UserId;

use super::member_prefix::{MAX_SKIPS, MemberPrefix, Place};
use super::member_set::MemberSet;

/// Members that are looked at in one turn.
const TURN: usize = 64;

/// A search that may not have ended.
pub(super) struct MemberSearch<'a> {
    prefix: &'a MemberPrefix,
    /// Matches that end the search.
    wanted: usize,
    start: Bound<String>,
    found: Vec<UserId>,
    skips: usize,
}

impl<'a> MemberSearch<'a> {
    /// A search for `limit` members, and for one more as a sign that there are more.
    pub(super) fn new(prefix: &'a MemberPrefix, limit: usize) -> Self {
        let (wanted, start) = (limit.saturating_add(1), Bound::Included(prefix.start()));
        Self { prefix, wanted, start, found: Vec::new(), skips: 0 }
    }

    /// Looks at the next members. Returns true at the end.
    pub(super) fn turn(&mut self, members: &MemberSet) -> bool {
        let mut looked_at = 0;
        while looked_at < TURN {
            let start = std::mem::replace(&mut self.start, Bound::Unbounded);
            let mut after = None;
            let mut place = Place::End;
            for member in members.from(start.as_ref().map(String::as_str)) {
                looked_at += 1;
                place = self.prefix.place_of(member.as_str());
                if place != Place::Match {
                    break;
                }
                self.found.push(member.clone());
                if self.found.len() >= self.wanted {
                    return true;
                }
                after = Some(member);
                if looked_at >= TURN {
                    break;
                }
            }
            self.start = match (place, after) {
                (Place::Match, Some(after)) => Bound::Excluded(after.as_str().to_owned()),
                (Place::Next(start), _) => Bound::Included(start),
                (Place::Match | Place::End, _) => return true,
            };
            if let Bound::Included(_) = self.start {
                self.skips += 1;
                if self.skips > MAX_SKIPS {
                    return true;
                }
            }
        }
        false
    }

    /// At most `limit` members, and true if there are or may be more.
    pub(super) fn finish(mut self) -> (Vec<UserId>, bool) {
        let has_more = self.found.len() >= self.wanted || self.skips > MAX_SKIPS;
        self.found.truncate(self.wanted - 1);
        (self.found, has_more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number of turns of a search.
    fn turns(members: &MemberSet, prefix: &str, limit: usize) -> (usize, Vec<String>, bool) {
        let prefix = MemberPrefix::new(prefix);
        let mut search = MemberSearch::new(&prefix, limit);
        let mut turns = 1;
        while !search.turn(members) {
            turns += 1;
        }
        let (found, has_more) = search.finish();
        (turns, found.iter().map(|user| user.as_str().to_owned()).collect(), has_more)
    }

    fn room_of(ids: impl Iterator<Item = String>) -> MemberSet {
        let mut members = MemberSet::default();
        for id in ids {
            members.insert(&UserId::new(&id).expect("a user id"));
        }
        members
    }

    #[test]
    fn a_search_looks_at_its_answer_and_not_at_the_room() {
        let members = room_of((0..100_000).map(|number| format!("user{number:06}")));
        for (prefix, limit, expected, found, has_more) in [
            ("user01234", 20, 1, 10, false),
            ("USER0", 20, 1, 20, true),
            ("", 500, 8, 500, true),
            ("user099999", 20, 1, 1, false),
            ("zoe", 20, 1, 0, false),
        ] {
            let (turns, names, more) = turns(&members, prefix, limit);
            assert_eq!((turns, names.len(), more), (expected, found, has_more), "{prefix:?}");
        }
    }

    #[test]
    fn a_search_among_the_worst_names_ends_after_a_few_turns() {
        let name = |number: u32| {
            let case = |nth: u32| if number >> nth & 1 == 0 { 'a' } else { 'A' };
            (0..16).map(case).chain(['b']).collect::<String>()
        };
        let members = room_of((0..65_536).map(name));
        let (turns, names, has_more) = turns(&members, "aaaaaaaaaaaaaaaac", 20);
        assert_eq!((names.len(), has_more), (0, true));
        assert_eq!(turns, MAX_SKIPS / TURN + 1);
    }
}
