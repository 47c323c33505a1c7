//! Candidates of a completion in one row: as many as fit, with the chosen one marked.

use super::look::Look;
use super::pen::Pen;
use super::text::width;
use crate::app::Completion;

/// Cells between two candidates.
const GAP: usize = 2;

/// Writes the page with the chosen candidate into the first row, from `column` on and at most `cells` wide. If there are
/// more pages, the number of the chosen one follows at the end, with an ellipsis while the server may have more candidates.
pub(super) fn view(completion: &Completion, look: Look, pen: &mut Pen<'_>, column: usize, cells: usize) {
    let names: Vec<&str> = completion.candidates.iter().map(|candidate| candidate.shown.as_str()).collect();
    let more = if completion.is_part { look.glyph().ellipsis } else { "" };
    let number = format!("{}/{}{more}", completion.chosen + 1, names.len());
    let all = names.iter().map(|name| width(name) + GAP).sum::<usize>();
    let has_all = all <= cells + GAP && !completion.is_part;
    let room = if has_all { cells } else { cells.saturating_sub(width(&number) + GAP) };
    let mut at = column;
    let first = page(&names, completion.chosen, room);
    for (index, name) in names.iter().enumerate().skip(first) {
        let name = look.cut(name, room);
        if index > first && at + width(&name) > column + room {
            break;
        }
        let style = if index == completion.chosen { look.selected() } else { look.plain() };
        at = pen.write(at, 0, &name, style) + GAP;
    }
    if room < cells {
        pen.write(column + cells - width(&number).min(cells), 0, &number, look.faint());
    }
}

/// Index of the first candidate on the page with the `chosen` one.
fn page(names: &[&str], chosen: usize, room: usize) -> usize {
    let (mut first, mut used) = (0, 0);
    for (index, name) in names.iter().enumerate().take(chosen + 1) {
        let wide = width(name).min(room);
        if index > first && used + wide > room {
            (first, used) = (index, 0);
        }
        used += wide + GAP;
    }
    first
}
