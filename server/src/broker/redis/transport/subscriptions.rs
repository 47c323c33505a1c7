//! The one connection on which an instance hears what is announced.
//!
//! What it is to hear is what [`Rooms`](crate::broker::redis::log::replicas::Rooms) has, and a few channels for all. Changes are sent in order,
//! many at a time. When it breaks it is made again, and all that is to be heard is asked for again; what was announced
//! meanwhile is lost, so everything is compared then. Nothing here waits while something is announced.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ::redis::aio::MultiplexedConnection;
use ::redis::{AsyncConnectionConfig, Pipeline, PushInfo, PushKind};
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio::time::{sleep, timeout};

use crate::broker::redis::Shared;
use crate::broker::redis::relay_channel::Subscription;
use crate::broker::redis::transport::link;

/// How long it may take to connect, or to hear that something will be announced.
const ANSWER: Duration = Duration::from_secs(2);
/// Between two attempts to connect.
const PAUSE: Duration = Duration::from_millis(100);
/// Channels that are asked for at once.
const CHANNELS: usize = 500;

/// A channel, from now on.
enum Change {
    /// It is heard. Who waits is told when Redis has said so.
    Hear(Arc<str>, oneshot::Sender<()>),
    /// It is not heard.
    Forget(Arc<str>),
}

/// What is to be heard, from now on.
#[derive(Default)]
pub(crate) struct Subscriptions {
    changes: Mutex<Vec<Change>>,
    changed: Notify,
    /// The connection does not bring what is announced.
    deaf: Notify,
}

impl Subscriptions {
    /// Begins to hear a channel; the answer comes when that is so.
    pub(crate) fn hear(&self, channel: &Arc<str>) -> oneshot::Receiver<()> {
        let (heard, is_heard) = oneshot::channel();
        self.change(Change::Hear(channel.clone(), heard));
        is_heard
    }

    /// Ends it.
    pub(crate) fn forget(&self, channel: &Arc<str>) {
        self.change(Change::Forget(channel.clone()));
    }

    /// Has the connection made again, if there is one: the next one is not to blame.
    pub(crate) fn is_deaf(&self) {
        self.deaf.notify_waiters();
    }

    fn change(&self, change: Change) {
        self.changes.lock().push(change);
        self.changed.notify_one();
    }

    /// Takes out all changes.
    fn take(&self) -> Vec<Change> {
        std::mem::take(&mut *self.changes.lock())
    }

    /// Puts changes back that could not be made, but for those that nobody waits for: what is to be heard is known
    /// without them.
    fn put_back(&self, mut changes: Vec<Change>) {
        changes.retain(|change| matches!(change, Change::Hear(_, heard) if !heard.is_closed()));
        self.changes.lock().splice(0..0, changes);
    }
}

/// Runs for as long as the broker.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut times = 0_u64;
    loop {
        if let Some((connection, ended)) = connect(&shared, times).await {
            if times > 0 {
                shared.metrics.redis_reconnects.inc();
            }
            times += 1;
            shared.on_heard_again();
            serve(&shared, connection, &ended).await;
        }
        sleep(PAUSE).await;
    }
}

/// Connects, and hears all that is to be heard.
async fn connect(shared: &Arc<Shared>, times: u64) -> Option<(MultiplexedConnection, Arc<Notify>)> {
    let ended = Arc::new(Notify::new());
    let subscription = Subscription { number: times, since: Instant::now() };
    let listener = {
        let (shared, ended) = (Arc::downgrade(shared), ended.clone());
        move |push: PushInfo| -> Result<(), std::convert::Infallible> {
            if push.kind == PushKind::Disconnection {
                ended.notify_one();
            } else if let Some(shared) = shared.upgrade() {
                shared.on_push(&push, subscription);
            }
            Ok(())
        }
    };
    let config = AsyncConnectionConfig::new().set_push_sender(listener);
    let opening = link::open(shared.client.clone(), "realtime-subscriber".to_owned(), config);
    // What was to be changed until here is in what is to be heard; later changes are made again by `serve`, which does
    // no harm.
    let changes = shared.subscriptions.take();
    let connected = match timeout(ANSWER, opening).await {
        Ok(Ok(mut connection)) => hear_all(shared, &mut connection).await.map(|()| connection),
        _ => None,
    };
    let Some(connection) = connected else {
        shared.subscriptions.put_back(changes);
        return None;
    };
    tell(changes);
    Some((connection, ended))
}

/// Asks for all that is to be heard.
async fn hear_all(shared: &Shared, connection: &mut MultiplexedConnection) -> Option<()> {
    let mut channels = shared.rooms.channels();
    channels.extend(shared.channels_for_all());
    for channels in channels.chunks(CHANNELS) {
        let mut asking = Pipeline::with_capacity(channels.len());
        for channel in channels {
            asking.cmd("SSUBSCRIBE").arg(&**channel);
        }
        send(connection, &asking).await?;
    }
    if let Some(relay) = &shared.relay_channel {
        let mut asking = Pipeline::new();
        asking.cmd("SUBSCRIBE").arg(&**relay);
        send(connection, &asking).await?;
    }
    Some(())
}

/// Tells those who wait that it is heard.
fn tell(changes: Vec<Change>) {
    for change in changes {
        if let Change::Hear(_, heard) = change {
            // Who waits no more need not know.
            let _ = heard.send(());
        }
    }
}

/// Makes changes, until the connection ends or is found to be deaf.
async fn serve(shared: &Shared, mut connection: MultiplexedConnection, ended: &Notify) {
    let subscriptions = &shared.subscriptions;
    loop {
        tokio::select! {
            () = ended.notified() => return,
            () = subscriptions.deaf.notified() => return,
            () = subscriptions.changed.notified() => {}
        }
        loop {
            let mut changes = subscriptions.take();
            if changes.is_empty() {
                break;
            }
            let later = changes.split_off(changes.len().min(CHANNELS));
            subscriptions.changes.lock().splice(0..0, later);
            let mut asking = Pipeline::with_capacity(changes.len());
            for change in &changes {
                match change {
                    Change::Hear(channel, _) => asking.cmd("SSUBSCRIBE").arg(&**channel),
                    Change::Forget(channel) => asking.cmd("SUNSUBSCRIBE").arg(&**channel),
                };
            }
            if send(&mut connection, &asking).await.is_none() {
                // What was to be heard is asked for again with the rest, and who waits is told then.
                subscriptions.put_back(changes);
                return;
            }
            tell(changes);
        }
    }
}

async fn send(connection: &mut MultiplexedConnection, commands: &Pipeline) -> Option<()> {
    let answers = timeout(ANSWER, connection.send_packed_commands(commands, 0, commands.len())).await;
    for answer in answers.ok()?.ok()? {
        if let Err(error) = answer.extract_error() {
            tracing::error!(code = error.code(), "Redis does not let us subscribe");
            return None;
        }
    }
    Some(())
}
