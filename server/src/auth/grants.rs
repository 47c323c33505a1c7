//! What a bearer may do in which room.
//!
//! The rule, from the claims: `rooms` says which rooms the bearer may use (none given: every room; an empty list:
//! no room). `read_only` takes posting away in the rooms it names; it opens no room. An admin may use and post in
//! every room, whatever the lists say. Reserved names ([`RoomName::is_reserved`]) are nobody's.
//!
//! A glob is matched against the whole name, letter by letter: `*` stands for any run of characters, also an empty
//! one, `?` for exactly one, and every other character for itself. There is no escape.

use realtime_shared::{Claims, Role, RoomName};

/// Most globs in a token, `rooms` and `read_only` together. A token has to fit into a header.
pub const MAX_GLOBS: usize = 256;
/// Longest glob, in characters: a room's name with a `*` between any two of its characters fits.
pub const MAX_GLOB_CHARS: usize = 2 * realtime_shared::name::NAME_CHARS + 1;

/// Why the lists of a token are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// More than [`MAX_GLOBS`].
    #[error("`rooms` and `read_only` have more than {MAX_GLOBS} globs")]
    TooMany,
    /// One of more than [`MAX_GLOB_CHARS`].
    #[error("a glob in `rooms` or `read_only` is longer than {MAX_GLOB_CHARS} characters")]
    TooLong,
}

/// What a bearer may do in which room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grants(Kind);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Everything,
    Lists { rooms: Option<Box<[Glob]>>, read_only: Box<[Glob]> },
}

impl Grants {
    /// What `claims` grant.
    pub fn from_claims(claims: &Claims) -> Result<Self, GrantError> {
        let rooms = claims.rooms.as_deref();
        if rooms.map_or(0, <[String]>::len).saturating_add(claims.read_only.len()) > MAX_GLOBS {
            return Err(GrantError::TooMany);
        }
        let compile = |globs: &[String]| globs.iter().map(|glob| Glob::new(glob)).collect::<Result<_, _>>();
        let rooms = rooms.map(compile).transpose()?;
        let read_only = compile(&claims.read_only)?;
        Ok(Self(match claims.role {
            Role::Admin => Kind::Everything,
            Role::User => Kind::Lists { rooms, read_only },
        }))
    }

    /// Whether the bearer may join `room`, read its past and see it in lists.
    #[must_use]
    pub fn may_use(&self, room: &RoomName) -> bool {
        !room.is_reserved()
            && match &self.0 {
                Kind::Everything | Kind::Lists { rooms: None, .. } => true,
                Kind::Lists { rooms: Some(rooms), .. } => any_matches(rooms, room),
            }
    }

    /// Whether the bearer may post in `room`. Who may post may use.
    #[must_use]
    pub fn may_post(&self, room: &RoomName) -> bool {
        self.may_use(room)
            && match &self.0 {
                Kind::Everything => true,
                Kind::Lists { read_only, .. } => !any_matches(read_only, room),
            }
    }
}

fn any_matches(globs: &[Glob], room: &RoomName) -> bool {
    globs.iter().any(|glob| glob.matches(room.as_str()))
}

/// A pattern for room names.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Glob(Box<str>);

impl Glob {
    fn new(pattern: &str) -> Result<Self, GrantError> {
        if pattern.chars().count() > MAX_GLOB_CHARS {
            return Err(GrantError::TooLong);
        }
        Ok(Self(pattern.into()))
    }

    /// Goes back to the last `*` only: what an earlier one took never needs to change, for the last can take
    /// whatever follows. So the steps are bounded by the product of both lengths.
    fn matches(&self, name: &str) -> bool {
        let mut pattern = self.0.chars();
        let mut rest = name.chars();
        let mut last_star = None;
        loop {
            let fits = match pattern.next() {
                Some('*') => {
                    last_star = Some((pattern.clone(), rest.clone()));
                    true
                }
                Some('?') => rest.next().is_some(),
                Some(c) => rest.next() == Some(c),
                None => match rest.next() {
                    Some(_) => false,
                    None => return true,
                },
            };
            if fits {
                continue;
            }
            let Some((after_star, taken_until)) = &mut last_star else { return false };
            if taken_until.next().is_none() {
                return false;
            }
            pattern = after_star.clone();
            rest = taken_until.clone();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use realtime_shared::UserId;

    use super::*;

    fn room(name: &str) -> RoomName {
        RoomName::new(name).expect("a room's name")
    }

    fn claims(role: Role, rooms: Option<&[&str]>, read_only: &[&str]) -> Claims {
        let owned = |globs: &[&str]| globs.iter().map(ToString::to_string).collect();
        Claims {
            sub: UserId::new("alice").expect("a user id"),
            exp: 0,
            role,
            rooms: rooms.map(owned),
            read_only: owned(read_only),
            iss: None,
            aud: None,
        }
    }

    fn grants(rooms: Option<&[&str]>, read_only: &[&str]) -> Grants {
        Grants::from_claims(&claims(Role::User, rooms, read_only)).expect("sound lists")
    }

    #[test]
    fn no_list_is_every_room_and_an_empty_one_is_none() {
        assert!(grants(None, &[]).may_post(&room("anything")));
        assert!(!grants(Some(&[]), &[]).may_use(&room("anything")));
        assert!(!grants(Some(&[""]), &[]).may_use(&room("anything")));
    }

    #[test]
    fn rooms_are_those_that_a_glob_names() {
        let grants = grants(Some(&["chat-*", "lobby", "team-?"]), &[]);
        for yes in ["chat-general", "chat-", "lobby", "team-a", "team-ü"] {
            assert!(grants.may_use(&room(yes)) && grants.may_post(&room(yes)), "{yes}");
        }
        for no in ["chat", "a-chat-b", "lobby2", "Lobby", "team-", "team-ab", "*"] {
            assert!(!grants.may_use(&room(no)) && !grants.may_post(&room(no)), "{no}");
        }
    }

    #[test]
    fn read_only_takes_posting_and_gives_nothing() {
        let everywhere_else = grants(None, &["news-*"]);
        assert!(everywhere_else.may_use(&room("news-today")));
        assert!(!everywhere_else.may_post(&room("news-today")));
        assert!(everywhere_else.may_post(&room("chat")));

        let closed = grants(Some(&["chat"]), &["news-*"]);
        assert!(!closed.may_use(&room("news-today")));
    }

    #[test]
    fn an_admin_is_bound_by_no_list() {
        let admin = Grants::from_claims(&claims(Role::Admin, Some(&[]), &["*"])).expect("sound lists");
        assert!(admin.may_use(&room("chat")) && admin.may_post(&room("chat")));
    }

    #[test]
    fn reserved_names_are_nobodys() {
        let admin = Grants::from_claims(&claims(Role::Admin, None, &[])).expect("sound lists");
        for grants in [admin, grants(None, &[]), grants(Some(&["dm:*", "*"]), &[])] {
            assert!(!grants.may_use(&room("dm:alice")) && !grants.may_post(&room("dm:alice")));
        }
    }

    #[test]
    fn lists_are_bounded() {
        let many = vec!["a"; MAX_GLOBS];
        assert!(Grants::from_claims(&claims(Role::User, Some(&many), &[])).is_ok());
        assert_eq!(Grants::from_claims(&claims(Role::User, Some(&many), &["a"])), Err(GrantError::TooMany));
        let long = "ü".repeat(MAX_GLOB_CHARS);
        assert!(Grants::from_claims(&claims(Role::User, Some(&[&long]), &[])).is_ok());
        let longer = format!("{long}*");
        for role in [Role::User, Role::Admin] {
            assert_eq!(Grants::from_claims(&claims(role, None, &[&longer])), Err(GrantError::TooLong));
        }
    }

    #[test]
    fn stars_without_end_are_matched_soon() {
        // Exponential in a matcher that tries every way to share the name among the stars.
        let glob = Glob::new(&"*a".repeat(64)).expect("short enough");
        assert!(!glob.matches(&format!("{}b", "a".repeat(63))));
    }

    /// The definition of a glob, as short as it can be said.
    fn naive(pattern: &[char], name: &[char]) -> bool {
        match (pattern.split_first(), name.split_first()) {
            (None, None) => true,
            (Some(('*', after)), _) => {
                naive(after, name) || name.split_first().is_some_and(|(_, rest)| naive(pattern, rest))
            }
            (Some((p, after)), Some((n, rest))) => (*p == '?' || p == n) && naive(after, rest),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn matches_as_defined(pattern in "[ab*?ü]{0,8}", name in "[abü?*]{0,10}") {
            let (p, n): (Vec<_>, Vec<_>) = (pattern.chars().collect(), name.chars().collect());
            prop_assert_eq!(Glob::new(&pattern).expect("short enough").matches(&name), naive(&p, &n));
        }

        #[test]
        fn who_may_post_may_use(
            rooms in proptest::option::of(prop::collection::vec("[ab*?]{0,4}", 0..4)),
            read_only in prop::collection::vec("[ab*?]{0,4}", 0..4),
            name in "[ab]{1,5}",
        ) {
            let claims = Claims { rooms, read_only, ..claims(Role::User, None, &[]) };
            let grants = Grants::from_claims(&claims).expect("sound lists");
            prop_assert!(grants.may_use(&room(&name)) || !grants.may_post(&room(&name)));
        }
    }
}
