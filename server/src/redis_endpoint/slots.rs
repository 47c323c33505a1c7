//! The slots of a cluster: a key belongs to one of 16,384, by the checksum of its hash tag, and a slot to one node.
//!
//! The engine uses one node. A node that does not own all slots refuses the rooms whose keys are elsewhere.

use ::redis::aio::MultiplexedConnection;
use ::redis::{Pipeline, RedisResult, Value};

use super::fault::refusal_text;

/// Number of slots of a cluster.
pub(super) const SLOTS: usize = 16_384;
/// Slots of one request.
const CHUNK: usize = 4_096;

/// Slots that a node does not serve.
#[derive(Debug)]
pub(super) struct ForeignSlots {
    pub(super) count: usize,
    /// The answer for one of them.
    pub(super) example: String,
}

/// Asks a node for a key in each slot. No right to a command of clusters is needed.
pub(super) async fn foreign_slots(
    connection: &mut MultiplexedConnection,
    prefix: &str,
) -> RedisResult<Option<ForeignSlots>> {
    let mut foreign: Option<ForeignSlots> = None;
    for tags in tags().chunks(CHUNK) {
        let mut asking = Pipeline::with_capacity(tags.len());
        for tag in tags {
            asking.cmd("EXISTS").arg(format!("{prefix}:{{{tag}}}:trial"));
        }
        for answer in connection.send_packed_commands(&asking, 0, asking.len()).await? {
            if let Value::ServerError(error) = answer {
                let example = || ForeignSlots { count: 0, example: refusal_text(&error) };
                foreign.get_or_insert_with(example).count += 1;
            }
        }
    }
    Ok(foreign)
}

/// A hash tag for each slot.
fn tags() -> Vec<String> {
    let mut tags = vec![None; SLOTS];
    let mut left = SLOTS;
    for number in 0_u32.. {
        let tag = number.to_string();
        let slot = &mut tags[slot(&tag)];
        if slot.is_none() {
            *slot = Some(tag);
            left -= 1;
        }
        if left == 0 {
            break;
        }
    }
    tags.into_iter().flatten().collect()
}

/// The slot of a hash tag: CRC-16/XMODEM modulo the number of slots.
fn slot(tag: &str) -> usize {
    let crc = tag.bytes().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    });
    usize::from(crc) % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value is the one in the specification of Redis Cluster.
    #[test]
    fn the_slot_of_a_tag_is_its_checksum() {
        assert_eq!(slot("123456789"), 0x31c3 % SLOTS);
        assert_eq!(slot(""), 0);
    }

    #[test]
    fn every_slot_has_one_tag() {
        let mut slots: Vec<_> = tags().iter().map(|tag| slot(tag)).collect();
        slots.sort_unstable();
        assert!(slots.into_iter().eq(0..SLOTS));
    }
}
