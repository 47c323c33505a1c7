//! Renaming of rooms whose names this version reserves.

use realtime_shared::RoomName;
use rusqlite::{Connection, OptionalExtension, Result};

use super::entry_key::{EntryKey, RoomId};

/// Beginnings of names that are reserved since format 4.
const RESERVED: [&str; 2] = ["dm:", "sys:"];
/// Frames that are read at once.
const FRAMES: i64 = 500;

/// A room that got another name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Renamed {
    pub(super) from: String,
    pub(super) to: String,
}

/// Renames rooms with reserved names, in a transaction of the caller. Their frames get the new name.
pub(super) fn rename(connection: &Connection) -> Result<Vec<Renamed>> {
    let mut rooms = connection.prepare("SELECT id, name FROM room ORDER BY id")?;
    let rooms = rooms.query_map([], |row| Ok((row.get::<_, RoomId>(0)?, row.get::<_, String>(1)?)))?;
    let mut renamed = Vec::new();
    for room in rooms {
        let (id, from) = room?;
        let Some(to) = new_name(connection, &from)? else { continue };
        connection.execute("UPDATE room SET name = ? WHERE id = ?", (&to, id))?;
        rename_frames(connection, id, &from, &to)?;
        renamed.push(Renamed { from, to });
    }
    Ok(renamed)
}

/// A free name for a room with a reserved one; `None` for any other name.
fn new_name(connection: &Connection, name: &str) -> Result<Option<String>> {
    let Some(prefix) = RESERVED.into_iter().find(|prefix| name.starts_with(prefix)) else { return Ok(None) };
    // A room whose name breaks the rules cannot be reached under any name.
    if RoomName::new(name).is_err() {
        return Ok(None);
    }
    let plain = name.replacen(prefix, &prefix.replace(':', "-"), 1);
    for number in 1_u64.. {
        let candidate = if number == 1 { plain.clone() } else { numbered(&plain, number) };
        let is_taken = connection
            .prepare_cached("SELECT 1 FROM room WHERE name = ?")?
            .query_row([&candidate], |_| Ok(()))
            .optional()?
            .is_some();
        if !is_taken {
            return Ok(Some(candidate));
        }
    }
    Ok(None)
}

/// A name with a number behind it, and as much of the name as the rules allow.
fn numbered(name: &str, number: u64) -> String {
    let mut name = name.to_owned();
    loop {
        let numbered = format!("{} {number}", name.trim_end());
        // Too long, or nothing is left.
        if RoomName::new(&numbered).is_ok() || name.pop().is_none() {
            return numbered;
        }
    }
}

fn rename_frames(connection: &Connection, room: RoomId, from: &str, to: &str) -> Result<()> {
    let (mut after, end) = (room.start(), room.end());
    loop {
        let mut frames = connection.prepare_cached(
            "SELECT place, frame FROM entry WHERE place > ? AND place <= ? AND frame IS NOT NULL ORDER BY place LIMIT ?",
        )?;
        let frames = frames.query_map((after, end, FRAMES), |row| Ok((row.get(0)?, row.get(1)?)))?;
        let frames: Vec<(EntryKey, String)> = frames.collect::<Result<_>>()?;
        let Some((last, _)) = frames.last() else { return Ok(()) };
        after = *last;
        for (place, frame) in frames {
            connection
                .prepare_cached("UPDATE entry SET frame = ? WHERE place = ?")?
                .execute((with_room(&frame, from, to), place))?;
        }
    }
}

/// A frame of the room `from` as one of the room `to`.
fn with_room(frame: &str, from: &str, to: &str) -> String {
    let field = |name: &str| format!("\"room\":{}", serde_json::Value::from(name));
    // A quote within a text is escaped, so the first match is the field.
    let renamed = frame.replacen(&field(from), &field(to), 1);
    if renamed != frame {
        return renamed;
    }
    // A frame of an import is as its author wrote it.
    match serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(frame) {
        Ok(mut fields) => {
            fields.insert("room".to_owned(), to.into());
            serde_json::Value::from(fields).to_string()
        }
        Err(_) => frame.to_owned(),
    }
}
