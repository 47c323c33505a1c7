//! Refusals of a request: their HTTP responses, log lines and counts.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::header::{ORIGIN, RETRY_AFTER, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::site::{Peer, Site};
use crate::metrics::RefusedUpgrade;

/// Characters of a header's value in the log.
const LOGGED_CHARS: usize = 160;

/// Reason for which a request does not become a WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("not found; WebSocket clients use /api/v1/ws")]
    NotFound,
    #[error("this address is for WebSocket clients: send an upgrade (RFC 6455)")]
    NotAWebSocket,
    #[error("two different tokens: send one")]
    TwoTokens,
    #[error("a token as a subprotocol (bearer.…) needs the subprotocol realtime.v1 too")]
    BearerAlone,
    #[error("connections from this origin are not allowed")]
    Origin,
    #[error("too many failed authentications from this address")]
    TooManyFailures { wait: Duration },
    #[error("this user connects too often")]
    TooManyConnects { wait: Duration },
    #[error("too many connections")]
    TooManyConnections,
}

/// `Retry-After` of a client that was refused because no slot was free.
const NO_SLOT_WAIT: Duration = Duration::from_secs(5);

impl Refusal {
    fn status(self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::NotAWebSocket => StatusCode::UPGRADE_REQUIRED,
            Self::TwoTokens | Self::BearerAlone => StatusCode::BAD_REQUEST,
            Self::Origin => StatusCode::FORBIDDEN,
            Self::TooManyFailures { .. } | Self::TooManyConnects { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::TooManyConnections => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Counts and logs the refusal of an upgrade. Neither the target nor a header that may hold a token is logged.
    pub(super) fn record(self, site: &Site, peer: &Peer, headers: &HeaderMap) {
        let status = self.status().as_u16();
        site.hub.metrics.refused_upgrades.inc(self.label());
        let address = peer.address();
        if self == Self::Origin {
            // The operator can change the cause.
            let origin = headers.get(ORIGIN).map_or(&[][..], HeaderValue::as_bytes);
            let origin: String = String::from_utf8_lossy(origin).chars().take(LOGGED_CHARS).collect();
            let cause = "--allow-origin does not name the page's origin";
            tracing::warn!(%address, status, cause, origin, "an upgrade was refused");
        } else {
            tracing::info!(%address, status, cause = %self, "an upgrade was refused");
        }
    }

    fn label(self) -> RefusedUpgrade {
        match self {
            Self::NotFound => RefusedUpgrade::NotFound,
            Self::NotAWebSocket => RefusedUpgrade::UpgradeRequired,
            Self::TwoTokens | Self::BearerAlone => RefusedUpgrade::BadRequest,
            Self::Origin => RefusedUpgrade::Forbidden,
            Self::TooManyFailures { .. } | Self::TooManyConnects { .. } => RefusedUpgrade::TooManyRequests,
            Self::TooManyConnections => RefusedUpgrade::ServiceUnavailable,
        }
    }

    fn wait(self) -> Option<Duration> {
        match self {
            Self::TooManyFailures { wait } | Self::TooManyConnects { wait } => Some(wait),
            Self::TooManyConnections => Some(NO_SLOT_WAIT),
            Self::NotFound | Self::NotAWebSocket | Self::TwoTokens | Self::BearerAlone | Self::Origin => None,
        }
    }
}

/// Rounds up, so that a client that waits this long is not too early.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.status(), format!("{self}\n")).into_response();
        let headers = response.headers_mut();
        if let Some(wait) = self.wait() {
            headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(wait)));
        }
        if self == Self::NotAWebSocket {
            headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
        response
    }
}
