//! The list of links on the screen, the newest first.

use crate::app::keys::Action;
use crate::app::message::Effect;
use crate::app::model::Model;
use crate::app::overlays::next_step::NextStep;
use crate::app::overlays::overlay::Overlay;
use crate::app::rooms::room::Room;
use crate::app::rooms::timeline::{Body, Item, LogRow};
use crate::markup::{Markup, Target};

/// Largest number of links in the list.
const LISTED: usize = 99;

/// Opens the list with the links of the visible items.
pub(in crate::app) fn open(model: &mut Model) -> Vec<Effect> {
    let targets = model.room().map(visible).unwrap_or_default();
    if targets.is_empty() {
        model.show_hint("no links on the screen");
    } else {
        model.overlay = Some(Overlay::Links { targets, selected: 0 });
    }
    Vec::new()
}

fn visible(room: &Room) -> Vec<Target> {
    let timeline = &room.pane.timeline;
    let (first, last) = room.visible;
    let mut targets: Vec<Target> = Vec::new();
    for item in (timeline.index_of(first)..=timeline.index_of(last)).rev().filter_map(|at| timeline.get(at)) {
        let text = match item {
            Item::Row(LogRow { body: Body::Message(message), .. }) => &message.text,
            Item::Outgoing(outgoing) => &outgoing.text,
            Item::Row(_) => continue,
        };
        for target in Markup::parse(text).links() {
            if !targets.contains(&target) && targets.len() < LISTED {
                targets.push(target);
            }
        }
    }
    targets
}

/// Handles an action in the list.
pub(in crate::app) fn on_key(model: &mut Model, action: Action) -> NextStep {
    let Some(Overlay::Links { targets, selected }) = &mut model.overlay else { return NextStep::Pass };
    let last = targets.len().saturating_sub(1);
    match action {
        Action::Redraw | Action::Suspend => return NextStep::Pass,
        Action::Up => *selected = selected.saturating_sub(1),
        Action::Down => *selected = (*selected + 1).min(last),
        Action::Home => *selected = 0,
        Action::End => *selected = last,
        Action::Submit => {
            let target = targets.swap_remove((*selected).min(last));
            return NextStep::Done(open_link(model, target));
        }
        Action::Insert(digit @ '1'..='9') => {
            let index = digit as usize - '1' as usize;
            if index <= last {
                let target = targets.swap_remove(index);
                return NextStep::Done(open_link(model, target));
            }
        }
        Action::Close | Action::Links => model.overlay = None,
        _ => {
            model.overlay = None;
            return NextStep::Pass;
        }
    }
    NextStep::nothing()
}

/// Opens a link, or copies its address if there is no program for it: for example in a shell over ssh.
pub(in crate::app) fn open_link(model: &mut Model, target: Target) -> Vec<Effect> {
    model.overlay = None;
    if model.opens_links {
        model.show_hint(&format!("opening {target}"));
        return vec![Effect::Open(target)];
    }
    model.show_hint(&format!("copied, as there is no browser here: {target}"));
    vec![Effect::Copy(target.to_string())]
}
