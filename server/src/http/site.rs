//! State that requests share: the site, and the peer of each connection.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::watch;

use super::admission::{Admission, Permit};
use crate::connection::Hub;

/// State that all requests share.
pub(crate) struct Site {
    pub(crate) hub: Arc<Hub>,
    pub(crate) admission: Arc<Admission>,
    /// True once the server stops.
    pub(crate) stopping: watch::Receiver<bool>,
}

impl Site {
    /// Waits until the server stops.
    pub(super) async fn stopped(&self) {
        // An error means that the server has ended; this task ends with it.
        let _ = self.stopping.clone().wait_for(|stopping| *stopping).await;
    }
}

/// The peer of a connection, and its share of the server.
#[derive(Clone)]
pub(super) struct Peer {
    /// True if it came to a listener on a loopback address.
    pub(super) on_loopback: bool,
    pub(super) worker: usize,
    pub(super) permit: Arc<Permit>,
}

impl Peer {
    pub(super) fn address(&self) -> IpAddr {
        self.permit.address
    }
}
