//! A member who notes how long messages take that were sent at another instance.
//!
//! A sender's own copy tells less: a server may show it before it has told anybody else.

use crate::mark::Marks;

/// Of a room whose members are dealt to the instances in turn.
pub(crate) struct Witness {
    /// Its place in the room.
    place: usize,
    /// Connections in a room, whose members have neighbouring numbers.
    members: usize,
    instances: usize,
    marks: Marks,
}

impl Witness {
    /// `None` for a connection that is none: the second of each room is, where there are other instances.
    pub(crate) fn new(connection: usize, members: usize, instances: usize) -> Option<Self> {
        let place = connection % members;
        (place == 1 && instances > 1).then(|| Self { place, members, instances, marks: Marks::default() })
    }

    /// When the message was due that is delivered here; `None` where it was sent at this instance.
    pub(crate) fn came_across(&mut self, payload: &[u8]) -> Result<Option<u64>, String> {
        let mark = self.marks.read(payload)?;
        let sender = mark.sender().map(|sender| sender % self.members);
        let is_elsewhere = sender.is_some_and(|place| place % self.instances != self.place % self.instances);
        Ok(mark.due().filter(|_| is_elsewhere))
    }
}
