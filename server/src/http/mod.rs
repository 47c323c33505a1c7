//! The way in: an accept loop of our own, and the routes.
//!
//! A connection is given to a worker as soon as it is accepted and stays there. hyper reads its request, with a limit
//! of time; the WebSocket route takes the raw stream out of the upgrade, so nothing of hyper stays behind.

mod accept;
mod admission;
mod credentials;
mod error;
mod site;
mod websocket;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::{any, get};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tower_service::Service as _;

pub(crate) use self::accept::{Worker, accept};
pub(crate) use self::admission::Admission;
use self::error::Refusal;
use self::site::Peer;
pub(crate) use self::site::Site;
use crate::metrics;

/// How long a connection may be one of plain requests.
const REQUESTS: Duration = Duration::from_mins(1);
/// How long a request that is under way may take when the server stops.
const LAST_REQUEST: Duration = Duration::from_secs(1);
/// Most of a request's head that is read: a token of 8 KiB and what browsers add to it.
const HEAD_BYTES: usize = 32 * 1024;

/// What connections are served from: the site, and its routes, made once.
#[derive(Clone)]
pub(crate) struct Service {
    site: Arc<Site>,
    routes: Router,
}

impl Service {
    pub(crate) fn new(site: Arc<Site>) -> Self {
        let routes = Router::new()
            .route("/healthz", get(async || "ok\n"))
            .route("/readyz", get(ready))
            .route("/metrics", get(scrape))
            .route("/api/v1/ws", any(websocket::upgrade))
            .route("/ws", any(websocket::upgrade))
            .fallback(async || Refusal::NotFound)
            .with_state(site.clone());
        Self { site, routes }
    }
}

/// Tells a load balancer whether to send clients here.
async fn ready(State(site): State<Arc<Site>>) -> (StatusCode, &'static str) {
    if *site.stopping.borrow() {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping\n")
    } else if site.hub.registry.is_ready() {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "Redis does not answer, or takes nothing\n")
    }
}

/// Tells the figures.
async fn scrape(State(site): State<Arc<Site>>) -> impl IntoResponse {
    ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], site.hub.metrics.render())
}

/// Serves the requests of one connection, until it ends or becomes a WebSocket.
async fn serve(service: Service, stream: TcpStream, peer: Peer) {
    let Service { site, routes } = service;
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(peer.clone());
        let mut routes = routes.clone();
        async move {
            Ok::<_, Infallible>(
                routes.call(request.map(Body::new)).await.unwrap_or_else(|never| match never {}),
            )
        }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(site.hub.config.timing.header_timeout)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    // hyper's own limit is one of reading a head: a client that does not read its answers is under none.
    let until_stopped = tokio::time::timeout(REQUESTS, async {
        tokio::select! {
            ended = connection.as_mut() => Some(ended),
            () = site.stopped() => None,
        }
    });
    let ended = match until_stopped.await {
        Ok(Some(ended)) => ended,
        Ok(None) => {
            connection.as_mut().graceful_shutdown();
            tokio::time::timeout(LAST_REQUEST, connection).await.unwrap_or(Ok(()))
        }
        Err(_) => Ok(()),
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a request ended early");
    }
}
