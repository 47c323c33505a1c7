//! Normal users: residents, which post in their room, and visitors, which connect, join and go.
//!
//! Both act at due times, whether or not the server has answered before. They run on a thread of their own, so that the
//! attackers' work does not delay them.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::SinkExt;
use futures_util::future::join_all;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::oneshot;
use tokio::time::{Instant, interval_at, timeout};
use tokio_tungstenite::tungstenite::Message;

use crate::figures::{CurrentPhase, PhaseRecord, nanos};
use crate::socket::{self, End, Sink, Stream};
use crate::{Addresses, Failure, ROOMS, room};

const RESIDENTS: usize = 500;
/// Time between two messages of a resident.
const POST_INTERVAL: Duration = Duration::from_secs(10);
/// Time between two visits of a room.
const VISIT_INTERVAL: Duration = Duration::from_secs(1);
const VISIT_TIMEOUT: Duration = Duration::from_secs(10);
/// Users that visit a room in turn, so that none of them is limited in its connects.
const VISITORS: usize = 4;
const TEXT: &str = "64 bytes, the length of a line in a chat: the quick brown fox jum";

/// Running users, which end on drop.
pub(crate) struct Users {
    phase: CurrentPhase,
    _running: oneshot::Sender<()>,
}

/// A user with a connection in its room.
struct Resident {
    user: String,
    room: String,
    sink: Sink,
    stream: Stream,
    /// Messages without an answer, by `client_msg_id`: due time, and the phase in which they were due.
    in_flight: HashMap<u64, (Instant, PhaseRecord)>,
}

/// The fields that distinguish frames. Names have no escapes here.
#[derive(Deserialize)]
struct Fields<'a> {
    r#type: &'a str,
    event: Option<&'a str>,
    from: Option<&'a str>,
    user_id: Option<&'a str>,
    client_msg_id: Option<&'a str>,
}

impl Users {
    /// Starts the users and waits until all residents have joined.
    pub(crate) async fn start(addresses: Addresses) -> Result<Self, Failure> {
        let phase = CurrentPhase::default();
        let (running, stopped) = oneshot::channel();
        let (joined, are_joined) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let current = phase.clone();
        std::thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    biased;
                    _ = stopped => {}
                    Err(error) = run_all(&addresses, joined, &current) => eprintln!("users: {error}"),
                }
            });
        });
        are_joined.await.map_err(|_| "the users cannot join")?;
        Ok(Self { phase, _running: running })
    }

    /// Begins a phase; messages that are due from now on belong to it.
    pub(crate) fn begin_phase(&self) -> PhaseRecord {
        self.phase.begin()
    }
}

async fn run_all(
    addresses: &Addresses,
    joined: oneshot::Sender<()>,
    phase: &CurrentPhase,
) -> Result<(), Failure> {
    let mut residents = Vec::with_capacity(RESIDENTS);
    for number in 0..RESIDENTS {
        residents.push(Resident::arrive(addresses, number).await?);
    }
    // An error means that the run has ended already.
    let _ = joined.send(());
    let start = Instant::now();
    let residents = residents.into_iter().enumerate().map(|(number, resident)| {
        let first = start + share(POST_INTERVAL, number, RESIDENTS);
        async move {
            let error = resident.post_and_receive(first, phase).await;
            phase.record().count_end(format!("resident: {error}"));
        }
    });
    let visits = (0..ROOMS).map(|number| {
        let first = start + share(VISIT_INTERVAL, number, ROOMS);
        visit_often(addresses, number, first, phase)
    });
    tokio::join!(join_all(residents), join_all(visits));
    Ok(())
}

/// The offset of one of `all` actors that act evenly within an interval.
fn share(interval: Duration, number: usize, all: usize) -> Duration {
    let [number, all] = [number, all].map(|count| u32::try_from(count).unwrap_or(u32::MAX));
    interval * number / all
}

impl Resident {
    async fn arrive(addresses: &Addresses, number: usize) -> Result<Self, Failure> {
        let user = format!("resident-{number:03}");
        let room = room(number);
        let (sink, stream) = socket::open(addresses.of(number / ROOMS), &socket::token(&user)?).await?;
        let mut resident = Self { user, room, sink, stream, in_flight: HashMap::new() };
        join(&mut resident.sink, &mut resident.stream, &resident.user, &resident.room).await?;
        Ok(resident)
    }

    /// Posts at an even pace until the connection ends.
    async fn post_and_receive(mut self, first: Instant, phase: &CurrentPhase) -> End {
        let mut pace = interval_at(first, POST_INTERVAL);
        let mut number = 0;
        loop {
            let step = tokio::select! {
                due = pace.tick() => {
                    number += 1;
                    self.post(number, due, phase.record()).await
                }
                received = socket::next_text(&mut self.stream) => received.map(|text| self.receive(&text)),
            };
            if let Err(end) = step {
                return end;
            }
        }
    }

    async fn post(&mut self, number: u64, due: Instant, phase: PhaseRecord) -> Result<(), End> {
        phase.lock().messages += 1;
        self.in_flight.insert(number, (due, phase));
        let id = number.to_string();
        let frame = json!({"type": "message", "room": self.room, "text": TEXT, "client_msg_id": id});
        Ok(self.sink.send(Message::text(frame.to_string())).await?)
    }

    fn receive(&mut self, text: &str) {
        let Ok(fields) = serde_json::from_str::<Fields<'_>>(text) else { return };
        let is_own_copy = fields.r#type == "message" && fields.from == Some(&self.user);
        let is_refusal = fields.r#type == "error";
        if !is_own_copy && !is_refusal {
            return;
        }
        let number = fields.client_msg_id.and_then(|id| id.parse().ok());
        let Some((due, phase)) = number.and_then(|number: u64| self.in_flight.remove(&number)) else {
            return;
        };
        let mut figures = phase.lock();
        if is_own_copy {
            figures.round_trips.record(nanos(due.elapsed()));
        } else {
            figures.refused += 1;
        }
    }
}

async fn visit_often(addresses: &Addresses, number: usize, first: Instant, phase: &CurrentPhase) {
    let room = &room(number);
    let mut pace = interval_at(first, VISIT_INTERVAL);
    let mut visits =
        (0..).map(|turn| (addresses.of(turn), format!("visitor-{number:02}-{}", turn % VISITORS)));
    let mut running = futures_util::stream::FuturesUnordered::new();
    loop {
        tokio::select! {
            due = pace.tick() => {
                let Some((address, user)) = visits.next() else { return };
                let phase = phase.record();
                phase.lock().visits += 1;
                running.push(async move {
                    let visit = timeout(VISIT_TIMEOUT, visit(address, &user, room, due, &phase)).await;
                    if let Err(error) = visit.unwrap_or_else(|_| Err("not answered in time".into())) {
                        phase.count_end(format!("visit: {error}"));
                    }
                });
            }
            Some(()) = futures_util::StreamExt::next(&mut running) => {}
        }
    }
}

/// Connects, joins, and closes.
async fn visit(
    address: std::net::SocketAddr,
    user: &str,
    room: &str,
    due: Instant,
    phase: &PhaseRecord,
) -> Result<(), Failure> {
    let (mut sink, mut stream) = socket::open(address, &socket::token(user)?).await?;
    phase.lock().connects.record(nanos(due.elapsed()));
    let asked = Instant::now();
    join(&mut sink, &mut stream, user, room).await?;
    phase.lock().joins.record(nanos(asked.elapsed()));
    // The visit is over, even if the server has ended the connection meanwhile.
    let _ = sink.send(Message::Close(None)).await;
    Ok(())
}

/// Joins a room and waits for the answer.
async fn join(sink: &mut Sink, stream: &mut Stream, user: &str, room: &str) -> Result<(), Failure> {
    let frame = json!({"type": "join_room", "room": room});
    sink.send(Message::text(frame.to_string())).await.map_err(End::from)?;
    loop {
        let text = socket::next_text(stream).await?;
        let fields: Fields<'_> = serde_json::from_str(&text)?;
        if fields.r#type == "error" {
            return Err(format!("a join was refused: {text}").into());
        }
        if fields.event == Some("joined") && fields.user_id == Some(user) {
            return Ok(());
        }
    }
}
