//! Somebody who talks in a room of their own, at an even pace, whatever happens elsewhere.
//!
//! On a thread of its own, so that a load that is busy does not hold it up; times count from when a message was due.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::{Instant, interval, sleep, timeout};

use crate::Failure;
use crate::client::{Client, Heard};
use crate::figures::nanos;
use crate::histogram::Histogram;

const ROOM: &str = "bystander";
/// Between two messages.
const PACE: Duration = Duration::from_millis(2);
/// How often is looked whether the last message came back, and for how long.
const LOOK: Duration = Duration::from_millis(10);
const PATIENCE: Duration = Duration::from_secs(30);

/// A bystander; it goes when this is dropped.
pub(crate) struct Bystander {
    came_back: Arc<Mutex<Vec<CameBack>>>,
    _stays: oneshot::Sender<()>,
}

#[derive(Clone, Copy)]
struct CameBack {
    due: Instant,
    after: Duration,
}

impl Bystander {
    pub(crate) async fn start(address: SocketAddr) -> Result<Self, Failure> {
        let came_back = Arc::default();
        let (stays, gone) = oneshot::channel();
        let (joined, is_joined) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let records = Arc::clone(&came_back);
        std::thread::spawn(move || {
            runtime.block_on(async {
                let fault = tokio::select! {
                    // First: the server may end as soon as the bystander is not needed any more.
                    biased;
                    _ = gone => return,
                    Err(fault) = talk(address, joined, &records) => fault,
                };
                // Whoever asks for its times then waits in vain, and says so.
                eprintln!("bystander: {fault}");
            });
        });
        is_joined.await.map_err(|_| "the bystander cannot join")?;
        Ok(Self { came_back, _stays: stays })
    }

    /// The round trips of what was due in this span. Waits until all of it came back.
    pub(crate) async fn between(&self, from: Instant, to: Instant) -> Result<Histogram, Failure> {
        let all = async {
            while self.came_back.lock().last().is_none_or(|last| last.due < to) {
                sleep(LOOK).await;
            }
        };
        timeout(PATIENCE, all).await.map_err(|_| "the bystander hears nothing")?;
        let mut times = Histogram::new();
        for one in self.came_back.lock().iter().filter(|one| (from..to).contains(&one.due)) {
            times.record(nanos(one.after));
        }
        Ok(times)
    }
}

async fn talk(
    address: SocketAddr,
    joined: oneshot::Sender<()>,
    came_back: &Mutex<Vec<CameBack>>,
) -> Result<(), Failure> {
    let Client { mut asks, mut hears } = {
        let mut client = Client::connect(address, "bystander").await?;
        client.join(ROOM).await?;
        client
    };
    // Whoever waited may be gone, and so is this soon.
    let _ = joined.send(());
    let mut pace = interval(PACE);
    let mut in_flight = VecDeque::new();
    loop {
        tokio::select! {
            due = pace.tick() => {
                in_flight.push_back(due);
                asks.say(ROOM, "still here").await?;
            }
            heard = hears.next() => if heard? == Heard::Said {
                let due: Instant = in_flight.pop_front().ok_or("a message that was not sent")?;
                came_back.lock().push(CameBack { due, after: due.elapsed() });
            }
        }
    }
}
