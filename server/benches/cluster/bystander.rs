//! A bystander: a client that sends in a room of its own at an even pace.
//!
//! It runs on a thread of its own, so that a busy load does not delay it. Round trips are measured from the due time.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::{Instant, interval, sleep, timeout};

use crate::Failure;
use crate::client::{Client, Received};
use crate::format::nanos;
use realtime_load::histogram::Histogram;

const ROOM: &str = "bystander";
/// Time between two messages.
const PACE: Duration = Duration::from_millis(2);
/// Interval and limit of the wait for the last round trip.
const POLL_INTERVAL: Duration = Duration::from_millis(10);
const TIMEOUT: Duration = Duration::from_secs(30);

/// A running bystander, which ends on drop.
pub(crate) struct Bystander {
    round_trips: Arc<Mutex<Vec<RoundTrip>>>,
    _running: oneshot::Sender<()>,
}

#[derive(Clone, Copy)]
struct RoundTrip {
    due: Instant,
    after: Duration,
}

impl Bystander {
    pub(crate) async fn start(address: SocketAddr) -> Result<Self, Failure> {
        let round_trips = Arc::default();
        let (running, stopped) = oneshot::channel();
        let (joined, is_joined) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let records = Arc::clone(&round_trips);
        std::thread::spawn(move || {
            runtime.block_on(async {
                let error = tokio::select! {
                    // The stop is checked first: the server may end as soon as the bystander has been dropped.
                    biased;
                    _ = stopped => return,
                    Err(error) = send_all(address, joined, &records) => error,
                };
                // The wait for its round trips then times out.
                eprintln!("bystander: {error}");
            });
        });
        is_joined.await.map_err(|_| "the bystander cannot join")?;
        Ok(Self { round_trips, _running: running })
    }

    /// The round trips of messages due in this span. Waits until all of them are complete.
    pub(crate) async fn between(&self, from: Instant, to: Instant) -> Result<Histogram, Failure> {
        let all = async {
            while self.round_trips.lock().last().is_none_or(|last| last.due < to) {
                sleep(POLL_INTERVAL).await;
            }
        };
        timeout(TIMEOUT, all).await.map_err(|_| "the bystander receives nothing")?;
        let mut times = Histogram::new();
        for one in self.round_trips.lock().iter().filter(|one| (from..to).contains(&one.due)) {
            times.record(nanos(one.after));
        }
        Ok(times)
    }
}

async fn send_all(
    address: SocketAddr,
    joined: oneshot::Sender<()>,
    round_trips: &Mutex<Vec<RoundTrip>>,
) -> Result<(), Failure> {
    let Client { mut requests, mut frames } = {
        let mut client = Client::connect(address, "bystander").await?;
        client.join(ROOM).await?;
        client
    };
    // An error means that the run has ended already.
    let _ = joined.send(());
    let mut pace = interval(PACE);
    let mut in_flight = VecDeque::new();
    loop {
        tokio::select! {
            due = pace.tick() => {
                in_flight.push_back(due);
                requests.send(ROOM, "a message").await?;
            }
            received = frames.next() => if received? == Received::OwnMessage {
                let due: Instant = in_flight.pop_front().ok_or("a message that was not sent")?;
                round_trips.lock().push(RoundTrip { due, after: due.elapsed() });
            }
        }
    }
}
