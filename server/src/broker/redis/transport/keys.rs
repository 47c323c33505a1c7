//! What is where in Redis.
//!
//! All keys of a room, and its channel, have the room's name between braces, and all that is not a room's has a word
//! there that no room can have: a cluster keeps what has the same between braces in one place, which is where a script
//! may reach. Everything begins with the prefix of the configuration.
//!
//! | key | type | what |
//! | --- | --- | --- |
//! | `realtime:{room}:log` | stream | the entries, `seq-0` → `i` id, `t` time, `f` frame |
//! | `realtime:{room}:meta` | hash | `epoch` of the log, `people`: version of who is there |
//! | `realtime:{room}:known:0`, `:1` | hash | digest → `seq:time:id`, by turns for 10,000 entries each |
//! | `realtime:{room}:members` | sorted set | user → on how many instances |
//! | `realtime:{room}:instances` | set | those on which somebody is in the room |
//! | `realtime:{room}:at:<instance>` | set | who is in the room there |
//! | `realtime:{%live}:beats` | hash | instance → counter that rises while it lives |
//! | `realtime:{%live}:online` | hash | instance → connections |
//! | `realtime:{%live}:online:<instance>` | hash | user → connections |
//! | `realtime:{%live}:rooms:<instance>` | set | rooms that are open there |
//! | `realtime:{%live}:claim:<digest>` | hash | who passes on what a program published |
//! | `realtime:{%live}:probe:<instance>` | string | the number of its last probe; goes by itself |
//! | `realtime:{%live}:sweep` | string | which instance drops what is too old |
//! | `realtime:{%rooms}` | set | all rooms that have an entry or a member, and for a minute those that had one |

use std::fmt::Write as _;

use realtime_shared::RoomName;

/// Makes keys.
#[derive(Debug)]
pub(crate) struct Keys {
    prefix: String,
}

impl Keys {
    pub(crate) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    /// The channel on which a room is announced; its keys begin with it.
    pub(crate) fn channel(&self, room: &RoomName) -> String {
        let mut channel = String::with_capacity(self.prefix.len() + room.as_str().len() + 3);
        channel.push_str(&self.prefix);
        channel.push_str(":{");
        for letter in room.as_str().chars() {
            // No brace but ours, and one text for each room.
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

    pub(crate) fn online(&self) -> String {
        self.live("online")
    }

    /// What [`Keys::online_at`] begins with.
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

    /// The channel for what is said outside of rooms.
    pub(crate) fn tells(&self) -> String {
        self.live("tells")
    }

    /// The channel on which an instance hears itself, and the key with which it tries whether it may write.
    pub(crate) fn probe(&self, instance: &str) -> String {
        self.live("probe:") + instance
    }

    pub(crate) fn rooms(&self) -> String {
        format!("{}:{{%rooms}}", self.prefix)
    }

    fn live(&self, what: &str) -> String {
        format!("{}:{{%live}}:{what}", self.prefix)
    }
}

/// The keys of a room, by its channel.
pub(crate) fn log(channel: &str) -> String {
    format!("{channel}:log")
}

pub(crate) fn meta(channel: &str) -> String {
    format!("{channel}:meta")
}

/// One of the two generations of what is known by its digest.
pub(crate) fn known(channel: &str, generation: u8) -> String {
    format!("{channel}:known:{generation}")
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

    /// What a cluster looks at: what is between the first brace and the next one that closes.
    fn tag(key: &str) -> &str {
        let (_, rest) = key.split_once('{').expect("a brace");
        rest.split_once('}').expect("a brace that closes").0
    }

    proptest! {
        #[test]
        fn all_of_a_room_is_in_one_slot_and_no_two_rooms_share_a_key(a in room_name(), b in room_name()) {
            let keys = Keys::new("realtime");
            let (one, other) = (keys.channel(&a), keys.channel(&b));
            prop_assert_eq!(a == b, one == other);
            let (live, all) = (keys.beats(), keys.rooms());
            for key in [log(&one), meta(&one), known(&one, 0), members(&one), instances(&one), at(&one, "i")] {
                prop_assert_eq!(tag(&key), tag(&one));
                prop_assert_ne!(tag(&key), tag(&live));
                prop_assert_ne!(tag(&key), tag(&all));
            }
        }
    }

    #[test]
    fn braces_of_a_name_are_written_otherwise() {
        let keys = Keys::new("chat");
        let room = RoomName::new("a {b} %").expect("a room's name");
        assert_eq!(log(&keys.channel(&room)), "chat:{a %7bb%7d %25}:log");
        assert_eq!(tag(&keys.online_at("i")), tag(&keys.beats()));
    }
}
