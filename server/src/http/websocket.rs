//! Upgrade of a request to a WebSocket connection.
//!
//! An invalid token is answered after the upgrade, with a close code, because a browser cannot read an HTTP status.
//! Every other refusal is an HTTP response before the upgrade, so that a client in a retry loop does not count as
//! connected.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Extension;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::SEC_WEBSOCKET_PROTOCOL;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use realtime_shared::CloseCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tracing::field::display;

use super::admission::{Failure, Permit};
use super::credentials::{Credentials, SUBPROTOCOL};
use super::refusal::Refusal;
use super::site::{Peer, Site};
use super::{handshake, origin_policy};
use crate::auth::{Identity, TokenError};
use crate::clock::Utc;
use crate::connection::Connection;
use crate::framing;
use crate::metrics::{Dropped, Metrics};
use crate::room::Mailbox;
use crate::socket::Socket;

/// Time that a connection refused after the upgrade has to close.
const REFUSED_TIMEOUT: Duration = Duration::from_secs(3);

/// Answers an upgrade request, and runs the connection in a task of its own.
pub(super) async fn upgrade(
    State(site): State<Arc<Site>>,
    Extension(peer): Extension<Peer>,
    mut request: Request,
) -> Response {
    match prepare(&site, &peer, &request) {
        Ok((response, verdict)) => {
            let upgrade = hyper::upgrade::on(&mut request);
            tokio::spawn(run(site, peer, upgrade, verdict));
            response
        }
        Err(refusal) => {
            refusal.record(&site, &peer, request.headers());
            refusal.into_response()
        }
    }
}

/// Checks an upgrade request: the response to it, and the verdict on its token.
fn prepare(
    site: &Site,
    peer: &Peer,
    request: &Request,
) -> Result<(Response, Result<Identity, TokenError>), Refusal> {
    let mut response = handshake::response(request).ok_or(Refusal::NotAWebSocket)?;
    if *site.stopping.borrow() {
        return Err(Refusal::TooManyConnections);
    }
    let allowed = &site.hub.config.allowed_origins;
    if !origin_policy::is_allowed(request.uri(), request.headers(), peer.on_loopback, allowed) {
        return Err(Refusal::Origin);
    }
    let credentials = Credentials::of(request.uri(), request.headers())?;
    if credentials.subprotocol {
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    }
    let verdict = site.hub.verifier.verify(&credentials.token, site.hub.clock.now());
    if let Ok(identity) = &verdict {
        let budget = site.hub.registry.budgets.user(&identity.user);
        budget.take_connect(Instant::now()).map_err(|wait| Refusal::TooManyConnects { wait })?;
        if !peer.permit.enter_users() {
            return Err(Refusal::TooManyConnections);
        }
    } else {
        // A valid token is never refused for the failures of others at its address: they may share an office or a proxy.
        // Counted before the upgrade, so that many simultaneous failures do not pass the limit together.
        match site.admission.record_failure(peer.address(), Instant::now()) {
            Failure::Counted => {}
            Failure::NotCounted => site.hub.metrics.dropped.inc(Dropped::FailingAddressLimit),
            Failure::TooMany { wait } => return Err(Refusal::TooManyFailures { wait }),
        }
    }
    Ok((response, verdict))
}

async fn run(site: Arc<Site>, peer: Peer, upgrade: OnUpgrade, verdict: Result<Identity, TokenError>) {
    let Ok(upgraded) = upgrade.await else { return };
    let Ok(parts) = upgraded.downcast::<TokioIo<TcpStream>>() else { return };
    let stream = parts.io.into_inner();
    let identity = match verdict {
        Ok(identity) => identity,
        Err(cause) => {
            let is_about_time = matches!(cause, TokenError::Expired | TokenError::NotYetValid);
            let clock = is_about_time.then(|| display(Utc(site.hub.clock.now())));
            tracing::info!(address = %peer.address(), %cause, clock, "authentication failed");
            return refuse(stream, CloseCode::AuthenticationFailed, &peer.permit, &site.hub.metrics).await;
        }
    };
    let hub = site.hub.clone();
    let (mailbox, online) = match hub.registry.connect(&identity.user, peer.worker).await {
        Ok(Some(connected)) => connected,
        Ok(None) => {
            tracing::info!(user = %identity.user, address = %peer.address(), "too many connections of one user");
            return refuse(stream, CloseCode::TooManyConnections, &peer.permit, &hub.metrics).await;
        }
        Err(error) => {
            tracing::warn!(%error, "a connection cannot be counted");
            return refuse(stream, CloseCode::TryAgainLater, &peer.permit, &hub.metrics).await;
        }
    };
    if *site.stopping.borrow() {
        mailbox.close(CloseCode::Restarting);
    }
    let connection = mailbox.connection;
    tracing::info!(connection, user = %identity.user, address = %peer.address(), "connected");
    let socket = Socket::new(stream, &parts.read_buf, hub.bounds());
    let permit = peer.permit;
    let mut running = Connection::new(hub, socket, identity, mailbox, online);
    // A task of its own with a hand-written future: this task holds the request, and an async block would hold the
    // connection twice.
    tokio::spawn(poll_fn(move |cx| {
        running.poll(cx).map(|ended| {
            let Mailbox { connection, user, .. } = running.mailbox();
            // The permit is held until the socket is closed.
            tracing::info!(connection, %user, address = %permit.address, ?ended, "disconnected");
        })
    }));
}

/// Closes an upgraded connection with a code. Until it has closed, it has a place among those without a token.
async fn refuse(mut stream: TcpStream, code: CloseCode, permit: &Permit, metrics: &Metrics) {
    permit.leave_users();
    metrics.closed(code.to_u16());
    let mut frame = Vec::new();
    framing::close(&mut frame, code);
    let ended = tokio::time::timeout(REFUSED_TIMEOUT, async {
        stream.write_all(&frame).await?;
        stream.shutdown().await?;
        let mut rest = [0; 1024];
        while stream.read(&mut rest).await? > 0 {}
        Ok::<_, std::io::Error>(())
    });
    tokio::select! {
        ended = ended => {
            if let Ok(Err(error)) = ended {
                tracing::debug!(%error, "a refused connection ended early");
            }
        }
        () = permit.evicted() => {}
    }
}
