//! The help: it scrolls, and a query selects its rows. The view has the rows.

use super::next_step::{NextStep, leave};
use super::overlay::Overlay;
use crate::app::composing::query::{Query, QueryEdit};
use crate::app::keys::Action;
use crate::app::message::{Effect, Scroll};
use crate::app::model::Model;

/// Opens the help without a query.
pub(in crate::app) fn open(model: &mut Model) -> Vec<Effect> {
    model.overlay = Some(Overlay::Help(Query::default()));
    Vec::new()
}

/// Handles an action in the help.
pub(in crate::app) fn on_key(model: &mut Model, action: Action) -> NextStep {
    if let Some(scroll) = Scroll::of(action) {
        return NextStep::Done(vec![Effect::Scroll(scroll)]);
    }
    let Some(Overlay::Help(query)) = &mut model.overlay else { return NextStep::Pass };
    match query.on_key(action) {
        QueryEdit::Changed => return NextStep::Done(to_the_top()),
        QueryEdit::Kept | QueryEdit::Full => return NextStep::nothing(),
        QueryEdit::Passed => {}
    }
    match action {
        Action::Close if !query.text().is_empty() => {
            *query = Query::default();
            NextStep::Done(to_the_top())
        }
        Action::Submit => leave(&mut model.overlay, Action::Close, Action::Help),
        _ => leave(&mut model.overlay, action, Action::Help),
    }
}

/// Inserts pasted text into the query.
pub(in crate::app) fn on_paste(query: &mut Query, text: &str) -> Vec<Effect> {
    let _fits = query.write(text.trim());
    to_the_top()
}

/// Other rows are shown from the first one on.
fn to_the_top() -> Vec<Effect> {
    vec![Effect::Scroll(Scroll::Top)]
}
