//! What instances say to each other on a room's channel: a letter, fields on lines of their own, and what is shown last.
//!
//! Names and ids have no line break, and the JSON of a frame has none either.

use std::fmt::Write as _;
use std::str::FromStr;

use realtime_shared::{EntryId, Epoch, LeaveReason, Seq, UserId};

use crate::broker::{Recipients, Skip};

/// What is said of a room.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Announced<'a> {
    /// An entry, and the identity of the one before it.
    Entry { epoch: Epoch, seq: Seq, id: EntryId, previous: Option<EntryId>, json: &'a str },
    /// Something that is not kept.
    Signal { skip: Skip, json: &'a str },
    /// A user came: which change of who is there it was, how many are there now, and some of them.
    Joined { version: u64, count: u64, user: UserId, named: Vec<UserId> },
    /// A user went.
    Left { version: u64, count: u64, reason: LeaveReason, user: UserId },
    /// Many came at once: who is there has to be asked.
    Crowd { version: u64 },
}

impl<'a> Announced<'a> {
    /// `None`: it is no announcement of this version.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let (kind, rest) = text.split_once('\n')?;
        match kind {
            "e" => {
                let mut fields = rest.splitn(5, '\n');
                Some(Self::Entry {
                    epoch: Epoch::new(fields.next()?)?,
                    seq: number(fields.next()?).map(Seq::new)?,
                    id: fields.next()?.parse().ok()?,
                    previous: match fields.next()? {
                        "" => None,
                        id => Some(id.parse().ok()?),
                    },
                    json: fields.next()?,
                })
            }
            "s" => {
                let (skip, json) = rest.split_once('\n')?;
                Some(Self::Signal { skip: skip_from(skip)?, json })
            }
            "j" => {
                let mut fields = rest.split('\n');
                Some(Self::Joined {
                    version: number(fields.next()?)?,
                    count: number(fields.next()?)?,
                    user: UserId::new(fields.next()?).ok()?,
                    named: fields.map(|id| UserId::new(id).ok()).collect::<Option<_>>()?,
                })
            }
            "l" => {
                let mut fields = rest.split('\n');
                Some(Self::Left {
                    version: number(fields.next()?)?,
                    count: number(fields.next()?)?,
                    reason: reason_from(fields.next()?)?,
                    user: UserId::new(fields.next()?).ok()?,
                })
            }
            "m" => Some(Self::Crowd { version: number(rest)? }),
            _ => None,
        }
    }
}

/// A signal as it is announced.
pub(crate) fn signal(skip: &Skip, json: &str) -> String {
    let mut text = String::with_capacity(json.len() + 40);
    text.push_str("s\n");
    match skip {
        Skip::Nobody => {}
        Skip::User(user) => {
            let _ = write!(text, "u{user}");
        }
    }
    text.push('\n');
    text.push_str(json);
    text
}

/// Something said outside of rooms, as it is announced.
pub(crate) fn tell(to: &Recipients, json: &str) -> String {
    match to {
        Recipients::Everyone => format!("\n{json}"),
        Recipients::User(user) => format!("{user}\n{json}"),
    }
}

/// What [`tell`] made.
pub(crate) fn told(text: &str) -> Option<(Recipients, &str)> {
    let (to, json) = text.split_once('\n')?;
    let to = if to.is_empty() { Recipients::Everyone } else { Recipients::User(UserId::new(to).ok()?) };
    Some((to, json))
}

/// A reason as it is announced.
pub(crate) const fn reason(reason: LeaveReason) -> &'static str {
    match reason {
        LeaveReason::Left => "left",
        LeaveReason::Kicked => "kicked",
        LeaveReason::Disconnected | LeaveReason::Unknown => "disconnected",
    }
}

fn reason_from(text: &str) -> Option<LeaveReason> {
    [LeaveReason::Left, LeaveReason::Kicked, LeaveReason::Disconnected]
        .into_iter()
        .find(|known| reason(*known) == text)
}

fn skip_from(text: &str) -> Option<Skip> {
    match text.split_at_checked(1) {
        None => Some(Skip::Nobody),
        Some(("u", user)) => UserId::new(user).ok().map(Skip::User),
        Some(_) => None,
    }
}

/// Numbers are plain digits.
fn number<T: FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use realtime_shared::codec;
    use realtime_shared::strategies::{server_event, user_id};

    use super::*;

    proptest! {
        #[test]
        fn what_is_announced_is_understood(event in server_event(), user in user_id()) {
            let json = codec::encode(&event);
            for skip in [Skip::Nobody, Skip::User(user.clone())] {
                let announced = signal(&skip, &json);
                prop_assert_eq!(
                    Announced::parse(&announced),
                    Some(Announced::Signal { skip: skip.clone(), json: &json })
                );
            }
            for to in [Recipients::Everyone, Recipients::User(user)] {
                let said = tell(&to, &json);
                prop_assert_eq!(told(&said), Some((to.clone(), &*json)));
            }
        }

        #[test]
        fn anything_else_is_passed_over(text: String) {
            // What comes from another version, or from somebody who publishes by hand.
            let _ = (Announced::parse(&text), told(&text));
        }
    }

    #[test]
    fn what_scripts_announce_is_understood() {
        let id: EntryId = "01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().expect("an id");
        let user = |id| UserId::new(id).expect("a user id");
        assert_eq!(
            Announced::parse("e\nE1\n7\n01ARZ3NDEKTSV4RRFFQ69G5FAV\n\n{}"),
            Some(Announced::Entry {
                epoch: Epoch::new("E1").expect("an epoch"),
                seq: Seq::new(7),
                id,
                previous: None,
                json: "{}",
            })
        );
        assert_eq!(
            Announced::parse("j\n3\n2\nbob\nalice\nbob"),
            Some(Announced::Joined {
                version: 3,
                count: 2,
                user: user("bob"),
                named: vec![user("alice"), user("bob")],
            })
        );
        for why in [LeaveReason::Left, LeaveReason::Kicked, LeaveReason::Disconnected] {
            assert_eq!(
                Announced::parse(&format!("l\n3\n0\n{}\nbob", reason(why))),
                Some(Announced::Left { version: 3, count: 0, reason: why, user: user("bob") })
            );
        }
        assert_eq!(Announced::parse("m\n12"), Some(Announced::Crowd { version: 12 }));
        for bad in [
            "",
            "e",
            "e\n",
            "e\nE1\n-7\n01ARZ3NDEKTSV4RRFFQ69G5FAV\n\n{}",
            "m\n+1",
            "s\nx1\n{}",
            "l\n1\n1\nwhy\nbob",
        ] {
            assert_eq!(Announced::parse(bad), None, "{bad:?}");
        }
    }
}
