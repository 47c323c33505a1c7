//! Size of the terminal.

use std::io;

use rustix::termios::tcgetwinsize;

/// Columns and rows of a terminal that does not know its size, such as a serial line.
const DEFAULT: (u16, u16) = (80, 24);

/// Columns and rows of the terminal on standard output.
///
/// # Errors
///
/// Standard output is no terminal.
pub fn size() -> io::Result<(u16, u16)> {
    let size = tcgetwinsize(io::stdout())?;
    Ok(known(size.ws_col, size.ws_row))
}

const fn known(columns: u16, rows: u16) -> (u16, u16) {
    if columns == 0 || rows == 0 { DEFAULT } else { (columns, rows) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_without_a_size_has_the_default_size() {
        for (size, known_size) in
            [((0, 0), DEFAULT), ((0, 50), DEFAULT), ((50, 0), DEFAULT), ((1, 1), (1, 1))]
        {
            assert_eq!(known(size.0, size.1), known_size, "{size:?}");
        }
    }
}
