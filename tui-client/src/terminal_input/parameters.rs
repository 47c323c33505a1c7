//! Parameters of a control sequence: numbers between `;`, each with further numbers after `:`.

/// The bytes between the introducer and the final byte.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parameters<'a>(pub(super) &'a [u8]);

impl Parameters<'_> {
    /// A number by its position. `None` if it is missing, empty, or larger than 32 bits.
    pub(super) fn number(self, index: usize, part: usize) -> Option<u32> {
        let field = self.0.split(|byte| *byte == b';').nth(index)?;
        let digits = field.split(|byte| *byte == b':').nth(part)?;
        std::str::from_utf8(digits).ok()?.parse().ok()
    }

    /// Number of fields. No bytes are one empty field.
    pub(super) fn count(self) -> usize {
        self.0.split(|byte| *byte == b';').count()
    }

    /// True if all bytes belong to numbers: no private mark and no intermediate byte.
    pub(super) fn is_plain(self) -> bool {
        self.0.iter().all(|byte| matches!(byte, b'0'..=b'9' | b';' | b':'))
    }
}
