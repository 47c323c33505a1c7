//! The token of the connection: its renewal, and tokens that the program gives.

use std::time::Instant;

use realtime_shared::{ClientEvent, ClientFrame, Ref, Timestamp};

use super::{Output, Phase, Session};
use crate::claims::TokenClaims;
use crate::event::Event;
use crate::renewal::RefusedOffer;
use crate::tokens::SourceAnswer;

impl Session {
    /// Sets the claims of the token in use.
    pub(crate) fn uses_token(&mut self, claims: Option<TokenClaims>) {
        self.token = claims.map(Box::new);
    }

    /// Handles the warning that the token expires at `end`.
    pub(super) fn token_expires(&mut self, end: Timestamp, now: Instant) {
        self.renewal.warn(end, now);
        if self.renewal.is_due(now) {
            self.renew_token(now);
        }
    }

    pub(super) fn renew_token(&mut self, now: Instant) {
        self.renewal.ask(now);
        self.outputs.push_back(Output::RenewToken);
    }

    /// Asks a cheap source after the client has stopped because of its token.
    pub(super) fn check_token(&mut self, now: Instant) {
        match &self.phase {
            Phase::Stopped { reason: Some(reason) } => {
                if self.renewal.check(now) {
                    self.phase = Phase::AskingToken { reason: reason.clone(), is_known: true };
                    self.outputs.push_back(Output::CheckToken);
                }
            }
            Phase::AskingToken { .. } => self.renewal.check_later(now),
            Phase::Connecting { .. }
            | Phase::Connected(_)
            | Phase::Waiting { .. }
            | Phase::Stopped { reason: None }
            | Phase::Ended => {}
        }
    }

    /// Handles the answer to [`Output::AskToken`], [`Output::RenewToken`] or [`Output::CheckToken`].
    pub(crate) fn source_answered(&mut self, answer: SourceAnswer, now: Instant) {
        self.renewal.answered();
        match (&self.phase, answer) {
            (Phase::Connected(_), SourceAnswer::Another(token)) => self.offer_token(token, false),
            (Phase::Connected(_), SourceAnswer::Same { is_fixed: true }) => {
                self.renewal_failed("nothing renews it", false, now);
            }
            (Phase::Connected(_), SourceAnswer::Same { is_fixed: false }) => {
                self.renewal_failed("there is no newer one yet", true, now);
            }
            (Phase::Connected(_), SourceAnswer::Failed(why)) => self.renewal_failed(&why, true, now),
            (Phase::AskingToken { reason, .. }, SourceAnswer::Another(_)) => {
                self.wait(reason.clone(), None, now);
            }
            (Phase::AskingToken { reason, is_known: true }, _) => {
                self.phase = Phase::Stopped { reason: Some(reason.clone()) };
            }
            (Phase::AskingToken { reason, is_known: false }, _) => self.stop(reason.clone()),
            (Phase::Connected(_), SourceAnswer::NotNeeded)
            | (Phase::Connecting { .. } | Phase::Waiting { .. } | Phase::Stopped { .. } | Phase::Ended, _) => {
            }
        }
    }

    /// Handles a token of the program.
    pub(super) fn use_token(&mut self, token: String, now: Instant) {
        match self.phase {
            Phase::Connected(_) => self.offer_token(token, true),
            Phase::Connecting { .. } => {
                self.outputs.push_back(Output::Drop);
                self.connect_anew(now);
            }
            Phase::Waiting { .. } | Phase::AskingToken { .. } | Phase::Stopped { .. } => {
                self.connect_anew(now);
            }
            Phase::Ended => {}
        }
    }

    fn offer_token(&mut self, token: String, is_given: bool) {
        let reference = self.generate_ref("refresh");
        self.renewal.offer(reference.clone(), is_given);
        let event = ClientEvent::Refresh { token };
        self.outputs.push_back(Output::Write(ClientFrame { event, reference: Some(reference) }));
    }

    /// Handles `refreshed`.
    pub(super) fn token_accepted(&mut self, reference: Option<&Ref>) {
        if self.renewal.accepted(reference) {
            self.outputs.push_back(Output::TokenAccepted);
        }
    }

    /// Handles the refusal of a `refresh`. Returns false if it is one of something else.
    pub(super) fn token_refused(&mut self, reference: Option<&Ref>, why: &str, now: Instant) -> bool {
        let refused = reference.and_then(|reference| self.renewal.refused(reference));
        let Some(refused) = refused else { return false };
        self.outputs.push_back(Output::TokenRefused);
        match refused {
            RefusedOffer::Given => self.emit(Event::TokenRefused { reason: why.to_owned() }),
            RefusedOffer::Renewed => self.renewal_failed(why, true, now),
        }
        true
    }

    fn renewal_failed(&mut self, why: &str, is_repeated: bool, now: Instant) {
        if let Some(at) = self.renewal.failed(is_repeated, now) {
            self.emit(Event::TokenExpires { at, reason: why.to_owned() });
        }
    }
}
