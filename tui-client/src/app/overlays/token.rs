//! The prompt for a new token, and the use of one.

use unicode_normalization::UnicodeNormalization;

use super::next_step::NextStep;
use super::overlay::Overlay;
use super::token_prompt::TokenPrompt;
use crate::app::editor::Motion;
use crate::app::keys::Action;
use crate::app::message::Effect;
use crate::app::model::Model;
use crate::app::token::explain_fault;
use crate::net::{Command, Token, TokenFault};
use crate::sanitize;

/// Opens the prompt.
pub(in crate::app) fn open(model: &mut Model) -> Vec<Effect> {
    model.overlay = Some(Overlay::Token(TokenPrompt::default()));
    Vec::new()
}

/// Handles an action in the prompt.
pub(in crate::app) fn on_key(model: &mut Model, action: Action) -> NextStep {
    let Some(Overlay::Token(prompt)) = &mut model.overlay else { return NextStep::Pass };
    match action {
        Action::Insert(c) => prompt.write(c.encode_utf8(&mut [0; 4])),
        Action::Delete(Motion::Left) => prompt.pop(),
        Action::Delete(_) | Action::Cut(_) | Action::ClearDraft => *prompt = TokenPrompt::default(),
        Action::Submit => {
            let token = Token::new(prompt.text());
            return match give(model, &token) {
                Ok(effects) => {
                    model.overlay = None;
                    NextStep::Done(effects)
                }
                Err(problem) => {
                    model.overlay = Some(Overlay::Token(TokenPrompt::after(sanitize::line(&problem))));
                    NextStep::nothing()
                }
            };
        }
        Action::Close => model.overlay = None,
        Action::Redraw | Action::Suspend | Action::Quit | Action::Mouse => return NextStep::Pass,
        _ => {}
    }
    NextStep::nothing()
}

/// Handles a paste. Returns false if the prompt is not open.
pub(in crate::app) fn on_paste(model: &mut Model, text: &str) -> bool {
    let Some(Overlay::Token(prompt)) = &mut model.overlay else { return false };
    prompt.write(text);
    true
}

/// Uses a token from now on. An error is a sentence for the user, without the token.
pub(in crate::app) fn give(model: &mut Model, token: &Token) -> Result<Vec<Effect>, String> {
    let Some(claims) = token.claims() else {
        return Err("that is no token: a token is three long words, joined by dots".to_owned());
    };
    let normal = |name: &str| name.nfc().collect::<String>();
    if let (Some(me), Some(user)) = (&model.user, claims.user())
        && normal(me.as_str()) != normal(user)
    {
        return Err(format!(
            "that token is for {user}, and you are {me}: start another realtime-tui with it"
        ));
    }
    if let Some(TokenFault::Invalid(_)) = claims.fault(model.time()) {
        return Err(explain_fault(&claims, model.time(), &model.zone).unwrap_or_default());
    }
    model.given_token = Some(claims);
    model.show_hint("the new token is tried");
    Ok(vec![Effect::Net(Command::UseToken(token.clone()))])
}
