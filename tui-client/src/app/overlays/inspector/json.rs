//! Frames as text: their type, and one line for each field.

/// Deepest level that is indented.
const DEPTH: usize = 16;

/// Returns the value of the first `type` field. The text may be cut; clients and servers write this field first.
pub(super) fn kind(frame: &str) -> &str {
    let value = frame.split_once("\"type\":").map_or("", |(_, rest)| rest.trim_start());
    value.strip_prefix('"').and_then(|value| value.split('"').next()).unwrap_or_default()
}

/// Formats the text of a frame with one line for each field. Text that is not JSON is kept.
#[must_use]
pub fn pretty(json: &str) -> String {
    let mut text = String::with_capacity(json.len() * 2);
    let (mut depth, mut in_string, mut is_escaped) = (0_usize, false, false);
    let line = |text: &mut String, depth: usize| {
        text.push('\n');
        text.extend(std::iter::repeat_n("  ", depth.min(DEPTH)));
    };
    let mut characters = json.chars().peekable();
    while let Some(c) = characters.next() {
        if in_string {
            in_string = is_escaped || c != '"';
            is_escaped = c == '\\' && !is_escaped;
            text.push(c);
            continue;
        }
        match c {
            '"' => {
                in_string = true;
                text.push(c);
            }
            '{' | '[' => {
                text.push(c);
                let is_empty = characters.peek().is_some_and(|next| matches!(next, '}' | ']'));
                if !is_empty {
                    depth += 1;
                    line(&mut text, depth);
                } else if let Some(end) = characters.next() {
                    text.push(end);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut text, depth);
                text.push(c);
            }
            ',' => {
                text.push(c);
                line(&mut text, depth);
            }
            ':' => text.push_str(": "),
            c => text.push(c),
        }
    }
    text
}
