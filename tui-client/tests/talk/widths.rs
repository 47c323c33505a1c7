//! No grapheme takes more cells in tmux than the client reserves for it.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};

use realtime_tui::{sanitize, width};
use unicode_segmentation::UnicodeSegmentation;

use crate::tmux::Tmux;

/// Variables of the probe: the file with the graphemes, one a line, and the file for their cells.
const GRAPHEMES: &str = "WIDTHS_GRAPHEMES";
const CELLS: &str = "WIDTHS_CELLS";
/// Graphemes that are written before their answers are read.
const BATCH: usize = 100;

#[test]
#[ignore = "the other test runs it in tmux"]
fn probe() {
    let variable = |name| std::env::var(name).expect("a variable");
    let graphemes = fs::read_to_string(variable(GRAPHEMES)).expect("graphemes");
    crossterm::terminal::enable_raw_mode().expect("raw mode");
    let (mut input, mut output) = (std::io::stdin().lock(), std::io::stdout().lock());
    let mut cells = String::new();
    for batch in graphemes.lines().collect::<Vec<_>>().chunks(BATCH) {
        for grapheme in batch {
            write!(output, "\x1b[1;1H\x1b[2K{grapheme}\x1b[6n").expect("written");
        }
        output.flush().expect("written");
        for _ in batch {
            // The answer: ESC [ row ; column R.
            let mut answer = Vec::new();
            while answer.last() != Some(&b'R') {
                let mut byte = [0];
                input.read_exact(&mut byte).expect("an answer");
                answer.push(byte[0]);
            }
            let answer = String::from_utf8(answer).expect("ASCII");
            let column = answer.trim_end_matches('R').rsplit(';').next().expect("a column");
            let column: usize = column.parse().expect("a number");
            cells.extend([(column - 1).to_string().as_str(), "\n"]);
        }
    }
    crossterm::terminal::disable_raw_mode().expect("cooked mode");
    fs::write(variable(CELLS), cells).expect("written");
}

/// All characters that are not in private or unassigned planes. Of the planes with ideographs only, some.
fn chars() -> impl Iterator<Item = char> {
    let ideographs = ('\u{20000}'..='\u{3FFFF}').step_by(97);
    ('\0'..='\u{1FFFF}').chain(ideographs).chain('\u{E0000}'..='\u{E01FF}')
}

fn is_pictographic(c: char) -> bool {
    !c.is_ascii() && is_one(&format!("😀\u{200d}{c}")) && !is_one(&format!("a{c}"))
}

/// True if `c` continues a grapheme.
fn is_extending(c: char) -> bool {
    is_one(&format!("a{c}"))
}

fn is_one(text: &str) -> bool {
    text.graphemes(true).count() == 1
}

/// Graphemes of every class of Unicode's segmentation (UAX #29), as the sanitizer leaves them.
fn graphemes() -> Vec<String> {
    let mut texts: Vec<String> = chars().map(String::from).collect();
    // A base of each script kind with each mark, and with two.
    for mark in chars().filter(|c| is_extending(*c)) {
        texts.extend(["a", "日", "ব", "க", "가", "👩"].map(|base| format!("{base}{mark}")));
        texts.push(format!("e\u{301}{mark}"));
    }
    // Characters that precede their base.
    texts.extend(
        chars().filter(|c| is_one(&format!("{c}a"))).flat_map(|c| [format!("{c}a"), format!("{c}日")]),
    );
    // Hangul: each leading letter with vowels and final letters, and a syllable with each of them.
    let jamo = |first: char, last: char| (first..=last).collect::<Vec<_>>();
    let leading = [jamo('\u{1100}', '\u{115F}'), jamo('\u{A960}', '\u{A97C}')].concat();
    let vowels = [jamo('\u{1160}', '\u{11A7}'), jamo('\u{D7B0}', '\u{D7C6}')].concat();
    let finals = [jamo('\u{11A8}', '\u{11FF}'), jamo('\u{D7CB}', '\u{D7FB}')].concat();
    for vowel in &vowels {
        texts.extend(leading.iter().step_by(7).map(|leading| format!("{leading}{vowel}")));
        texts.push(format!("ᄀ{vowel}ᆨ"));
    }
    texts.extend(
        finals.iter().flat_map(|last| [format!("가{last}"), format!("가{last}"), format!("ᄀᄀ{last}")]),
    );
    // Conjuncts of the scripts with viramas.
    for (first, last, virama) in [
        ('क', 'ह', '\u{94D}'),
        ('ক', 'হ', '\u{9CD}'),
        ('ક', 'હ', '\u{ACD}'),
        ('କ', 'ହ', '\u{B4D}'),
        ('క', 'హ', '\u{C4D}'),
        ('ക', 'ഹ', '\u{D4D}'),
    ] {
        for c in first..=last {
            texts.extend([format!("{first}{virama}{c}"), format!("{first}{virama}{c}{virama}{first}")]);
            texts.push(format!("{first}{virama}\u{200d}{c}"));
        }
    }
    // Flags, and emoji: alone, with skin tones, joined, with selectors and keycaps.
    let letters = || '\u{1F1E6}'..='\u{1F1FF}';
    texts.extend(letters().flat_map(|first| letters().map(move |second| format!("{first}{second}"))));
    for emoji in chars().filter(|c| is_pictographic(*c)) {
        texts.extend([format!("{emoji}\u{1F3FD}"), format!("{emoji}\u{fe0f}"), format!("👩\u{200d}{emoji}")]);
        texts.extend([
            format!("{emoji}\u{200d}👩"),
            format!("👩\u{1F3FD}\u{200d}{emoji}\u{200d}{emoji}\u{1F3FD}"),
        ]);
    }
    texts.extend(
        "0123456789#*".chars().flat_map(|c| [format!("{c}\u{20e3}"), format!("{c}\u{fe0f}\u{20e3}")]),
    );
    let clean = texts.iter().map(|text| sanitize::line(text).as_str().to_owned()).collect::<Vec<_>>();
    let graphemes = clean.iter().flat_map(|text| text.graphemes(true)).map(str::to_owned);
    graphemes.collect::<BTreeSet<_>>().into_iter().collect()
}

#[test]
fn no_grapheme_is_wider_in_tmux_than_in_the_client() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name).to_str().expect("UTF-8").to_owned();
    let graphemes = graphemes();
    assert!(graphemes.len() > 100_000, "{} graphemes", graphemes.len());
    fs::write(path("graphemes"), graphemes.join("\n")).expect("written");
    let this = std::env::current_exe().expect("this program");
    let probe = [this.to_str().expect("UTF-8"), "--exact", "widths::probe", "--ignored", "--nocapture"];
    let environment = [(GRAPHEMES, path("graphemes")), (CELLS, path("cells"))];
    let environment = environment.each_ref().map(|(name, value)| (*name, value.as_str()));
    let tmux = Tmux::start((80, 24), &probe, &environment);
    tmux.wait_for_end();
    let cells = fs::read_to_string(path("cells")).expect("the probe has ended with an error");
    assert_eq!(cells.lines().count(), graphemes.len());
    let mut wider = Vec::new();
    for (grapheme, cells) in graphemes.iter().zip(cells.lines()) {
        let cells: usize = cells.parse().expect("a number");
        let reserved = width::of_grapheme(grapheme);
        if cells > reserved {
            let code: Vec<String> = grapheme.chars().map(|c| format!("{:X}", u32::from(c))).collect();
            wider.push(format!("{} takes {cells} cells, not {reserved}", code.join(" ")));
        }
    }
    assert!(wider.is_empty(), "{} graphemes are too wide in tmux:\n{}", wider.len(), wider.join("\n"));
}
