//! Capabilities of the terminal, read from the environment.
//!
//! - Colours: `COLORTERM`, and the name in `TERM` by the conventions of terminfo.
//! - Background: `COLORFGBG`, which some terminals set. The terminal's own answer takes precedence.
//! - Signs: all of Unicode, except on the Linux console, whose font has a few hundred glyphs, and in locales without
//!   UTF-8. A missing locale counts as UTF-8: containers and ssh sessions often have none.

/// Number of colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Foreground and background only.
    Two,
    /// Sixteen colours, chosen by the terminal's user.
    Sixteen,
    /// 256 colours, of which all but the first sixteen are the same everywhere.
    Indexed,
    /// 24 bits.
    True,
}

/// Brightness of the background.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ground {
    /// White text has more contrast than black text.
    Dark,
    /// Black text has more contrast than white text.
    Light,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    pub depth: Depth,
    /// `None` if unknown.
    pub ground: Option<Ground>,
    /// The terminal shows characters beyond ASCII.
    pub has_signs: bool,
}

impl Ground {
    /// Brightness of a background with these parts of red, green and blue, from 0 to 1.
    ///
    /// At the limit black and white have the same contrast to it (WCAG 2: relative luminance 0.179).
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
    /// Capabilities by the environment, which `variable` reads.
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

/// True if `TERM` names a terminal that can only write lines of text and cannot show a screen.
#[must_use]
pub fn is_dumb(term: &str) -> bool {
    term == "dumb"
}

/// Beginnings of the names of terminals that know no OSC: they show or swallow it, and answer nothing. Consoles of kernels,
/// emulations of old terminals, and Emacs.
const PLAIN: [&str; 24] = [
    "ansi", "avatar", "beterm", "bterm", "cons", "cygwin", "dumb", "eterm", "fbterm", "hp", "hurd", "ibm",
    "interix", "jfbterm", "kon", "linux", "mach", "minix", "pcansi", "pcvt", "scoansi", "sun", "wsvt", "wy",
];

/// True if `TERM` names a terminal that knows no OSC, or nothing.
#[must_use]
pub fn is_plain(term: &str) -> bool {
    term.is_empty() || is_dec(term) || PLAIN.iter().any(|plain| term.starts_with(plain))
}

/// True for the terminals of DEC, such as `vt52` and `vt220`, and not for `vte`.
fn is_dec(term: &str) -> bool {
    term.strip_prefix("vt").is_some_and(|model| model.starts_with(|c: char| c.is_ascii_digit()))
}

fn depth(term: &str, colorterm: &str, is_tmux: bool) -> Depth {
    /// Terminals with 24 bits by name. Over ssh `TERM` is passed on and `COLORTERM` is not.
    const TRUE: [&str; 6] = ["xterm-kitty", "xterm-ghostty", "alacritty", "wezterm", "foot", "contour"];
    // GNU Screen passes COLORTERM on from the outer terminal, and does not support these colours.
    let is_screen = term.starts_with("screen") && !is_tmux;
    let is_monochrome =
        term.is_empty() || is_dumb(term) || is_dec(term) || term.ends_with("-m") || term.ends_with("-mono");
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

/// Parses `15;0` or `15;default;0`: the last number is the background, one of the sixteen colours.
fn ground(colorfgbg: &str) -> Option<Ground> {
    let (_, background) = colorfgbg.rsplit_once(';')?;
    match background.parse::<u8>().ok()? {
        0..=6 | 8 => Some(Ground::Dark),
        7 | 9..=15 => Some(Ground::Light),
        _ => None,
    }
}

/// True if a locale has UTF-8 or is missing. `C`, `de_DE` and `de_DE.ISO-8859-1` do not have it. macOS has a locale
/// named `UTF-8`.
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
    fn the_colour_depth_follows_the_variables() {
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
            ("vte-256color", "", Depth::Indexed),
            ("xterm-mono", "", Depth::Two),
            ("", "", Depth::Two),
        ] {
            assert_eq!(with(&[("TERM", term), ("COLORTERM", colorterm)]).depth, depth, "{term} {colorterm}");
        }
        let tmux = [("TERM", "screen-256color"), ("COLORTERM", "truecolor"), ("TMUX", "/tmp/tmux-0")];
        assert_eq!(with(&tmux).depth, Depth::True, "tmux sets TERM to screen and supports 24 bits");
    }

    #[test]
    fn terminals_without_osc_are_known_by_name() {
        for term in
            ["", "dumb", "ansi", "ansi-m", "linux", "linux-16color", "vt52", "vt220", "cons25", "sun-color"]
        {
            assert!(is_plain(term), "{term}");
        }
        for term in
            ["eterm-color", "cygwin", "pcansi", "scoansi", "wsvt25", "wy50", "hp2392", "mach-color", "fbterm"]
        {
            assert!(is_plain(term), "{term}");
        }
        for term in [
            "xterm",
            "xterm-256color",
            "tmux-256color",
            "screen",
            "vte-256color",
            "foot",
            "Eterm",
            "rxvt",
            "putty",
        ] {
            assert!(!is_plain(term), "{term}");
        }
    }

    #[test]
    fn the_background_is_read_from_colorfgbg() {
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
    fn a_background_is_light_if_black_text_has_more_contrast() {
        let ground = |hex: u32| Ground::of([16, 8, 0].map(|shift| f64::from(hex >> shift & 0xff) / 255.0));
        for dark in [0x00_0000, 0x00_2b36, 0x2e_3440, 0x80_0000, 0x00_00ff] {
            assert_eq!(ground(dark), Ground::Dark, "{dark:06x}");
        }
        for light in [0xff_ffff, 0xfd_f6e3, 0xcc_cccc, 0xff_a500] {
            assert_eq!(ground(light), Ground::Light, "{light:06x}");
        }
    }

    #[test]
    fn signs_are_off_in_locales_without_utf8_and_on_the_console() {
        for locale in ["de_DE.UTF-8", "C.utf8", "sr_RS.UTF-8@latin", "UTF-8", ""] {
            assert!(with(&[("TERM", "xterm"), ("LANG", locale)]).has_signs, "{locale}");
        }
        for locale in ["C", "POSIX", "de_DE", "de_DE@euro", "de_DE.ISO-8859-1"] {
            assert!(!with(&[("TERM", "xterm"), ("LANG", locale)]).has_signs, "{locale}");
        }
        assert!(!with(&[("TERM", "linux"), ("LANG", "de_DE.UTF-8")]).has_signs);
        assert!(
            with(&[("LC_ALL", "en_US.utf8"), ("LANG", "de_DE.ISO-8859-1")]).has_signs,
            "the first variable that is set decides"
        );
    }
}
