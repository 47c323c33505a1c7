//! Connections to Redis, and the formats of commands and announcements.
//!
//! [`link`] is a connection for commands, [`subscriptions`] the one for announcements, [`health`] the probe of both.
//! [`keys`] has the names of keys and channels, [`scripts`] the Lua scripts, [`reply`] reads answers and [`wire`]
//! announcements. No file here knows rooms, logs or members.

pub(crate) mod health;
pub(crate) mod instance;
pub(crate) mod keys;
pub(crate) mod link;
pub(crate) mod reply;
pub(crate) mod scripts;
pub(crate) mod subscriptions;
pub(crate) mod wire;

use std::sync::Arc;

use ::redis::{Pipeline, Value};
use tokio::runtime::Handle;

use self::health::Health;
use self::instance::{InstanceName, Peers};
use self::keys::Keys;
use self::link::{Connector, Link};
use self::subscriptions::{Receiver, Subscriptions};
use crate::broker::Unavailable;

/// The connections of an engine, and the names that it uses in Redis.
pub(crate) struct Transport {
    pub(crate) keys: Keys,
    pub(crate) instance: InstanceName,
    pub(crate) peers: Peers,
    /// The connection for all commands but those of the lanes.
    pub(crate) commands: Link,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) health: Health,
    /// The runtime of the engine's thread.
    pub(crate) runtime: Handle,
}

impl Transport {
    pub(crate) fn new(connector: Connector, keys: Keys, relay_channel: Option<Arc<str>>) -> Self {
        let instance = InstanceName::new();
        Self {
            health: Health::new(keys.probe(&instance.get()).into(), relay_channel, connector.clone()),
            commands: connector.link("asks"),
            runtime: connector.runtime.clone(),
            subscriptions: Subscriptions::new(connector),
            keys,
            instance,
            peers: Peers::default(),
        }
    }

    /// Starts the tasks of the transport. `receiver` gets what Redis pushes.
    pub(crate) fn start<R: Receiver>(self: &Arc<Self>, receiver: Arc<R>) {
        let transport = self.clone();
        self.runtime.spawn(async move { transport.subscriptions.run(receiver).await });
        let transport = self.clone();
        self.runtime.spawn(async move {
            let Self { health, commands, subscriptions, keys, instance, .. } = &*transport;
            health.run(commands, subscriptions, keys, instance).await;
        });
    }

    /// Sends commands until they are answered; see [`Link::ask`].
    pub(crate) async fn ask(&self, commands: &Pipeline) -> Result<Vec<Value>, Unavailable> {
        self.commands.ask(commands).await
    }

    /// Sends commands until they are answered. An answer may be an error, which does not concern the others.
    pub(crate) async fn ask_each(&self, commands: &Pipeline) -> Result<Vec<Value>, Unavailable> {
        self.commands.ask_each(commands).await
    }

    /// Sends commands whose failure is harmless, and does not wait for the answer.
    pub(crate) fn send_in_background(self: &Arc<Self>, commands: Pipeline) {
        let transport = self.clone();
        self.runtime.spawn(async move {
            let _ = transport.commands.attempt(&commands).await;
        });
    }
}
