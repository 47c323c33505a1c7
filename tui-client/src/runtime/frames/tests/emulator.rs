//! A small terminal that judges widths in its own way, as terminals do: character by character.

use unicode_segmentation::UnicodeSegmentation;

use crate::width;

/// Widths of a terminal.
enum Widths {
    /// Those of the client, by grapheme.
    Client,
    /// Any from 0 to 2 for each uncertain character.
    Seed(u32),
}

/// A cell: its text and style. The second half of a wide character has an empty text.
type Cell = (String, String);

pub(super) struct Emulator {
    widths: Widths,
    rows: Vec<Vec<Cell>>,
    at: (usize, usize),
    style: Vec<String>,
}

impl Emulator {
    pub(super) fn new(size: (u16, u16), seed: u32) -> Self {
        Self::with(size, Widths::Seed(seed))
    }

    /// A terminal with the widths of the client.
    pub(super) fn agreeing(size: (u16, u16)) -> Self {
        Self::with(size, Widths::Client)
    }

    fn with((columns, rows): (u16, u16), widths: Widths) -> Self {
        let row = vec![blank(); columns.into()];
        Self { widths, rows: vec![row; rows.into()], at: (0, 0), style: Vec::new() }
    }

    /// The rows with their styles, or only with their text if the widths are the client's.
    pub(super) fn rows(&self) -> Vec<String> {
        let cell = |(text, style): &Cell| match self.widths {
            Widths::Client => text.clone(),
            Widths::Seed(_) => format!("<{style}>{text}"),
        };
        self.rows.iter().map(|row| row.iter().map(cell).collect()).collect()
    }

    pub(super) fn write(&mut self, frame: &str) {
        let mut rest = frame;
        while let Some(c) = rest.chars().next() {
            if let Some(sequence) = rest.strip_prefix("\x1b[") {
                let end = sequence.find(|c: char| c.is_ascii_alphabetic()).expect("a final byte");
                self.control(&sequence[..end], &sequence[end..=end]);
                rest = &sequence[end + 1..];
                continue;
            }
            let text = match self.widths {
                Widths::Client => rest.graphemes(true).next().expect("a grapheme"),
                Widths::Seed(_) => &rest[..c.len_utf8()],
            };
            self.print(text);
            rest = &rest[text.len()..];
        }
    }

    fn control(&mut self, parameters: &str, end: &str) {
        match end {
            "H" => {
                let (row, column) = parameters.split_once(';').expect("a place");
                self.at = (
                    row.parse::<usize>().expect("a row") - 1,
                    column.parse::<usize>().expect("a column") - 1,
                );
            }
            "J" => self.rows.iter_mut().flatten().for_each(|cell| *cell = blank()),
            "m" => self.restyle(parameters),
            _ => {}
        }
    }

    fn restyle(&mut self, parameters: &str) {
        match parameters {
            "0" => self.style.clear(),
            "22" => self.style.retain(|begun| begun != "1" && begun != "2"),
            "27" => self.style.retain(|begun| begun != "7"),
            "1" | "2" | "7" => self.style.push(parameters.to_owned()),
            colors => {
                self.style.retain(|begun| !begun.starts_with(['3', '4']));
                let is_default = ["39", "49", "39;49"].contains(&colors);
                self.style.extend((!is_default).then(|| colors.to_owned()));
            }
        }
        self.style.sort();
    }

    fn print(&mut self, text: &str) {
        let cells = match self.widths {
            _ if width::is_certain(text) => 1,
            Widths::Client => width::of_grapheme(text),
            Widths::Seed(seed) => {
                let c = text.chars().next().map_or(0, u32::from);
                usize::try_from(c.wrapping_mul(2_654_435_761).rotate_left(seed) % 3).expect("small")
            }
        };
        let (row, column) = self.at;
        let row = &mut self.rows[row];
        if cells == 0 {
            if column > 0 {
                let before = if row[column - 1].0.is_empty() { column.saturating_sub(2) } else { column - 1 };
                row[before].0.push_str(text);
            }
            return;
        }
        // No line wrap: what does not fit is not shown.
        if column + cells > row.len() {
            return;
        }
        for at in column..column + cells {
            erase(row, at);
        }
        row[column] = (text.to_owned(), self.style.concat());
        for cell in &mut row[column + 1..column + cells] {
            cell.0.clear();
        }
        self.at.1 = column + cells;
    }
}

/// Blanks a cell, and the rest of the wide character that it is a part of.
fn erase(row: &mut [Cell], at: usize) {
    let mut first = at;
    while first > 0 && row[first].0.is_empty() {
        first -= 1;
    }
    let mut end = at + 1;
    while row.get(end).is_some_and(|cell| cell.0.is_empty()) {
        end += 1;
    }
    row[first..end].fill(blank());
}

fn blank() -> Cell {
    (" ".to_owned(), String::new())
}
