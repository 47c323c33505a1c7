//! Members of the room, beside a wide timeline.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::look::Look;
use super::pen::Pen;
use crate::app::{Action, Model};

pub(super) fn view(model: &Model, look: Look, buffer: &mut Buffer, area: Rect) {
    let glyph = look.glyph();
    let mut pen = Pen::new(buffer, area);
    if let Some(key) = model.keymap.key(Action::Help) {
        pen.write_right((area.height - 1).into(), &format!("{key} help "), look.faint());
    }
    let Some(room) = model.room() else { return };
    pen.write(1, 0, &format!("HERE {}", room.member_count), look.faint());
    let visible = usize::from(area.height).saturating_sub(3);
    let named = room.members().len();
    let shown = if named > visible { visible.saturating_sub(1) } else { named };
    for (row, (nick, is_doubtful)) in room.marked_members().take(shown).enumerate() {
        let is_doubtful = is_doubtful && model.nick() != Some(nick);
        let types = room.typing().any(|typist| typist == nick);
        let column = pen.write(1, row + 1, &format!("{} ", glyph.online), look.nick(nick.as_str()));
        let reserved = 3 + usize::from(is_doubtful);
        let nick = look.cut(nick.as_str(), pen.width().saturating_sub(column + reserved));
        let mut column = pen.write(column, row + 1, &nick, look.plain());
        if is_doubtful {
            column = pen.write(column, row + 1, glyph.doubt, look.bad());
        }
        if types {
            pen.write(column, row + 1, &format!(" {}", glyph.typing), look.busy());
        }
    }
    let more = room.member_count.saturating_sub(shown as u64);
    if more > 0 {
        pen.write(
            1,
            shown + 1,
            &format!("{} {more} more{}", glyph.ellipsis, model.keymap.hint(Action::Members)),
            look.faint(),
        );
    }
}
