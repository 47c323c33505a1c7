//! Insertion of the chosen candidate into the draft.

use super::candidates::Completion;
use crate::app::composing::draft;
use crate::app::editor::Full;
use crate::app::message::Effect;
use crate::app::model::Model;

/// Writes the chosen candidate in place of the one before, or of the word.
pub(super) fn write(model: &mut Model, mut completion: Completion) -> Vec<Effect> {
    draft::edit(model, |model| {
        let text = &completion.candidates[completion.chosen].text;
        let start = completion.range.start;
        match model.pane_mut().composer.editor.replace(completion.range.clone(), text) {
            Ok(()) => {
                completion.range = start..start + text.len();
                model.completion = Some(completion);
            }
            Err(Full) => model.show_hint("that does not fit into the draft"),
        }
    })
}
