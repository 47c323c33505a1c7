//! Contrast by WCAG 2, and the colours that each theme may use.

use std::collections::HashSet;

use super::palette::{DARK, EITHER, LIGHT, NONE, SIXTEEN_DARK, SIXTEEN_LIGHT};
use super::*;
use crate::terminal::{Ground, luminance};

/// Contrast of WCAG 2 for text, level AA.
const LEAST: f64 = 4.5;
/// Common dark backgrounds: black, VS Code, One Dark, Dracula, Gruvbox, Solarized, Nord.
const DARK_GROUNDS: [u32; 7] = [0x00_0000, 0x1e_1e1e, 0x28_2c34, 0x28_2a36, 0x28_2828, 0x00_2b36, 0x2e_3440];
/// White, GitHub, Solarized, Gruvbox.
const LIGHT_GROUNDS: [u32; 4] = [0xff_ffff, 0xf6_f8fa, 0xfd_f6e3, 0xfb_f1c7];

/// Sixteen colours, and the usual dark and light background: xterm, VGA, Tango (GNOME), Campbell (Windows).
const SIXTEENS: [([u32; 16], u32, u32); 4] = [
    (
        [
            0x00_0000, 0xcd_0000, 0x00_cd00, 0xcd_cd00, 0x00_00ee, 0xcd_00cd, 0x00_cdcd, 0xe5_e5e5,
            0x7f_7f7f, 0xff_0000, 0x00_ff00, 0xff_ff00, 0x5c_5cff, 0xff_00ff, 0x00_ffff, 0xff_ffff,
        ],
        0x00_0000,
        0xff_ffff,
    ),
    (
        [
            0x00_0000, 0xaa_0000, 0x00_aa00, 0xaa_5500, 0x00_00aa, 0xaa_00aa, 0x00_aaaa, 0xaa_aaaa,
            0x55_5555, 0xff_5555, 0x55_ff55, 0xff_ff55, 0x55_55ff, 0xff_55ff, 0x55_ffff, 0xff_ffff,
        ],
        0x00_0000,
        0xff_ffff,
    ),
    (
        [
            0x2e_3436, 0xcc_0000, 0x4e_9a06, 0xc4_a000, 0x34_65a4, 0x75_507b, 0x06_989a, 0xd3_d7cf,
            0x55_5753, 0xef_2929, 0x8a_e234, 0xfc_e94f, 0x72_9fcf, 0xad_7fa8, 0x34_e2e2, 0xee_eeec,
        ],
        0x00_0000,
        0xff_ffff,
    ),
    (
        [
            0x0c_0c0c, 0xc5_0f1f, 0x13_a10e, 0xc1_9c00, 0x00_37da, 0x88_1798, 0x3a_96dd, 0xcc_cccc,
            0x76_7676, 0xe7_4856, 0x16_c60c, 0xf9_f1a5, 0x3b_78ff, 0xb4_009e, 0x61_d6d6, 0xf2_f2f2,
        ],
        0x0c_0c0c,
        0xff_ffff,
    ),
];

fn with(depth: Depth, ground: Option<Ground>) -> Capabilities {
    Capabilities { depth, ground, has_signs: true }
}

fn contrast(one: u32, other: u32) -> f64 {
    let [one, other] = [one, other]
        .map(|hex| luminance([16, 8, 0].map(|shift| f64::from(hex >> shift & 0xff) / 255.0)) + 0.05);
    one.max(other) / one.min(other)
}

fn hex(index: u8) -> u32 {
    rgb(index).iter().fold(0, |hex, part| hex << 8 | u32::from(*part))
}

fn inks(palette: &Palette) -> Vec<u8> {
    let Palette { nicks, faint, good, busy, bad, you, code, quote, link } = palette;
    let others = [faint, good, busy, bad, you, code, quote, link];
    nicks.iter().copied().chain(others.into_iter().flatten().copied()).collect()
}

#[track_caller]
fn assert_contrast(palette: &Palette, grounds: &[u32]) {
    for index in inks(palette) {
        assert!(index >= 16, "{index} is chosen by the user");
        for &ground in grounds {
            let contrast = contrast(hex(index), ground);
            assert!(contrast >= LEAST, "{index} on {ground:06x}: {contrast:.2}");
        }
    }
}

#[test]
fn colours_have_contrast_on_the_backgrounds_of_their_theme() {
    assert_contrast(&DARK, &DARK_GROUNDS);
    assert_contrast(&LIGHT, &LIGHT_GROUNDS);
    assert_contrast(&EITHER, &[0x00_0000, 0xff_ffff]);
}

#[test]
fn the_sixteen_colours_have_contrast_with_the_usual_values() {
    for (colors, dark, light) in SIXTEENS {
        for (palette, ground) in [(&SIXTEEN_DARK, dark), (&SIXTEEN_LIGHT, light)] {
            for index in inks(palette) {
                let contrast = contrast(colors[usize::from(index)], ground);
                assert!(contrast >= LEAST, "{index} is {:06x}: {contrast:.2}", colors[usize::from(index)]);
            }
        }
    }
}

#[test]
fn warning_colours_are_not_used_for_nicks() {
    for palette in [&DARK, &LIGHT, &EITHER, &SIXTEEN_DARK, &SIXTEEN_LIGHT] {
        let warning = [palette.bad, palette.you];
        assert!(palette.nicks.iter().all(|nick| !warning.contains(&Some(*nick))), "{palette:?}");
        assert_ne!(palette.bad, palette.you);
        assert_eq!(palette.nicks.iter().collect::<HashSet<_>>().len(), palette.nicks.len(), "{palette:?}");
    }
}

/// All styles of a look.
fn styles(look: Look) -> Vec<Style> {
    let nicks = (0..200).map(|n| look.nick(&format!("user{n}")));
    [
        look.plain(),
        look.strong(),
        look.title(),
        look.faint(),
        look.selected(),
        look.matched(),
        look.found(true),
        look.found(false),
        look.good(),
        look.busy(),
        look.bad(),
        look.for_you(),
        look.mention(),
        look.code(),
        look.code_block(),
        look.quote(),
        look.link(),
        Style::new().add_modifier(look.italic()),
    ]
    .into_iter()
    .chain(nicks)
    .collect()
}

#[test]
fn each_theme_uses_only_supported_styles() {
    for (theme, depth, ground) in all() {
        for style in styles(Look::new(theme, with(depth, ground))) {
            assert_eq!(style.bg, None, "a theme sets no background");
            assert!(!style.add_modifier.contains(Modifier::DIM), "{theme:?} {style:?}");
            let is_fit = match (theme, depth) {
                (Theme::None, _) | (_, Depth::Two) => {
                    let means = Modifier::BOLD | Modifier::REVERSED | Modifier::UNDERLINED;
                    style.fg.is_none() && means.contains(style.add_modifier)
                }
                (Theme::Sixteen, _) | (_, Depth::Sixteen) => {
                    matches!(style.fg, None | Some(Color::Indexed(0..16)))
                }
                (_, Depth::Indexed) => matches!(style.fg, None | Some(Color::Indexed(16..))),
                (_, Depth::True) => matches!(style.fg, None | Some(Color::Rgb(..))),
            };
            assert!(is_fit, "{theme:?} on {depth:?}: {style:?}");
        }
    }
}

/// Differences that only the style shows, in every theme.
#[test]
fn different_roles_have_different_styles() {
    for (theme, depth, ground) in all() {
        let look = Look::new(theme, with(depth, ground));
        let in_text = [look.plain(), look.strong(), look.mention(), look.code(), look.link()];
        let different: HashSet<_> = in_text.iter().collect();
        assert_eq!(different.len(), in_text.len(), "{theme:?} on {depth:?}");
        assert!(look.matched() != look.plain() && look.matched() != look.strong());
        assert!(look.selected() != look.plain());
        for below in in_text.into_iter().chain([look.code_block(), look.quote(), look.faint()]) {
            let found = [true, false].map(|is_current| below.patch(look.found(is_current)));
            assert!(found[0] != found[1] && !found.contains(&below), "{theme:?} on {depth:?}: {below:?}");
        }
    }
}

fn all() -> impl Iterator<Item = (Theme, Depth, Option<Ground>)> {
    let grounds = [None, Some(Ground::Dark), Some(Ground::Light)];
    let depths = [Depth::Two, Depth::Sixteen, Depth::Indexed, Depth::True];
    Theme::ALL.into_iter().flat_map(move |(theme, _)| {
        depths.into_iter().flat_map(move |depth| grounds.map(|ground| (theme, depth, ground)))
    })
}

#[test]
fn auto_follows_the_terminal() {
    let palette = |theme, depth, ground| Look::new(theme, with(depth, ground)).palette;
    let (dark, light) = (Some(Ground::Dark), Some(Ground::Light));
    assert_eq!(palette(Theme::Auto, Depth::Indexed, dark), &DARK);
    assert_eq!(palette(Theme::Auto, Depth::True, light), &LIGHT);
    assert_eq!(palette(Theme::Auto, Depth::True, None), &EITHER);
    assert_eq!(palette(Theme::Auto, Depth::Sixteen, light), &SIXTEEN_LIGHT);
    assert_eq!(palette(Theme::Auto, Depth::Two, dark), &NONE);
    assert_eq!(palette(Theme::Dark, Depth::True, light), &DARK, "an explicit theme overrides the terminal");
    assert_eq!(palette(Theme::Light, Depth::Sixteen, dark), &SIXTEEN_LIGHT);
    assert_eq!(palette(Theme::Sixteen, Depth::True, dark), &SIXTEEN_DARK);
    assert_eq!(palette(Theme::None, Depth::True, dark), &NONE);
}

#[test]
fn nicks_have_stable_colours_and_use_all() {
    let look = Look::new(Theme::Dark, with(Depth::Indexed, None));
    assert_eq!(look.nick("alice"), look.nick("alice"));
    let used: HashSet<_> = (0..200).filter_map(|n| look.nick(&format!("user{n}")).fg).collect();
    assert_eq!(used.len(), DARK.nicks.len());
}

#[test]
fn the_256_colours_have_their_values() {
    assert_eq!([16, 21, 196, 231].map(hex), [0x00_0000, 0x00_00ff, 0xff_0000, 0xff_ffff]);
    assert_eq!([232, 243, 255].map(hex), [0x08_0808, 0x76_7676, 0xee_eeee]);
}
