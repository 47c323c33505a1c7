//! What is heard: which rooms are, from when on, and where each announcement goes.

use std::sync::Arc;

use ::redis::{Pipeline, PushInfo, PushKind};
use realtime_shared::{Position, RoomName, Seq};
use tokio::time::timeout;

use super::Shared;
use super::log::repair;
use super::log::replica::{Following, Stage};
use super::relay_channel::Subscription;
use super::transport::link::PATIENCE;
use super::transport::reply;
use super::transport::wire::{self, Announced};
use crate::broker::Unavailable;

impl Shared {
    /// Channels that are heard for all.
    pub(crate) fn channels_for_all(&self) -> [Arc<str>; 2] {
        [self.tells_channel.clone(), self.probe_channel.clone()]
    }

    /// Takes what Redis pushes.
    pub(crate) fn on_push(self: &Arc<Self>, push: &PushInfo, subscription: Subscription) {
        let [channel, payload] = &*push.data else { return };
        let (Some(channel), Some(payload)) = (reply::text(channel), reply::text(payload)) else { return };
        match push.kind {
            PushKind::Message => self.relay(payload, subscription),
            PushKind::SMessage => {
                if *channel == *self.probe_channel {
                    payload.parse().into_iter().for_each(|number| self.health.heard(number));
                } else if *channel == *self.tells_channel {
                    if let (Some((to, json)), Some(feed)) = (wire::told(payload), self.feed()) {
                        feed.broadcast(&to, &json.into());
                    }
                } else {
                    self.on_announcement(channel, payload);
                }
            }
            _ => {}
        }
    }

    fn on_announcement(self: &Arc<Self>, channel: &str, payload: &str) {
        let (Some(following), Some(feed)) = (self.rooms.by_channel(channel), self.feed()) else { return };
        let Some(announced) = Announced::parse(payload) else {
            return tracing::warn!(%channel, "what was announced is not understood");
        };
        if following.announce(announced, &*feed).is_err() {
            self.repair(&following);
        }
    }

    /// The connection for announcements was made anew: what was said meanwhile was not heard.
    pub(crate) fn on_heard_again(self: &Arc<Self>) {
        self.heard_again.notify_one();
        let shared = self.clone();
        self.runtime.spawn(async move { shared.compare_all().await });
    }

    /// See [`Broker::open`](crate::broker::Broker::open).
    pub(crate) async fn open(self: Arc<Self>, room: RoomName) -> Result<Position, Unavailable> {
        let following = self.rooms.take_up(&room, &self.keys);
        let opened = timeout(PATIENCE, self.begin(&following)).await.unwrap_or(Err(Unavailable));
        if opened.is_err() {
            self.rooms.release(&following.channel);
        }
        opened
    }

    /// Subscribes, waits until that is confirmed, and looks then: nothing comes between. A room that was heard all the
    /// time is brought up to what is stored now.
    async fn begin(self: &Arc<Self>, following: &Arc<Following>) -> Result<Position, Unavailable> {
        if following.state.lock().stage == Stage::Open {
            self.bring_up(following).await?;
            return Ok(following.state.lock().head.clone());
        }
        self.subscriptions.hear(&following.channel).await.map_err(|_| Unavailable)?;
        let mut asking = Pipeline::new();
        asking.add_command(self.look(&following.channel, Seq::ZERO, 0));
        asking.add_command(self.room_of_instance("SADD", &following.room));
        let answers = self.asks.ask(&asking).await?;
        let seen = answers.first().and_then(repair::seen).ok_or(Unavailable)?;
        let mut state = following.state.lock();
        let was = std::mem::replace(&mut state.stage, Stage::Open);
        if was != Stage::Open {
            state.head = seen.look.head;
            state.people = seen.people;
        }
        let head = state.head.clone();
        drop(state);
        if was == (Stage::Opening { heard: true }) {
            self.repair(following);
        }
        Ok(head)
    }

    /// Hears rooms no more that nobody here has been in for a while.
    pub(crate) fn forget_released(&self) {
        self.rooms.forget_released(|following| {
            self.subscriptions.forget(&following.channel);
            let mut asking = Pipeline::new();
            asking.add_command(self.room_of_instance("SREM", &following.room));
            self.in_background(asking);
        });
    }
}
