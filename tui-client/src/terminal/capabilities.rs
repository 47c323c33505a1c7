//! What the terminal can show, as far as the environment tells.
//!
//! Colours: `COLORTERM`, and the name in `TERM` by the conventions of terminfo's entries. The background: `COLORFGBG`,
//! which some terminals set; what the terminal itself says goes before it. Signs: all of Unicode's, but on the console of
//! Linux, whose font has a few hundred, and where the locale is not one of UTF-8. No locale at all says nothing: that is
//! how it is in containers and over ssh, on terminals that know UTF-8.

/// How many colours there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// None but the foreground and the background.
    Two,
    /// The sixteen that the terminal's user chose.
    Sixteen,
    /// 256, of which all but the first sixteen are the same everywhere.
    Indexed,
    /// Any.
    True,
}

/// What the background is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ground {
    /// White is read on it better than black.
    Dark,
    /// Black is read on it better than white.
    Light,
}

/// What the terminal can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// Its colours.
    pub depth: Depth,
    /// Its background, where that is known.
    pub ground: Option<Ground>,
    /// Whether it has signs beyond ASCII.
    pub has_signs: bool,
}

impl Ground {
    /// That of a background with these parts of red, green and blue, from 0 to 1.
    ///
    /// The border is where black and white have the same contrast to it (WCAG 2: relative luminance 0.179).
    #[must_use]
    pub fn of(rgb: [f64; 3]) -> Self {
        if luminance(rgb) > 0.179 { Self::Light } else { Self::Dark }
    }
}

/// The relative luminance of WCAG 2, from 0 for black to 1 for white.
#[must_use]
pub fn luminance(rgb: [f64; 3]) -> f64 {
    let linear = |part: f64| if part <= 0.040_45 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) };
    let [red, green, blue] = rgb.map(linear);
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}

impl Capabilities {
    /// What `variable` tells, which reads the environment.
    #[must_use]
    pub fn of(variable: impl Fn(&str) -> Option<String>) -> Self {
        let read = |name: &str| variable(name).unwrap_or_default();
        let term = read("TERM");
        let is_tmux = read("TERM_PROGRAM") == "tmux" || !read("TMUX").is_empty();
        Self {
            depth: depth(&term, &read("COLORTERM"), is_tmux),
            ground: ground(&read("COLORFGBG")),
            has_signs: term != "linux"
                && is_unicode(
                    ["LC_ALL", "LC_CTYPE", "LANG"].map(read).iter().find(|locale| !locale.is_empty()),
                ),
        }
    }
}

/// Whether `TERM` says that nothing but lines of text can be written: no screen can be drawn there.
#[must_use]
pub fn is_dumb(term: &str) -> bool {
    term == "dumb"
}

fn depth(term: &str, colorterm: &str, is_tmux: bool) -> Depth {
    /// Terminals of 24 bits by their names, which come along where `COLORTERM` does not: over ssh.
    const TRUE: [&str; 6] = ["xterm-kitty", "xterm-ghostty", "alacritty", "wezterm", "foot", "contour"];
    // GNU Screen passes COLORTERM on from outside, and does not know such colours.
    let is_screen = term.starts_with("screen") && !is_tmux;
    let is_monochrome = term.is_empty()
        || is_dumb(term)
        || term.starts_with("vt")
        || term.ends_with("-m")
        || term.ends_with("-mono");
    if is_monochrome {
        Depth::Two
    } else if is_screen {
        if term.contains("256color") { Depth::Indexed } else { Depth::Sixteen }
    } else if ["truecolor", "24bit"].contains(&colorterm)
        || term.ends_with("-direct")
        || TRUE.iter().any(|name| term.starts_with(name))
    {
        Depth::True
    } else if term.contains("256color") {
        Depth::Indexed
    } else {
        Depth::Sixteen
    }
}

/// `15;0` or `15;default;0`: the last number is the background's, one of the sixteen.
fn ground(colorfgbg: &str) -> Option<Ground> {
    let (_, background) = colorfgbg.rsplit_once(';')?;
    match background.parse::<u8>().ok()? {
        0..=6 | 8 => Some(Ground::Dark),
        7 | 9..=15 => Some(Ground::Light),
        _ => None,
    }
}

/// Whether a locale, where there is one, has UTF-8: `C`, `de_DE` and `de_DE.ISO-8859-1` do not. macOS has one that is
/// called `UTF-8`.
fn is_unicode(locale: Option<&String>) -> bool {
    locale.is_none_or(|locale| {
        let name = locale.split('@').next().unwrap_or_default();
        let encoding = name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
        encoding == "utf-8" || encoding == "utf8"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(variables: &[(&str, &str)]) -> Capabilities {
        Capabilities::of(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn colours_are_counted_by_the_names() {
        for (term, colorterm, depth) in [
            ("xterm", "", Depth::Sixteen),
            ("linux", "", Depth::Sixteen),
            ("screen", "truecolor", Depth::Sixteen),
            ("xterm-256color", "", Depth::Indexed),
            ("screen-256color", "truecolor", Depth::Indexed),
            ("tmux-256color", "", Depth::Indexed),
            ("xterm-256color", "truecolor", Depth::True),
            ("xterm", "24bit", Depth::True),
            ("xterm-kitty", "", Depth::True),
            ("xterm-direct", "", Depth::True),
            ("dumb", "truecolor", Depth::Two),
            ("vt220", "", Depth::Two),
            ("xterm-mono", "", Depth::Two),
            ("", "", Depth::Two),
        ] {
            assert_eq!(with(&[("TERM", term), ("COLORTERM", colorterm)]).depth, depth, "{term} {colorterm}");
        }
        let tmux = [("TERM", "screen-256color"), ("COLORTERM", "truecolor"), ("TMUX", "/tmp/tmux-0")];
        assert_eq!(with(&tmux).depth, Depth::True, "tmux calls itself a screen, and knows them");
    }

    #[test]
    fn the_background_may_be_told_by_a_variable() {
        for (value, ground) in [
            ("15;0", Some(Ground::Dark)),
            ("7;8", Some(Ground::Dark)),
            ("0;15", Some(Ground::Light)),
            ("0;default;7", Some(Ground::Light)),
            ("15;default", None),
            ("15", None),
            ("", None),
            ("0;16", None),
        ] {
            assert_eq!(with(&[("COLORFGBG", value)]).ground, ground, "{value}");
        }
    }

    #[test]
    fn a_background_is_light_where_black_is_read_better() {
        let ground = |hex: u32| Ground::of([16, 8, 0].map(|shift| f64::from(hex >> shift & 0xff) / 255.0));
        for dark in [0x00_0000, 0x00_2b36, 0x2e_3440, 0x80_0000, 0x00_00ff] {
            assert_eq!(ground(dark), Ground::Dark, "{dark:06x}");
        }
        for light in [0xff_ffff, 0xfd_f6e3, 0xcc_cccc, 0xff_a500] {
            assert_eq!(ground(light), Ground::Light, "{light:06x}");
        }
    }

    #[test]
    fn signs_are_left_out_where_they_would_be_boxes() {
        for locale in ["de_DE.UTF-8", "C.utf8", "sr_RS.UTF-8@latin", "UTF-8", ""] {
            assert!(with(&[("TERM", "xterm"), ("LANG", locale)]).has_signs, "{locale}");
        }
        for locale in ["C", "POSIX", "de_DE", "de_DE@euro", "de_DE.ISO-8859-1"] {
            assert!(!with(&[("TERM", "xterm"), ("LANG", locale)]).has_signs, "{locale}");
        }
        assert!(!with(&[("TERM", "linux"), ("LANG", "de_DE.UTF-8")]).has_signs);
        assert!(
            with(&[("LC_ALL", "en_US.utf8"), ("LANG", "de_DE.ISO-8859-1")]).has_signs,
            "the first counts"
        );
    }
}
