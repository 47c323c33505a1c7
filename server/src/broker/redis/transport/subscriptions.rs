//! The connection on which an instance receives announcements.
//!
//! The [`Receiver`] lists the channels; changes of the list are sent in order, many at a time. A broken connection is
//! replaced, and the new one subscribes to all channels again. Announcements in between are lost, so the receiver then
//! compares its state with Redis. Receiving never waits.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::redis::aio::MultiplexedConnection;
use ::redis::{AsyncConnectionConfig, Pipeline, PushInfo, PushKind};
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio::time::{sleep, timeout};

use super::link::Connector;
use super::reply;
use crate::redis_endpoint::fault::error_text;

/// Time limit for connecting, and for the confirmation of subscriptions.
const ANSWER: Duration = Duration::from_secs(2);
/// Pause between two attempts to connect.
const PAUSE: Duration = Duration::from_millis(100);
/// Channels of one pipeline.
const CHANNELS: usize = 500;

/// One connection for announcements. Publications between two of them are not received.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subscription {
    pub(crate) number: u64,
    /// A time not later than the start of the subscription.
    pub(crate) since: Instant,
}

/// The receiver of announcements.
pub(crate) trait Receiver: Send + Sync + 'static {
    /// Sharded channels to subscribe to.
    fn channels(&self) -> Vec<Arc<str>>;
    /// A plain channel to subscribe to.
    fn plain_channel(&self) -> Option<Arc<str>>;
    /// Takes a publication of a sharded channel.
    fn on_announcement(&self, channel: &str, payload: &str);
    /// Takes a publication of the plain channel.
    fn on_plain(&self, payload: &str, subscription: Subscription);
    /// The connection was replaced: announcements may be lost.
    fn on_reconnect(&self);
}

/// A change of the channels.
enum Change {
    /// Subscribes. The sender is completed when Redis has confirmed it.
    Subscribe(Arc<str>, oneshot::Sender<()>),
    Unsubscribe(Arc<str>),
}

/// The queue of changes of channels.
pub(crate) struct Subscriptions {
    connector: Connector,
    changes: Mutex<Vec<Change>>,
    changed: Notify,
    /// Notified when the connection must be replaced.
    broken: Notify,
    /// Reason of the last failure to connect or subscribe; `None` while all is subscribed.
    fault: Mutex<Option<String>>,
}

impl Subscriptions {
    pub(crate) fn new(connector: Connector) -> Self {
        Self {
            connector,
            changes: Mutex::default(),
            changed: Notify::new(),
            broken: Notify::new(),
            fault: Mutex::default(),
        }
    }

    /// Subscribes to a channel that the receiver lists; completed when Redis has confirmed it.
    pub(crate) fn subscribe(&self, channel: &Arc<str>) -> oneshot::Receiver<()> {
        let (done, confirmed) = oneshot::channel();
        self.change(Change::Subscribe(channel.clone(), done));
        confirmed
    }

    pub(crate) fn unsubscribe(&self, channel: &Arc<str>) {
        self.change(Change::Unsubscribe(channel.clone()));
    }

    /// Replaces the current connection, if there is one.
    pub(crate) fn reconnect(&self) {
        self.broken.notify_waiters();
    }

    /// Reason of the last failure to connect or subscribe, unless a later attempt succeeded.
    pub(crate) fn fault(&self) -> Option<String> {
        self.fault.lock().clone()
    }

    fn change(&self, change: Change) {
        self.changes.lock().push(change);
        self.changed.notify_one();
    }

    fn take(&self) -> Vec<Change> {
        std::mem::take(&mut *self.changes.lock())
    }

    /// Puts unfinished changes back. Those without a waiting caller are dropped: the receiver's list has them.
    fn put_back(&self, mut changes: Vec<Change>) {
        changes.retain(|change| matches!(change, Change::Subscribe(_, done) if !done.is_closed()));
        self.changes.lock().splice(0..0, changes);
    }

    /// Keeps a connection for as long as the engine runs.
    pub(crate) async fn run<R: Receiver>(&self, receiver: Arc<R>) {
        let mut number = 0_u64;
        loop {
            if let Some((connection, ended)) = self.connect(&receiver, number).await {
                if number > 0 {
                    self.connector.metrics.redis_reconnects.inc();
                }
                number += 1;
                receiver.on_reconnect();
                self.serve(connection, &ended).await;
            }
            sleep(PAUSE).await;
        }
    }

    /// Connects, and subscribes to all channels.
    async fn connect<R: Receiver>(
        &self,
        receiver: &Arc<R>,
        number: u64,
    ) -> Option<(MultiplexedConnection, Arc<Notify>)> {
        let ended = Arc::new(Notify::new());
        let subscription = Subscription { number, since: Instant::now() };
        let listener = {
            let (receiver, ended) = (Arc::downgrade(receiver), ended.clone());
            move |push: PushInfo| -> Result<(), Infallible> {
                if push.kind == PushKind::Disconnection {
                    ended.notify_one();
                } else if let Some(receiver) = receiver.upgrade() {
                    receive(&*receiver, &push, subscription);
                }
                Ok(())
            }
        };
        let config = AsyncConnectionConfig::new().set_push_sender(listener);
        let opening = self.connector.open("realtime-subscriber", config);
        // The receiver's list has the changes so far. `serve` repeats later ones, which is harmless.
        let changes = self.take();
        let connected = match timeout(ANSWER, opening).await {
            Ok(Ok(mut connection)) => {
                self.subscribe_all(&**receiver, &mut connection).await.map(|()| connection)
            }
            Ok(Err(error)) => Err(error_text(&error)),
            Err(_) => Err("no answer in time".to_owned()),
        };
        match connected {
            Ok(connection) => {
                *self.fault.lock() = None;
                confirm(changes);
                Some((connection, ended))
            }
            Err(fault) => {
                *self.fault.lock() = Some(fault);
                self.put_back(changes);
                None
            }
        }
    }

    /// Sends changes until the connection ends or must be replaced.
    async fn serve(&self, mut connection: MultiplexedConnection, ended: &Notify) {
        loop {
            tokio::select! {
                () = ended.notified() => return,
                () = self.broken.notified() => return,
                () = self.changed.notified() => {}
            }
            loop {
                let mut changes = self.take();
                if changes.is_empty() {
                    break;
                }
                let later = changes.split_off(changes.len().min(CHANNELS));
                self.changes.lock().splice(0..0, later);
                let mut pipeline = Pipeline::with_capacity(changes.len());
                for change in &changes {
                    match change {
                        Change::Subscribe(channel, _) => pipeline.cmd("SSUBSCRIBE").arg(&**channel),
                        Change::Unsubscribe(channel) => pipeline.cmd("SUNSUBSCRIBE").arg(&**channel),
                    };
                }
                if let Err(fault) = self.send(&mut connection, &pipeline).await {
                    *self.fault.lock() = Some(fault);
                    // The next connection subscribes to all channels, and completes the waiting callers.
                    self.put_back(changes);
                    return;
                }
                confirm(changes);
            }
        }
    }

    /// Subscribes to all channels of the receiver.
    async fn subscribe_all(
        &self,
        receiver: &impl Receiver,
        connection: &mut MultiplexedConnection,
    ) -> Result<(), String> {
        for channels in receiver.channels().chunks(CHANNELS) {
            let mut pipeline = Pipeline::with_capacity(channels.len());
            for channel in channels {
                pipeline.cmd("SSUBSCRIBE").arg(&**channel);
            }
            self.send(connection, &pipeline).await?;
        }
        if let Some(channel) = receiver.plain_channel() {
            let mut pipeline = Pipeline::new();
            pipeline.cmd("SUBSCRIBE").arg(&*channel);
            self.send(connection, &pipeline).await?;
        }
        Ok(())
    }

    /// Sends changes of subscriptions. The error is the reason why Redis does not confirm them.
    async fn send(&self, connection: &mut MultiplexedConnection, commands: &Pipeline) -> Result<(), String> {
        let answers = timeout(ANSWER, connection.send_packed_commands(commands, 0, commands.len())).await;
        let answers = answers.map_err(|_| "no answer in time".to_owned())?;
        for answer in answers.map_err(|error| error_text(&error))? {
            let Err(error) = answer.extract_error() else { continue };
            let (fault, code) = (error_text(&error), error.code().unwrap_or_default());
            self.connector.suspect();
            if self.connector.is_log_due(code) {
                tracing::error!(error = %fault, "Redis refuses a subscription");
            }
            return Err(fault);
        }
        Ok(())
    }
}

/// Hands a push to the receiver.
fn receive(receiver: &impl Receiver, push: &PushInfo, subscription: Subscription) {
    let [channel, payload] = &*push.data else { return };
    let (Some(channel), Some(payload)) = (reply::text(channel), reply::text(payload)) else { return };
    match push.kind {
        PushKind::Message => receiver.on_plain(payload, subscription),
        PushKind::SMessage => receiver.on_announcement(channel, payload),
        _ => {}
    }
}

/// Completes the callers that wait for a subscription.
fn confirm(changes: Vec<Change>) {
    for change in changes {
        if let Change::Subscribe(_, done) = change {
            // The caller may have stopped waiting.
            let _ = done.send(());
        }
    }
}
