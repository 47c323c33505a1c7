//! Keys and channels in Redis.
//!
//! All keys of a room, and its channel, have the room's name between braces. All others have a word there that cannot
//! be a room name. A cluster keeps the keys with the same text between braces on one node, and a script can use only
//! keys of one node. All keys begin with the prefix of the configuration.
//!
//! | key | type | content |
//! | --- | --- | --- |
//! | `realtime:{room}:log` | stream | the entries, `seq-0` → `i` id, `t` time, `f` frame |
//! | `realtime:{room}:meta` | hash | `epoch` of the log, `people`: presence version, `settings` → `rev id time JSON` of the newest `room` entry, `changed`: the room has one of the next eight keys |
//! | `realtime:{room}:moved` | sorted set | entries that were moved out of the stream, `seq id time frame` by seq |
//! | `realtime:{room}:others` | sorted set | entries that are not messages, `seq:target` by seq |
//! | `realtime:{room}:states` | hash | seq of a changed message → `rev id time edits JSON`: its newest change, the seqs of its edits, its state |
//! | `realtime:{room}:reacted:<seq>` | hash | user → emoji with which the user has reacted to the message, one a line |
//! | `realtime:{room}:answers` | sorted set | replies, `seq:seq` of the message and the reply |
//! | `realtime:{room}:replies` | hash | seq of a message → number of replies that are not deleted |
//! | `realtime:{room}:pins` | sorted set | seqs of pinned messages |
//! | `realtime:{room}:slow:<user>` | string | time of the user's newest message in slow mode; expires |
//! | `realtime:{room}:known:0`, `:1` | hash | digest → `seq:time:id`, in turn for 10,000 entries each |
//! | `realtime:{room}:upload:<number>:log`, … | as above | an import that is not complete; expires |
//! | `realtime:{room}:members` | sorted set | user → number of instances |
//! | `realtime:{room}:instances` | set | instances with a member |
//! | `realtime:{room}:at:<instance>` | set | members on that instance |
//! | `realtime:{%live}:beats` | hash | instance → counter that increases while it runs |
//! | `realtime:{%live}:versions` | hash | instance → version of its program |
//! | `realtime:{%live}:online` | hash | instance → connections |
//! | `realtime:{%live}:online:<instance>` | hash | user → connections |
//! | `realtime:{%live}:rooms:<instance>` | set | rooms that are open on that instance |
//! | `realtime:{%live}:claim:<digest>` | hash | instances that pass on a publication of the relay channel |
//! | `realtime:{%live}:probe:<instance>` | string | the number of its last probe; expires |
//! | `realtime:{%live}:sweep` | string | instance whose turn it is to drop old entries |
//! | `realtime:{%live}:swept` | hash | `at`: time of the last sweep, `retain`: its limits, `messages`: messages kept of a room |
//! | `realtime:{%live}:founded:<user>` | hash | `n`: rooms that the user has founded since `t`; expires |
//! | `realtime:{%rooms}:founded` | set | rooms that have an entry; a sweep compares it with them, and adds them to the set of all rooms |
//! | `realtime:{%rooms}` | set | all rooms that have an entry or a member, and for a minute those that had one; the empty name marks a set that was not lost |

use std::fmt::Write as _;

use realtime_shared::{RoomName, UserId};

/// Keys and channels under a prefix.
#[derive(Debug)]
pub(crate) struct Keys {
    prefix: String,
}

impl Keys {
    pub(crate) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    /// The prefix of all keys.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The channel of a room; the room's keys begin with it.
    pub(crate) fn channel(&self, room: &RoomName) -> String {
        let mut channel = String::with_capacity(self.prefix.len() + room.as_str().len() + 3);
        channel.push_str(&self.prefix);
        channel.push_str(":{");
        for letter in room.as_str().chars() {
            // The escaped name has no braces, and is unique for each room.
            if matches!(letter, '{' | '}' | '%') {
                let _ = write!(channel, "%{:02x}", u32::from(letter));
            } else {
                channel.push(letter);
            }
        }
        channel.push('}');
        channel
    }

    pub(crate) fn beats(&self) -> String {
        self.live("beats")
    }

    pub(crate) fn versions(&self) -> String {
        self.live("versions")
    }

    pub(crate) fn online(&self) -> String {
        self.live("online")
    }

    /// The prefix of [`Keys::online_at`].
    pub(crate) fn online_prefix(&self) -> String {
        self.live("online:")
    }

    pub(crate) fn online_at(&self, instance: &str) -> String {
        self.live("online:") + instance
    }

    pub(crate) fn rooms_at(&self, instance: &str) -> String {
        self.live("rooms:") + instance
    }

    pub(crate) fn claim(&self, digest: &str) -> String {
        self.live("claim:") + digest
    }

    pub(crate) fn sweep(&self) -> String {
        self.live("sweep")
    }

    pub(crate) fn swept(&self) -> String {
        self.live("swept")
    }

    /// The count of the rooms that a user has founded.
    pub(crate) fn founded(&self, user: &UserId) -> String {
        self.live("founded:") + user.as_str()
    }

    /// The channel of broadcasts.
    pub(crate) fn broadcasts(&self) -> String {
        self.live("tells")
    }

    /// The channel of what users have spent of their budgets.
    pub(crate) fn spending(&self) -> String {
        self.live("spent")
    }

    /// The channel of the states of rooms that an instance has changed.
    pub(crate) fn room_changes(&self) -> String {
        self.live("listed")
    }

    /// The channel and the key of an instance's probe.
    pub(crate) fn probe(&self, instance: &str) -> String {
        self.live("probe:") + instance
    }

    pub(crate) fn rooms(&self) -> String {
        format!("{}:{{%rooms}}", self.prefix)
    }

    /// The glob of the keys of all logs.
    pub(crate) fn log_pattern(&self) -> String {
        let mut pattern = String::with_capacity(self.prefix.len() + 9);
        for letter in self.prefix.chars() {
            if matches!(letter, '*' | '?' | '[' | ']' | '^' | '\\') {
                pattern.push('\\');
            }
            pattern.push(letter);
        }
        pattern.push_str(":{*}:log");
        pattern
    }

    /// The room of the key of a log; `None` for another key.
    pub(crate) fn room_of_log(&self, key: &str) -> Option<RoomName> {
        let escaped = key.strip_prefix(&*self.prefix)?.strip_prefix(":{")?.strip_suffix("}:log")?;
        let mut parts = escaped.split('%');
        let mut name = parts.next()?.to_owned();
        for part in parts {
            let (code, rest) = part.split_at_checked(2)?;
            name.push(u8::from_str_radix(code, 16).ok()?.into());
            name.push_str(rest);
        }
        RoomName::new(&name).ok().filter(|room| log(&self.channel(room)) == key)
    }

    pub(crate) fn founded_rooms(&self) -> String {
        self.rooms() + ":founded"
    }

    fn live(&self, name: &str) -> String {
        format!("{}:{{%live}}:{name}", self.prefix)
    }
}

/// The keys of a room, by its channel.
pub(crate) fn log(channel: &str) -> String {
    format!("{channel}:log")
}

pub(crate) fn meta(channel: &str) -> String {
    format!("{channel}:meta")
}

/// One of the two generations of the dedup table.
pub(crate) fn known(channel: &str, generation: u8) -> String {
    format!("{channel}:known:{generation}")
}

/// Entries that were moved out of the stream.
pub(crate) fn moved(channel: &str) -> String {
    format!("{channel}:moved")
}

/// Entries that are not messages.
pub(crate) fn others(channel: &str) -> String {
    format!("{channel}:others")
}

pub(crate) fn members(channel: &str) -> String {
    format!("{channel}:members")
}

pub(crate) fn instances(channel: &str) -> String {
    format!("{channel}:instances")
}

pub(crate) fn at(channel: &str, instance: &str) -> String {
    format!("{channel}:at:{instance}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use realtime_shared::strategies::room_name;

    use super::*;

    /// The hash tag: the text between the first brace and the next one that closes.
    fn tag(key: &str) -> &str {
        let (_, rest) = key.split_once('{').expect("a brace");
        rest.split_once('}').expect("a brace that closes").0
    }

    proptest! {
        #[test]
        fn keys_of_a_room_share_a_slot_and_no_two_rooms_share_a_key(a in room_name(), b in room_name()) {
            let keys = Keys::new("realtime");
            let (one, other) = (keys.channel(&a), keys.channel(&b));
            prop_assert_eq!(a == b, one == other);
            prop_assert_eq!(keys.room_of_log(&log(&one)), Some(a.clone()));
            prop_assert_eq!(keys.room_of_log(&meta(&one)), None);
            let (live, all) = (keys.beats(), keys.rooms());
            let logged = [log(&one), meta(&one), known(&one, 0), moved(&one), others(&one)];
            for key in logged.into_iter().chain([members(&one), instances(&one), at(&one, "i")]) {
                prop_assert_eq!(tag(&key), tag(&one));
                prop_assert_ne!(tag(&key), tag(&live));
                prop_assert_ne!(tag(&key), tag(&all));
            }
        }
    }

    #[test]
    fn braces_of_a_name_are_escaped() {
        let keys = Keys::new("chat");
        let room = RoomName::new("a {b} %").expect("a room's name");
        assert_eq!(log(&keys.channel(&room)), "chat:{a %7bb%7d %25}:log");
        assert_eq!(tag(&keys.online_at("i")), tag(&keys.beats()));
        for foreign in
            ["chat:{%live}:log", "chat:{%trial}:log", "chat:{%7}:log", "chat:{%7B}:log", "other:{a}:log"]
        {
            assert_eq!(keys.room_of_log(foreign), None, "{foreign}");
        }
        assert_eq!(Keys::new("a[b]*").log_pattern(), r"a\[b\]\*:{*}:log");
    }
}
