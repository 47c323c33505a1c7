//! Direct rooms: the room of two users, or of one user alone for notes.

use sha2::{Digest, Sha256};

use crate::name::{BASE32, DIRECT_LETTERS, DIRECT_PREFIX, NameError, RoomName, UserId};

/// The users of a direct room, in Unicode normalization form C and sorted. Both are the same user in a room for notes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DirectPair {
    first: UserId,
    second: UserId,
}

impl DirectPair {
    /// Fails if an id is too long in Unicode normalization form C.
    pub fn new(one: &UserId, other: &UserId) -> Result<Self, NameError> {
        let (one, other) = (one.to_nfc()?, other.to_nfc()?);
        let (first, second) = if one <= other { (one, other) } else { (other, one) };
        Ok(Self { first, second })
    }

    /// The users. Both are the same in a room for notes.
    #[must_use]
    pub const fn users(&self) -> [&UserId; 2] {
        [&self.first, &self.second]
    }

    /// The other user of the room, or the user itself in a room for notes. `None` if the user is not in the pair.
    #[must_use]
    pub fn other_of(&self, user: &UserId) -> Option<&UserId> {
        match user {
            user if *user == self.first => Some(&self.second),
            user if *user == self.second => Some(&self.first),
            _ => None,
        }
    }

    /// The name of the room: `dm:` and the first 26 letters of the base32 form of the SHA-256 of both ids. Before each id
    /// stands the number of its bytes, as 4 bytes with the highest first.
    #[must_use]
    pub fn room(&self) -> RoomName {
        let mut hash = Sha256::new();
        for user in self.users() {
            let id = user.as_str().as_bytes();
            // An id has 64 characters at most.
            hash.update(u32::try_from(id.len()).unwrap_or(u32::MAX).to_be_bytes());
            hash.update(id);
        }
        let mut name = DIRECT_PREFIX.to_owned();
        push_base32(&mut name, &hash.finalize());
        RoomName::of_checked(&name)
    }
}

fn push_base32(name: &mut String, bytes: &[u8]) {
    let (mut bits, mut held) = (0_u32, 0);
    let mut bytes = bytes.iter();
    for _ in 0..DIRECT_LETTERS {
        if held < 5 {
            bits = bits << 8 | u32::from(*bytes.next().unwrap_or(&0));
            held += 8;
        }
        held -= 5;
        name.push(char::from(BASE32[(bits >> held & 31) as usize]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: &str) -> UserId {
        UserId::new(id).expect("a user id")
    }

    fn pair(one: &str, other: &str) -> DirectPair {
        DirectPair::new(&user(one), &user(other)).expect("short ids")
    }

    /// Names that servers have stored never change. Each is the result of
    /// `printf '\0\0\0\5alice\0\0\0\3bob' | sha256sum | xxd -r -p | base32 | tr A-Z a-z | cut -c1-26`.
    #[test]
    fn names_of_direct_rooms_stay_as_they_are() {
        for (one, other, name) in [
            ("alice", "bob", "dm:rbfekiks2o7qjdgakhpy64ek74"),
            ("alice", "alice", "dm:gvj7noskw2vrop2kuovllrgq3m"),
            ("Am\u{e9}lie", "bob", "dm:rk5bwxtszm7vz375ohmp4yeabo"),
        ] {
            assert_eq!(pair(one, other).room().as_str(), name);
            assert_eq!(pair(other, one).room().as_str(), name);
            assert!(pair(one, other).room().is_direct());
        }
        assert_eq!(pair("Ame\u{301}lie", "bob").room(), pair("Am\u{e9}lie", "bob").room());
    }

    #[test]
    fn different_pairs_have_different_rooms() {
        assert_ne!(pair("ab", "c").room(), pair("a", "bc").room());
        assert_ne!(pair("a", "b").room(), pair("A", "b").room());
    }

    #[test]
    fn the_other_user_of_a_pair_is_known_to_its_users() {
        let both = pair("bob", "alice");
        assert_eq!(both.users(), [&user("alice"), &user("bob")]);
        assert_eq!(both.other_of(&user("alice")), Some(&user("bob")));
        assert_eq!(both.other_of(&user("bob")), Some(&user("alice")));
        assert_eq!(both.other_of(&user("carol")), None);
        assert_eq!(pair("alice", "alice").other_of(&user("alice")), Some(&user("alice")));
    }

    #[test]
    fn a_direct_room_has_26_letters_of_base32() {
        let is_direct = |prefix: &str, letter: &str, count| {
            RoomName::new(&format!("{prefix}{}", letter.repeat(count))).expect("a name").is_direct()
        };
        assert!(is_direct("dm:", "a", 26) && is_direct("dm:", "7", 26));
        for (prefix, letter, count) in [
            ("dm:", "", 0),
            ("dm:", "a", 25),
            ("dm:", "a", 27),
            ("dm:", "A", 26),
            ("dm:", "1", 26),
            ("", "a", 29),
        ] {
            assert!(!is_direct(prefix, letter, count), "{prefix} {letter} {count}");
        }
    }
}
