//! Rooms whose names mix scripts, or look like the name of another room.

use crate::app::model::Model;
use crate::lookalike::{NameShape, NameShapes};

/// Returns for each of these names true if it is doubtful among them.
pub(in crate::app) fn among(shapes: &[NameShape]) -> Vec<bool> {
    let mut all = NameShapes::default();
    for shape in shapes {
        all.add(*shape);
    }
    shapes.iter().map(|shape| all.is_doubtful(*shape, true)).collect()
}

impl Model {
    /// Returns for each of the user's rooms true if its name mixes scripts, or looks like that of another one.
    #[must_use]
    pub fn doubtful_rooms(&self) -> Vec<bool> {
        among(&self.rooms.iter().map(|room| room.shape).collect::<Vec<_>>())
    }
}
