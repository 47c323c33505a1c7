//! Formats of announcements: a letter, fields on lines of their own, and the frame last.
//!
//! Names and ids have no line break, and the JSON of a frame has none either.

use std::fmt::Write as _;
use std::str::FromStr;

use realtime_shared::{EntryId, Epoch, LeaveReason, RoomName, Seq, UserId};

use crate::broker::{Concerned, Origin, Recipients, Skip, SkipConnections};
use crate::budget::Spending;

/// Stands before each field of a broadcast to connections that a room concerns. No name has it.
const FIELD: char = '\u{1}';

/// An announcement in a room's channel.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Announced<'a> {
    /// An entry, and the id of the entry before it.
    Entry { epoch: Epoch, seq: Seq, id: EntryId, previous: Option<EntryId>, json: &'a str },
    /// A signal, which is not stored.
    Signal { skip: Skip, json: &'a str },
    /// A user joined. The room has `count` members now, among them `named`.
    Joined { presence_version: u64, count: u64, user: UserId, named: Vec<UserId> },
    /// A user left.
    Left { presence_version: u64, count: u64, reason: LeaveReason, user: UserId },
    /// Many users joined at once: the receiver has to read the members.
    Crowd { presence_version: u64 },
}

impl<'a> Announced<'a> {
    /// Reads an announcement; `None` if it is not one of this version.
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
                    presence_version: number(fields.next()?)?,
                    count: number(fields.next()?)?,
                    user: UserId::new(fields.next()?).ok()?,
                    named: fields.map(|id| UserId::new(id).ok()).collect::<Option<_>>()?,
                })
            }
            "l" => {
                let mut fields = rest.split('\n');
                let left = Self::Left {
                    presence_version: number(fields.next()?)?,
                    count: number(fields.next()?)?,
                    reason: reason_from(fields.next()?)?,
                    user: UserId::new(fields.next()?).ok()?,
                };
                fields.next().is_none().then_some(left)
            }
            "m" => Some(Self::Crowd { presence_version: number(rest)? }),
            _ => None,
        }
    }
}

/// The announcement of a signal.
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

/// The announcement of a broadcast. The fields of [`Recipients::Concerned`] have a control character before each, which no
/// user id has: an instance of an earlier version ignores it.
pub(crate) fn broadcast(to: &Recipients, json: &str) -> String {
    match to {
        Recipients::Concerned(Concerned { user, room, skip }) => {
            let skip = match skip {
                SkipConnections::InRoom => String::new(),
                SkipConnections::One(Origin { instance, connection }) => format!("{instance} {connection}"),
            };
            format!("{FIELD}{user}{FIELD}{room}{FIELD}{skip}\n{json}")
        }
        Recipients::Everyone => format!("\n{json}"),
        Recipients::User(user) => format!("{user}\n{json}"),
    }
}

/// Reads the announcement of a broadcast.
pub(crate) fn parse_broadcast(text: &str) -> Option<(Recipients, &str)> {
    let (to, json) = text.split_once('\n')?;
    let to = match to.strip_prefix(FIELD) {
        Some(fields) => Recipients::Concerned(parse_concerned(fields)?),
        None if to.is_empty() => Recipients::Everyone,
        None => Recipients::User(UserId::new(to).ok()?),
    };
    Some((to, json))
}

fn parse_concerned(fields: &str) -> Option<Concerned> {
    let mut fields = fields.splitn(3, FIELD);
    let (user, room, skip) = (fields.next()?, fields.next()?, fields.next()?);
    let skip = if skip.is_empty() {
        SkipConnections::InRoom
    } else {
        let (instance, connection) = skip.split_once(' ')?;
        SkipConnections::One(Origin { instance: number(instance)?, connection: number(connection)? })
    };
    Some(Concerned { user: UserId::new(user).ok()?, room: RoomName::new(room).ok()?, skip })
}

/// The publication of what users have spent, by the instance `sender`.
pub(crate) fn spending(sender: &str, users: &[(UserId, Spending)]) -> String {
    let mut text = sender.to_owned();
    for (user, spending) in users {
        let Spending { messages, changes, deliveries, bytes, answers, connects, offences } = spending;
        let _ = write!(
            text,
            "\n{messages} {changes} {deliveries} {bytes} {answers} {connects} {offences} {user}"
        );
    }
    text
}

/// Reads such a publication: the sender, and what the users have spent.
pub(crate) fn parse_spending(text: &str) -> Option<(&str, Vec<(UserId, Spending)>)> {
    let (sender, users) = text.split_once('\n')?;
    let user = |line: &str| {
        let mut fields = line.splitn(8, ' ');
        let mut amount = || number(fields.next()?);
        let (messages, changes) = (amount()?, amount()?);
        let (deliveries, bytes) = (amount()?, amount()?);
        let (answers, connects, offences) = (amount()?, amount()?, amount()?);
        let spending = Spending { messages, changes, deliveries, bytes, answers, connects, offences };
        Some((UserId::new(fields.next()?).ok()?, spending))
    };
    Some((sender, users.split('\n').map(user).collect::<Option<_>>()?))
}

/// The name of a reason in announcements.
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
        fn announced_signals_and_broadcasts_are_read(event in server_event(), user in user_id()) {
            let json = codec::encode(&event);
            for skip in [Skip::Nobody, Skip::User(user.clone())] {
                let announced = signal(&skip, &json);
                prop_assert_eq!(
                    Announced::parse(&announced),
                    Some(Announced::Signal { skip: skip.clone(), json: &json })
                );
            }
            let concerned = |skip| {
                let room = RoomName::new(user.as_str()).expect("a name");
                Recipients::Concerned(Concerned { user: user.clone(), room, skip })
            };
            let origin = Origin { instance: u64::MAX, connection: 7 };
            for to in [
                Recipients::Everyone,
                concerned(SkipConnections::InRoom),
                concerned(SkipConnections::One(origin)),
                Recipients::User(user.clone()),
            ] {
                let text = broadcast(&to, &json);
                prop_assert_eq!(parse_broadcast(&text), Some((to.clone(), &*json)));
            }
        }

        #[test]
        fn published_spending_is_read(
            users in prop::collection::vec((user_id(), any::<[u32; 7]>()), 1..4),
        ) {
            let users: Vec<_> = users
                .into_iter()
                .map(|(user, [messages, changes, deliveries, bytes, answers, connects, offences])| {
                    (user, Spending { messages, changes, deliveries, bytes, answers, connects, offences })
                })
                .collect();
            let text = spending("sender", &users);
            prop_assert_eq!(parse_spending(&text), Some(("sender", users)));
        }

        /// Another version or another program may publish any text.
        #[test]
        fn parsing_ignores_every_text_that_is_not_a_canonical_announcement(
            kind in "[esjlmx]?",
            fields in prop::collection::vec("[a-z0-9]{0,3}|01ARZ3NDEKTSV4RRFFQ69G5FAV|left", 0..8),
            any: String,
        ) {
            let surplus = format!("l\n1\n1\nleft\n{}", fields.join("\n"));
            for text in [any, surplus, format!("{kind}\n{}", fields.join("\n"))] {
                if let Some(announced) = Announced::parse(&text) {
                    prop_assert_eq!(numbers_as_written(&text), numbers_as_written(&written(&announced)));
                }
                match parse_broadcast(&text) {
                    Some((to, json)) => prop_assert_eq!(broadcast(&to, json), text),
                    None => prop_assert!(
                        text.split_once('\n').is_none_or(|(to, _)| !to.is_empty() && UserId::new(to).is_err())
                    ),
                }
            }
        }
    }

    /// The text of an announcement, as scripts and [`signal`] write it.
    fn written(announced: &Announced<'_>) -> String {
        match announced {
            Announced::Entry { epoch, seq, id, previous, json } => {
                let previous = previous.map(|id| id.to_string()).unwrap_or_default();
                format!("e\n{epoch}\n{seq}\n{id}\n{previous}\n{json}")
            }
            Announced::Signal { skip, json } => signal(skip, json),
            Announced::Joined { presence_version, count, user, named } => {
                let users: Vec<_> = [user].into_iter().chain(named).map(UserId::as_str).collect();
                format!("j\n{presence_version}\n{count}\n{}", users.join("\n"))
            }
            Announced::Left { presence_version, count, reason: why, user } => {
                format!("l\n{presence_version}\n{count}\n{}\n{user}", reason(*why))
            }
            Announced::Crowd { presence_version } => format!("m\n{presence_version}"),
        }
    }

    /// The lines of a text, numbers without zeros in front.
    fn numbers_as_written(text: &str) -> Vec<String> {
        let line =
            |line: &str| line.parse::<u64>().map_or_else(|_| line.to_owned(), |number| number.to_string());
        text.split('\n').map(line).collect()
    }

    #[test]
    fn announcements_of_scripts_are_read() {
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
                presence_version: 3,
                count: 2,
                user: user("bob"),
                named: vec![user("alice"), user("bob")],
            })
        );
        for why in [LeaveReason::Left, LeaveReason::Kicked, LeaveReason::Disconnected] {
            assert_eq!(
                Announced::parse(&format!("l\n3\n0\n{}\nbob", reason(why))),
                Some(Announced::Left { presence_version: 3, count: 0, reason: why, user: user("bob") })
            );
        }
        assert_eq!(Announced::parse("m\n12"), Some(Announced::Crowd { presence_version: 12 }));
        for bad in [
            "",
            "a",
            "a\n",
            "a\n1 2 3 4 5 alice",
            "a\n1 2 3 4 5 6 ",
            "a\n1 2 3 4 5 6 -7 alice",
            "a\n1 2 3 4 5 6 4294967296 a",
        ] {
            assert_eq!(parse_spending(bad), None, "{bad:?}");
        }
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
