//! HTTP: the accept loop and the routes.
//!
//! A connection is assigned to a worker as soon as it is accepted, and stays there. hyper reads its request, within a
//! time limit. The WebSocket route takes the raw stream out of the upgrade, so that nothing of hyper remains.

mod accept;
mod admission;
mod credentials;
mod handshake;
mod idle_timer;
mod origin_policy;
mod pace;
mod refusal;
mod site;
mod websocket;

use std::borrow::Cow;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Extension;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use http::header::{CONTENT_TYPE, REFERRER_POLICY, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tower_service::Service as _;

pub(crate) use self::accept::{Worker, accept};
pub(crate) use self::admission::{Admission, ListenerKind};
use self::idle_timer::IdleTimer;
use self::pace::Pace;
use self::refusal::Refusal;
use self::site::Peer;
pub(crate) use self::site::Site;
use crate::metrics;

/// Limit on the life of a connection that is not upgraded.
const REQUESTS_TIMEOUT: Duration = Duration::from_mins(1);
/// Time that a pending request has to end when the server stops.
const LAST_REQUEST_TIMEOUT: Duration = Duration::from_secs(1);
/// Limit on the head of a request: a token of 8 KiB and the headers of a browser.
const MAX_HEAD_BYTES: usize = 32 * 1024;

/// Site and routes, cloned for each connection.
#[derive(Clone)]
pub(crate) struct Service {
    site: Arc<Site>,
    routes: Router,
    kind: ListenerKind,
}

impl Service {
    /// The routes of the public listeners, with metrics if there is no other listener for them.
    pub(crate) fn public(site: Arc<Site>, with_metrics: bool) -> Self {
        let mut routes = health_routes()
            .route("/api/v1/ws", any(websocket::upgrade))
            .route("/ws", any(websocket::upgrade))
            .fallback(not_found);
        if with_metrics {
            routes = routes.route("/metrics", get(public_metrics));
        }
        Self { routes: routes.with_state(site.clone()), site, kind: ListenerKind::Public }
    }

    /// The routes of the admin listeners.
    pub(crate) fn admin(site: Arc<Site>) -> Self {
        let routes = health_routes().route("/metrics", get(render_metrics)).fallback(not_found);
        Self { routes: routes.with_state(site.clone()), site, kind: ListenerKind::Admin }
    }
}

fn health_routes() -> Router<Arc<Site>> {
    Router::new().route("/healthz", get(async || "ok\n")).route("/readyz", get(readiness))
}

/// Readiness, for a load balancer.
async fn readiness(State(site): State<Arc<Site>>) -> (StatusCode, Cow<'static, str>) {
    if *site.stopping.borrow() {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n".into());
    }
    match site.hub.registry.readiness() {
        Ok(()) => (StatusCode::OK, "ok\n".into()),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, (reason + "\n")),
    }
}

/// Answer to an unknown path. Counts as a refused upgrade if the request is one.
async fn not_found(
    State(site): State<Arc<Site>>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Refusal {
    if handshake::asks_for_websocket(request.headers()) {
        Refusal::NotFound.record(&site, &peer, request.headers());
    }
    Refusal::NotFound
}

async fn public_metrics(State(site): State<Arc<Site>>, Extension(peer): Extension<Peer>) -> Response {
    if site.admission.admit_scrape(peer.address(), Instant::now()) {
        return render_metrics(State(site)).await.into_response();
    }
    let wait = [(RETRY_AFTER, HeaderValue::from_static("1"))];
    (StatusCode::TOO_MANY_REQUESTS, wait, "too many requests for metrics\n").into_response()
}

async fn render_metrics(State(site): State<Arc<Site>>) -> impl IntoResponse {
    ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], site.hub.metrics.render())
}

/// Serves the requests of one connection, until it ends or becomes a WebSocket.
async fn serve(service: Service, stream: TcpStream, peer: Peer) {
    let Service { site, routes, kind } = service;
    let permit = peer.permit.clone();
    let timing = &site.hub.config.timing;
    let idle_timer = Arc::new(IdleTimer::new(match kind {
        ListenerKind::Public => timing.keep_alive,
        ListenerKind::Admin => REQUESTS_TIMEOUT,
    }));
    let pace = (kind == ListenerKind::Public).then(|| Arc::new(Pace::new()));
    let service = service_fn({
        let idle_timer = idle_timer.clone();
        move |mut request: hyper::Request<Incoming>| {
            idle_timer.requested();
            request.extensions_mut().insert(peer.clone());
            let (mut routes, idle_timer, permit) = (routes.clone(), idle_timer.clone(), peer.permit.clone());
            let pace = pace.clone();
            async move {
                if let Some(pace) = pace {
                    pace.admit().await;
                }
                let mut response =
                    routes.call(request.map(Body::new)).await.unwrap_or_else(|never| match never {});
                // A token may be in the URL. What hyper answers itself (400, 414, 431) has no headers of ours, for which
                // it has no hook; it has no body either, so nothing in it leads elsewhere.
                response.headers_mut().insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
                idle_timer.answered();
                permit.answered();
                Ok::<_, Infallible>(response)
            }
        }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(timing.header_timeout)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    // hyper's own timeout covers only reading a head; a client that does not read its responses has no other limit.
    let until_closed = tokio::time::timeout(REQUESTS_TIMEOUT, async {
        tokio::select! {
            ended = connection.as_mut() => Some(ended),
            () = site.stopped() => None,
            () = idle_timer.ended() => None,
            () = permit.evicted() => Some(Ok(())),
        }
    });
    let ended = match until_closed.await {
        Ok(Some(ended)) => ended,
        Ok(None) => {
            connection.as_mut().graceful_shutdown();
            tokio::time::timeout(LAST_REQUEST_TIMEOUT, connection).await.unwrap_or(Ok(()))
        }
        Err(_) => Ok(()),
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a request ended early");
    }
}
