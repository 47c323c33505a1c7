//! Observers: members that measure the latency of messages sent through another instance.
//!
//! A sender's own copy does not measure it: a server may deliver that copy first.

use crate::mark::Marks;

/// An observer in a room whose members are dealt to the instances in turn.
pub(crate) struct Observer {
    /// Index in the room.
    index: usize,
    /// Connections in a room. Members of a room have consecutive indices.
    members: usize,
    instances: usize,
    marks: Marks,
}

impl Observer {
    /// The observer of a connection. With several instances the second member of each room has one.
    pub(crate) fn new(connection: usize, members: usize, instances: usize) -> Option<Self> {
        let index = connection % members;
        (index == 1 && instances > 1).then(|| Self { index, members, instances, marks: Marks::default() })
    }

    /// The due time of a message from another instance; `None` if it was sent through this instance.
    pub(crate) fn crossing(&mut self, payload: &[u8]) -> Result<Option<u64>, String> {
        let mark = self.marks.read(payload)?;
        let sender = mark.sender().map(|sender| sender % self.members);
        let is_elsewhere = sender.is_some_and(|index| index % self.instances != self.index % self.instances);
        Ok(mark.due().filter(|_| is_elsewhere))
    }
}
