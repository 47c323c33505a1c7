//! Rights of a bearer in rooms.
//!
//! The claim `rooms` names the rooms that the bearer may use: without the claim every room, with an empty list none.
//! `read_only` removes the right to post in the rooms that it names; it grants nothing. `moderate` names rooms that the
//! bearer moderates, if it may use them. An admin may use, post in and moderate every room, regardless of the lists.
//! Reserved names ([`RoomName::is_reserved`]) are open to nobody, except that a direct room is open to its two users. The
//! grants do not know them: they only state that the bearer may use direct rooms of its own. Nobody moderates those.
//!
//! A glob is matched against the whole name, character by character: `*` matches any run of characters, even an empty
//! one, `?` matches exactly one, and every other character matches itself. There is no escape.

use realtime_shared::{Claims, Role, RoomName};

/// Limit on the globs of a token, in all its lists together. A token must fit into a header.
pub const MAX_GLOBS: usize = 256;
/// Limit on the characters of a glob: fits a room name with a `*` between any two characters.
pub const MAX_GLOB_CHARS: usize = 2 * realtime_shared::name::NAME_CHARS + 1;

/// Error in the room lists of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// More than [`MAX_GLOBS`].
    #[error("`rooms`, `read_only` and `moderate` have more than {MAX_GLOBS} globs")]
    TooMany,
    /// One of more than [`MAX_GLOB_CHARS`].
    #[error("a glob in `rooms`, `read_only` or `moderate` is longer than {MAX_GLOB_CHARS} characters")]
    TooLong,
}

/// Rights of a bearer in rooms.
///
/// Most bearers may use and post in all rooms, and need no memory for lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grants(Rights);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Rights {
    /// All rights in all rooms.
    Admin,
    /// All rooms may be used and posted in.
    User,
    Listed(Box<Lists>),
}

/// The lists of a bearer who is not an admin.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Lists {
    rooms: Option<Box<[Glob]>>,
    read_only: Box<[Glob]>,
    moderate: Box<[Glob]>,
}

impl Grants {
    /// Compiles the grants of `claims`.
    pub fn from_claims(claims: &Claims) -> Result<Self, GrantError> {
        let rooms = claims.rooms.as_deref();
        let globs = rooms.map_or(0, <[String]>::len) + claims.read_only.len() + claims.moderate.len();
        if globs > MAX_GLOBS {
            return Err(GrantError::TooMany);
        }
        let compile = |globs: &[String]| globs.iter().map(|glob| Glob::new(glob)).collect::<Result<_, _>>();
        let rooms = rooms.map(compile).transpose()?;
        let read_only: Box<[Glob]> = compile(&claims.read_only)?;
        let moderate: Box<[Glob]> = compile(&claims.moderate)?;
        let has_lists = rooms.is_some() || !read_only.is_empty() || !moderate.is_empty();
        Ok(Self(match claims.role {
            Role::Admin => Rights::Admin,
            Role::User if has_lists => Rights::Listed(Box::new(Lists { rooms, read_only, moderate })),
            Role::User => Rights::User,
        }))
    }

    /// True if the bearer may join `room`, read its history and see it in lists; of a direct room, if it is one of its two
    /// users.
    #[must_use]
    pub fn may_use(&self, room: &RoomName) -> bool {
        let rooms = self.lists().and_then(|lists| lists.rooms.as_ref());
        (!room.is_reserved() || room.is_direct()) && rooms.is_none_or(|rooms| any_matches(rooms, room))
    }

    /// The names that the bearer may use; `None` if it may use all but reserved ones.
    pub(crate) fn names(&self) -> Option<impl Iterator<Item = GrantedNames<'_>>> {
        let rooms = self.lists()?.rooms.as_ref()?;
        Some(rooms.iter().map(Glob::names))
    }

    /// True if the bearer may post in `room`. Implies [`Self::may_use`].
    #[must_use]
    pub fn may_post(&self, room: &RoomName) -> bool {
        self.may_use(room) && self.lists().is_none_or(|lists| !any_matches(&lists.read_only, room))
    }

    /// True if the bearer moderates `room`. Implies [`Self::may_use`].
    #[must_use]
    pub fn may_moderate(&self, room: &RoomName) -> bool {
        self.may_use(room)
            && !room.is_direct()
            && match &self.0 {
                Rights::Admin => true,
                Rights::User => false,
                Rights::Listed(lists) => any_matches(&lists.moderate, room),
            }
    }

    fn lists(&self) -> Option<&Lists> {
        match &self.0 {
            Rights::Listed(lists) => Some(lists),
            Rights::Admin | Rights::User => None,
        }
    }
}

/// The names that a glob matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GrantedNames<'a> {
    /// This name only.
    Name(&'a str),
    /// All names that begin with this.
    Start(&'a str),
    /// Some of the names that begin with this.
    SomeFrom(&'a str),
}

fn any_matches(globs: &[Glob], room: &RoomName) -> bool {
    globs.iter().any(|glob| glob.matches(room.as_str()))
}

/// Pattern for room names.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Glob(Box<str>);

impl Glob {
    fn new(pattern: &str) -> Result<Self, GrantError> {
        if pattern.chars().count() > MAX_GLOB_CHARS {
            return Err(GrantError::TooLong);
        }
        Ok(Self(pattern.into()))
    }

    fn names(&self) -> GrantedNames<'_> {
        let Some(wildcard) = self.0.find(['*', '?']) else { return GrantedNames::Name(&self.0) };
        let (start, rest) = self.0.split_at(wildcard);
        if rest.bytes().all(|byte| byte == b'*') {
            GrantedNames::Start(start)
        } else {
            GrantedNames::SomeFrom(start)
        }
    }

    /// Backtracks to the last `*` only: it can match everything that an earlier one would have matched. The number of
    /// steps is therefore bounded by the product of both lengths.
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
            moderate: Vec::new(),
            iss: None,
            aud: None,
        }
    }

    fn grants(rooms: Option<&[&str]>, read_only: &[&str]) -> Grants {
        Grants::from_claims(&claims(Role::User, rooms, read_only)).expect("valid lists")
    }

    #[test]
    fn a_missing_list_grants_every_room_and_an_empty_one_none() {
        assert!(grants(None, &[]).may_post(&room("anything")));
        assert!(!grants(Some(&[]), &[]).may_use(&room("anything")));
        assert!(!grants(Some(&[""]), &[]).may_use(&room("anything")));
    }

    #[test]
    fn rooms_grants_the_rooms_that_match_a_glob() {
        let grants = grants(Some(&["chat-*", "lobby", "team-?"]), &[]);
        for yes in ["chat-general", "chat-", "lobby", "team-a", "team-ü"] {
            assert!(grants.may_use(&room(yes)) && grants.may_post(&room(yes)), "{yes}");
        }
        for no in ["chat", "a-chat-b", "lobby2", "Lobby", "team-", "team-ab", "*"] {
            assert!(!grants.may_use(&room(no)) && !grants.may_post(&room(no)), "{no}");
        }
    }

    #[test]
    fn a_glob_grants_a_name_or_names_with_a_start() {
        let grants = grants(Some(&["lobby", "chat-*", "team-**", "*", "a?", "b*c", "ü*?"]), &[]);
        let names: Vec<_> = grants.names().expect("a list").collect();
        let expected = [
            GrantedNames::Name("lobby"),
            GrantedNames::Start("chat-"),
            GrantedNames::Start("team-"),
            GrantedNames::Start(""),
            GrantedNames::SomeFrom("a"),
            GrantedNames::SomeFrom("b"),
            GrantedNames::SomeFrom("ü"),
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn read_only_removes_posting_and_grants_nothing() {
        let everywhere_else = grants(None, &["news-*"]);
        assert!(everywhere_else.may_use(&room("news-today")));
        assert!(!everywhere_else.may_post(&room("news-today")));
        assert!(everywhere_else.may_post(&room("chat")));

        let closed = grants(Some(&["chat"]), &["news-*"]);
        assert!(!closed.may_use(&room("news-today")));
    }

    #[test]
    fn moderate_names_rooms_among_those_that_may_be_used() {
        let moderating = |rooms: Option<&[&str]>, read_only: &[&str]| {
            let moderate = vec!["team-*".to_owned(), "dm:*".to_owned()];
            Grants::from_claims(&Claims { moderate, ..claims(Role::User, rooms, read_only) })
                .expect("valid lists")
        };
        let moderator = moderating(None, &["team-b"]);
        assert!(moderator.may_moderate(&room("team-a")) && moderator.may_moderate(&room("team-b")));
        assert!(!moderator.may_post(&room("team-b")));
        assert!(!moderator.may_moderate(&room("lobby")) && moderator.may_post(&room("lobby")));
        assert!(!moderating(Some(&["lobby"]), &[]).may_moderate(&room("team-a")));
        assert!(!moderator.may_moderate(&room("dm:alice")), "a reserved name");
        assert!(!grants(None, &[]).may_moderate(&room("team-a")));
        let admin = Grants::from_claims(&claims(Role::Admin, Some(&[]), &[])).expect("valid lists");
        assert!(admin.may_moderate(&room("lobby")) && !admin.may_moderate(&room("dm:alice")));
    }

    #[test]
    fn lists_do_not_restrict_an_admin() {
        let admin = Grants::from_claims(&claims(Role::Admin, Some(&[]), &["*"])).expect("valid lists");
        assert!(admin.may_use(&room("chat")) && admin.may_post(&room("chat")));
    }

    #[test]
    fn reserved_names_are_granted_to_nobody() {
        let admin = Grants::from_claims(&claims(Role::Admin, None, &[])).expect("valid lists");
        for grants in [admin, grants(None, &[]), grants(Some(&["dm:*", "sys:*", "*"]), &[])] {
            for name in ["dm:alice", "sys:hooks"] {
                assert!(!grants.may_use(&room(name)) && !grants.may_post(&room(name)));
            }
        }
    }

    #[test]
    fn a_glob_for_direct_rooms_is_needed_among_globs_and_nobody_moderates_them() {
        let direct = room("dm:abcdefghijklmnopqrstuvwxyz");
        let moderate = vec!["*".to_owned()];
        let admin = Grants::from_claims(&Claims { moderate, ..claims(Role::Admin, None, &[]) });
        let admin = admin.expect("valid lists");
        for grants in [&admin, &grants(None, &[]), &grants(Some(&["dm:*"]), &[]), &grants(Some(&["*"]), &[])]
        {
            assert!(grants.may_use(&direct) && grants.may_post(&direct) && !grants.may_moderate(&direct));
        }
        assert!(!grants(Some(&["chat-*"]), &[]).may_use(&direct));
        assert!(!grants(None, &["dm:*"]).may_post(&direct));
    }

    #[test]
    fn the_number_and_length_of_globs_are_limited() {
        let many = vec!["a"; MAX_GLOBS];
        assert!(Grants::from_claims(&claims(Role::User, Some(&many), &[])).is_ok());
        assert_eq!(Grants::from_claims(&claims(Role::User, Some(&many), &["a"])), Err(GrantError::TooMany));
        let moderate = Claims { moderate: vec!["a".to_owned()], ..claims(Role::User, Some(&many), &[]) };
        assert_eq!(Grants::from_claims(&moderate), Err(GrantError::TooMany));
        let long = "ü".repeat(MAX_GLOB_CHARS);
        assert!(Grants::from_claims(&claims(Role::User, Some(&[&long]), &[])).is_ok());
        let longer = format!("{long}*");
        for role in [Role::User, Role::Admin] {
            assert_eq!(Grants::from_claims(&claims(role, None, &[&longer])), Err(GrantError::TooLong));
        }
    }

    #[test]
    fn many_stars_are_matched_in_polynomial_time() {
        // Exponential in a matcher that backtracks to every star.
        let glob = Glob::new(&"*a".repeat(64)).expect("short enough");
        assert!(!glob.matches(&format!("{}b", "a".repeat(63))));
    }

    /// Reference implementation of a glob.
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
        fn a_glob_matches_as_its_reference_implementation(pattern in "[ab*?ü]{0,8}", name in "[abü?*]{0,10}") {
            let (p, n): (Vec<_>, Vec<_>) = (pattern.chars().collect(), name.chars().collect());
            prop_assert_eq!(Glob::new(&pattern).expect("short enough").matches(&name), naive(&p, &n));
        }

        #[test]
        fn the_right_to_post_implies_the_right_to_use(
            rooms in proptest::option::of(prop::collection::vec("[ab*?]{0,4}", 0..4)),
            read_only in prop::collection::vec("[ab*?]{0,4}", 0..4),
            name in "[ab]{1,5}",
        ) {
            let claims = Claims { rooms, read_only, ..claims(Role::User, None, &[]) };
            let grants = Grants::from_claims(&claims).expect("valid lists");
            prop_assert!(grants.may_use(&room(&name)) || !grants.may_post(&room(&name)));
        }
    }
}
