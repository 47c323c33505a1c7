//! Checked fields of entries other than names and texts: emoji, mentions, single lines, settings of rooms.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::name::{UserId, read_str};

/// Most mentions of a message.
pub const MENTIONS: usize = 20;
/// Longest name of an emoji, without its colons.
pub const EMOJI_NAME_CHARS: usize = 32;
/// Longest slow mode, in seconds: a day.
pub const SLOW_MODE_SECONDS: u32 = 86_400;
/// Longest sequence of characters that is one emoji.
const EMOJI_CHARS: usize = 24;
/// Requests the graphic form of the character before it. Emoji are compared without it.
const GRAPHIC_FORM: char = '\u{FE0F}';
/// Joins two emoji to one.
const JOINER: char = '\u{200D}';

/// The emoji of a reaction: one emoji, or `:name:` with 1–32 of `a-z`, `0-9`, `_`, `+` and `-`.
///
/// Two emoji that differ in U+FE0F only are equal. The text is the one that was sent.
#[derive(Clone)]
pub struct Emoji(Arc<str>);

/// A text is no [`Emoji`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not one emoji, and not a name between two colons")]
pub struct NotAnEmoji;

impl Emoji {
    pub fn new(text: &str) -> Result<Self, NotAnEmoji> {
        if is_emoji_name(text) || is_emoji_sequence(text) { Ok(Self(text.into())) } else { Err(NotAnEmoji) }
    }

    /// The text as it was sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text without U+FE0F, by which emoji are compared.
    #[must_use]
    pub fn key(&self) -> Cow<'_, str> {
        if self.0.contains(GRAPHIC_FORM) {
            Cow::Owned(self.0.replace(GRAPHIC_FORM, ""))
        } else {
            Cow::Borrowed(&self.0)
        }
    }
}

impl PartialEq for Emoji {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Emoji {}

impl PartialOrd for Emoji {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Emoji {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl Hash for Emoji {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl FromStr for Emoji {
    type Err = NotAnEmoji;
    fn from_str(text: &str) -> Result<Self, NotAnEmoji> {
        Self::new(text)
    }
}

impl fmt::Debug for Emoji {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for Emoji {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Serialize for Emoji {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Emoji {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read_str(deserializer, Self::new)
    }
}

fn is_emoji_name(text: &str) -> bool {
    let name = text.strip_prefix(':').and_then(|rest| rest.strip_suffix(':'));
    name.is_some_and(|name| {
        (1..=EMOJI_NAME_CHARS).contains(&name.len())
            && name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'+' | b'-'))
    })
}

/// Returns true if the text is one emoji by the grammar of Unicode Technical Standard 51, section 1.4.9.
fn is_emoji_sequence(text: &str) -> bool {
    if text.chars().count() > EMOJI_CHARS {
        return false;
    }
    let mut rest = text.chars().peekable();
    loop {
        match rest.next() {
            Some(first) if is_regional(first) => {
                if !rest.next().is_some_and(is_regional) {
                    return false;
                }
            }
            Some('0'..='9' | '#' | '*') => {
                rest.next_if_eq(&GRAPHIC_FORM);
                if rest.next() != Some('\u{20E3}') {
                    return false;
                }
            }
            Some(first) if is_pictograph(first) || is_skin_tone(first) => {
                rest.next_if_eq(&GRAPHIC_FORM);
                rest.next_if(|c| is_skin_tone(*c));
                if rest.next_if(|c| is_tag(*c)).is_some() {
                    while rest.next_if(|c| is_tag(*c)).is_some() {}
                    if rest.next() != Some('\u{E007F}') {
                        return false;
                    }
                }
            }
            Some(_) | None => return false,
        }
        match rest.next() {
            None => return true,
            Some(JOINER) => {}
            Some(_) => return false,
        }
    }
}

const fn is_regional(c: char) -> bool {
    matches!(c, '\u{1F1E6}'..='\u{1F1FF}')
}

const fn is_skin_tone(c: char) -> bool {
    matches!(c, '\u{1F3FB}'..='\u{1F3FF}')
}

const fn is_tag(c: char) -> bool {
    matches!(c, '\u{E0020}'..='\u{E007E}')
}

/// Returns true for a character with the property `Extended_Pictographic` (Unicode 13).
const fn is_pictograph(c: char) -> bool {
    matches!(c,
        '\u{A9}' | '\u{AE}' | '\u{203C}' | '\u{2049}' | '\u{2122}' | '\u{2139}' | '\u{2194}'..='\u{2199}'
        | '\u{21A9}'..='\u{21AA}' | '\u{231A}'..='\u{231B}' | '\u{2328}' | '\u{2388}' | '\u{23CF}'
        | '\u{23E9}'..='\u{23F3}' | '\u{23F8}'..='\u{23FA}' | '\u{24C2}' | '\u{25AA}'..='\u{25AB}' | '\u{25B6}'
        | '\u{25C0}' | '\u{25FB}'..='\u{25FE}' | '\u{2600}'..='\u{2605}' | '\u{2607}'..='\u{2612}'
        | '\u{2614}'..='\u{2685}' | '\u{2690}'..='\u{2705}' | '\u{2708}'..='\u{2712}' | '\u{2714}' | '\u{2716}'
        | '\u{271D}' | '\u{2721}' | '\u{2728}' | '\u{2733}'..='\u{2734}' | '\u{2744}' | '\u{2747}' | '\u{274C}'
        | '\u{274E}' | '\u{2753}'..='\u{2755}' | '\u{2757}' | '\u{2763}'..='\u{2767}' | '\u{2795}'..='\u{2797}'
        | '\u{27A1}' | '\u{27B0}' | '\u{27BF}' | '\u{2934}'..='\u{2935}' | '\u{2B05}'..='\u{2B07}'
        | '\u{2B1B}'..='\u{2B1C}' | '\u{2B50}' | '\u{2B55}' | '\u{3030}' | '\u{303D}' | '\u{3297}' | '\u{3299}'
        | '\u{1F000}'..='\u{1F0FF}' | '\u{1F10D}'..='\u{1F10F}' | '\u{1F12F}' | '\u{1F16C}'..='\u{1F171}'
        | '\u{1F17E}'..='\u{1F17F}' | '\u{1F18E}' | '\u{1F191}'..='\u{1F19A}' | '\u{1F1AD}'..='\u{1F1E5}'
        | '\u{1F201}'..='\u{1F20F}' | '\u{1F21A}' | '\u{1F22F}' | '\u{1F232}'..='\u{1F23A}'
        | '\u{1F23C}'..='\u{1F23F}' | '\u{1F249}'..='\u{1F3FA}' | '\u{1F400}'..='\u{1F53D}'
        | '\u{1F546}'..='\u{1F64F}' | '\u{1F680}'..='\u{1F6FF}' | '\u{1F774}'..='\u{1F77F}'
        | '\u{1F7D5}'..='\u{1F7FF}' | '\u{1F80C}'..='\u{1F80F}' | '\u{1F848}'..='\u{1F84F}'
        | '\u{1F85A}'..='\u{1F85F}' | '\u{1F888}'..='\u{1F88F}' | '\u{1F8AE}'..='\u{1F8FF}'
        | '\u{1F90C}'..='\u{1F93A}' | '\u{1F93C}'..='\u{1F945}' | '\u{1F947}'..='\u{1FAFF}'
        | '\u{1FC00}'..='\u{1FFFD}')
}

/// The users that a message mentions: at most 20, each once. An empty list states that the message mentions nobody; a
/// message without a list leaves it to the server to look `@word` up.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub struct Mentions(Vec<UserId>);

/// A list has more than 20 users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("has more than {MENTIONS} users")]
pub struct TooManyMentions;

impl Mentions {
    /// Brings the users to Unicode normalization form C, removes repetitions, and checks the number.
    pub fn new(users: Vec<UserId>) -> Result<Self, TooManyMentions> {
        let mut mentions = Vec::with_capacity(users.len().min(MENTIONS));
        for user in users {
            // There is no user whose form is too long.
            let user = user.to_nfc().unwrap_or(user);
            if mentions.contains(&user) {
                continue;
            }
            if mentions.len() == MENTIONS {
                return Err(TooManyMentions);
            }
            mentions.push(user);
        }
        Ok(Self(mentions))
    }

    #[must_use]
    pub fn users(&self) -> &[UserId] {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Mentions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(Vec::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// The users that may post in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Posting {
    /// All whose token allows it.
    #[default]
    Everyone,
    /// Admins and the room's moderators.
    Moderators,
}

/// Seconds between two messages of a user to a room, at most a day; 0: slow mode is off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
#[serde(transparent)]
pub struct SlowMode(u32);

impl SlowMode {
    /// Slow mode is off.
    pub const OFF: Self = Self(0);

    /// `None` if the time is longer than a day.
    #[must_use]
    pub const fn new(seconds: u32) -> Option<Self> {
        if seconds <= SLOW_MODE_SECONDS { Some(Self(seconds)) } else { None }
    }

    #[must_use]
    pub const fn seconds(self) -> u32 {
        self.0
    }
}

impl<'de> Deserialize<'de> for SlowMode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = u32::deserialize(deserializer)?;
        Self::new(seconds).ok_or_else(|| serde::de::Error::custom("slow mode is a day at most"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn emoji(text: &str) -> Emoji {
        Emoji::new(text).unwrap_or_else(|error| panic!("{text:?} {error}"))
    }

    #[test]
    fn every_emoji_of_unicode_is_one_emoji() {
        let mut seen = 0;
        for known in emojis::iter() {
            emoji(known.as_str());
            for toned in known.skin_tones().into_iter().flatten() {
                emoji(toned.as_str());
            }
            seen += 1;
        }
        assert!(seen > 1_800, "{seen}");
    }

    #[test]
    fn two_emoji_letters_and_parts_of_emoji_are_not_one_emoji() {
        for bad in [
            "",
            "a",
            "1",
            "#",
            "👍👍",
            "👍 ",
            " 👍",
            "ok",
            "é",
            "日",
            "\u{FE0F}",
            "\u{FE0F}❤",
            "❤\u{FE0F}\u{FE0F}",
            "\u{200D}",
            "👩\u{200D}",
            "\u{200D}👩",
            "\u{1F1E9}",
            "🇩🇪🇫🇷",
            "👍\u{301}",
            "\n",
            "1\u{FE0F}",
            "🏴\u{E0067}",
        ] {
            assert_eq!(Emoji::new(bad), Err(NotAnEmoji), "{bad:?}");
        }
        assert!(Emoji::new(&["👩"; 12].join("\u{200D}")).is_ok());
        assert_eq!(Emoji::new(&["👩"; 13].join("\u{200D}")), Err(NotAnEmoji));
    }

    #[test]
    fn a_name_of_an_emoji_has_1_to_32_characters_between_colons() {
        for good in [":a:", ":+1:", ":thumbs_up:", ":e-mail:", &format!(":{}:", "x".repeat(32))] {
            assert_eq!(emoji(good).as_str(), good);
        }
        for bad in ["::", ":", ":a", "a:", ":A:", ":a b:", ":é:", ":a::b:", &format!(":{}:", "x".repeat(33))]
        {
            assert_eq!(Emoji::new(bad), Err(NotAnEmoji), "{bad:?}");
        }
    }

    #[test]
    fn emoji_are_compared_without_the_graphic_form() {
        let (plain, graphic) = (emoji("❤"), emoji("❤\u{FE0F}"));
        assert_eq!(plain, graphic);
        assert_eq!(plain.cmp(&graphic), Ordering::Equal);
        assert_eq!((graphic.as_str(), &*graphic.key()), ("❤\u{FE0F}", "❤"));
        assert_eq!(std::collections::HashSet::from([plain, graphic]).len(), 1);
        assert_ne!(emoji("👍"), emoji("👎"));
    }

    #[test]
    fn mentions_have_each_user_once_and_at_most_20() {
        let user = |number: usize| UserId::new(&format!("u{number}")).expect("a user id");
        let twice = Mentions::new(vec![user(1), user(2), user(1)]).expect("mentions");
        assert_eq!(twice.users(), [user(1), user(2)]);
        let forms = ["Ame\u{301}lie", "Am\u{e9}lie"].map(|id| UserId::new(id).expect("a user id"));
        assert_eq!(Mentions::new(forms.to_vec()).expect("mentions").users(), &forms[1..]);
        assert!(Mentions::new((0..20).chain(0..20).map(user).collect()).is_ok());
        assert_eq!(Mentions::new((0..21).map(user).collect()), Err(TooManyMentions));
    }

    #[test]
    fn slow_mode_is_a_day_at_most() {
        assert_eq!(SlowMode::new(86_400).map(SlowMode::seconds), Some(86_400));
        assert_eq!(SlowMode::new(86_401), None);
    }
}
