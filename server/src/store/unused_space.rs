//! Unused space within the pages of the database: SQLite leaves copies of rows in it.
//!
//! `secure_delete` overwrites a row where it is deleted. When SQLite moves rows from one page to another, it leaves copies
//! in the gap between the pointers and the cells of the old page, and a later deletion does not reach them. Versions before
//! format 4 also left deleted rows in freeblocks.
//!
//! The layout of a page is at <https://sqlite.org/fileformat2.html#b_tree_pages>.

use std::ops::Range;

/// Most pages of a database in which a page of a b-tree can be told from an overflow page: 128 GiB. An overflow page begins
/// with the number of the next one, whose first byte is then never a type of a page.
pub(super) const MAX_PAGES: u32 = 0x01FF_FFFF;
/// Bytes before the header of page 1.
const DATABASE_HEADER_BYTES: usize = 100;
/// Bytes of a freeblock's header. They link it with the next one.
const FREEBLOCK_HEADER_BYTES: usize = 4;

/// Overwrites the unused space of a page with zeros. Returns false if there is nothing to overwrite.
pub(super) fn clear(page: &mut [u8], number: u32) -> bool {
    let unclear: Vec<_> =
        unused(page, number).into_iter().filter(|range| !is_zero(&page[range.clone()])).collect();
    for range in &unclear {
        page[range.clone()].fill(0);
    }
    !unclear.is_empty()
}

/// True if the unused space of a page has only zeros.
pub(super) fn is_clear(page: &[u8], number: u32) -> bool {
    unused(page, number).into_iter().all(|range| is_zero(&page[range]))
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().fold(0, |any, byte| any | byte) == 0
}

/// The unused ranges of a page; none if it is not a page of a b-tree.
fn unused(page: &[u8], number: u32) -> Vec<Range<usize>> {
    ranges(page, if number == 1 { DATABASE_HEADER_BYTES } else { 0 }).unwrap_or_default()
}

fn ranges(page: &[u8], header: usize) -> Option<Vec<Range<usize>>> {
    let header_bytes = match page.get(header)? {
        2 | 5 => 12,
        10 | 13 => 8,
        _ => return None,
    };
    let number = |at: usize| Some(usize::from(u16::from_be_bytes(*page.get(at..)?.first_chunk()?)));
    let pointers_end = header + header_bytes + 2 * number(header + 3)?;
    let cells = match number(header + 5)? {
        0 => 65_536,
        cells => cells,
    };
    if cells < pointers_end || cells > page.len() {
        return None;
    }
    let (mut ranges, mut block, mut end) = (Vec::new(), number(header + 1)?, cells);
    ranges.push(pointers_end..cells);
    while block != 0 {
        let block_end = block + number(block + 2)?;
        if block < end || block_end < block + FREEBLOCK_HEADER_BYTES || block_end > page.len() {
            return None;
        }
        ranges.push(block + FREEBLOCK_HEADER_BYTES..block_end);
        (end, block) = (block_end, number(block)?);
    }
    Some(ranges)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A leaf of a table with two cells at its end and a freeblock of ten bytes between them.
    fn leaf(header: usize) -> Vec<u8> {
        let mut page = vec![b'x'; 512];
        page[header..header + 12].copy_from_slice(&[13, 1, 0xEA, 0, 2, 1, 0xE0, 0, 1, 0xE0, 1, 0xF4]);
        page[490..494].copy_from_slice(&[0, 0, 0, 10]);
        page
    }

    #[test]
    fn the_gap_and_the_freeblocks_are_cleared_and_nothing_else() {
        for (number, header) in [(7, 0), (1, 100)] {
            let (mut page, before) = (leaf(header), leaf(header));
            assert!(!is_clear(&page, number));
            assert!(clear(&mut page, number));
            let changed: Vec<_> = (0..512).filter(|at| page[*at] != before[*at]).collect();
            assert_eq!(changed, (header + 12..480).chain(494..500).collect::<Vec<_>>());
            assert!(changed.into_iter().all(|at| page[at] == 0));
            assert!(is_clear(&page, number) && !clear(&mut page, number));
        }
    }

    #[test]
    fn a_page_of_another_type_and_a_damaged_one_are_unchanged() {
        let mut foreign = leaf(0);
        foreign[0] = 0;
        let mut overlapping = leaf(0);
        overlapping[6] = 4;
        overlapping[5] = 0;
        let mut outside = leaf(0);
        outside[492..494].copy_from_slice(&[1, 0]);
        let mut circular = leaf(0);
        circular[490..492].copy_from_slice(&[1, 0xEA]);
        for mut page in [foreign, overlapping, outside, circular, Vec::new(), vec![13; 3]] {
            let before = page.clone();
            assert!(!clear(&mut page, 2));
            assert_eq!(page, before);
        }
    }
}
