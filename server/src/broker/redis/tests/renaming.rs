//! Instances that take a new name while their requests are under way.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;

use super::*;

/// Polls a future once. It must wait then.
async fn begin<F: Future>(mut future: Pin<&mut F>) {
    let waits = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await;
    assert!(waits);
}

/// The state of a name that an instance had. Its heartbeat goes on, so that no lease ends.
struct FormerName {
    raw: RedisClient,
    name: Arc<str>,
}

impl FormerName {
    async fn is_removed(&mut self) -> bool {
        let keys = Keys::new("realtime");
        let _: u64 = self.raw.query(&["HINCRBY", &keys.beats(), &self.name, "1"]).await;
        let (users, rooms) = (keys::at(&channel("a"), &self.name), keys.rooms_at(&self.name));
        self.raw.query::<u64>(&["EXISTS", &users, &rooms]).await == 0
    }
}

/// Otherwise the user would stay in the room after it left, until the audit finds the former name.
#[tokio::test]
async fn a_join_that_arrives_under_a_former_name_is_moved_to_the_new_one() {
    let redis = Redis::start_with(&[]);
    let [one, other] = instances_in_a::<2>(&redis).await;
    let (alice, transport) = (user("alice"), one.broker.0.transport.clone());
    let mut former = FormerName { raw: RedisClient::connect(&redis).await, name: transport.instance.get() };
    one.recorder.members.lock().insert((room("a"), alice.clone()));
    redis.stop();
    let mut entering = pin!(one.broker.enter(&room("a"), &alice, 10));
    begin(entering.as_mut()).await;
    // The former name has no state that could be removed now. The join arrives afterwards.
    transport.instance.set("renamed".into());
    redis.cont();
    entering.await.expect("entered");
    eventually("the state of the former name is removed", async || former.is_removed().await).await;
    one.recorder.members.lock().remove(&(room("a"), alice.clone()));
    one.broker.leave(&room("a"), &alice, LeaveReason::Left).await.expect("left");
    eventually("the room is empty", async || {
        former.is_removed().await && other.broker.members(&room("a"), 10).await.expect("members").count == 0
    })
    .await;
}

/// A connection that ends does not wait for the answer to its join.
#[tokio::test]
async fn a_join_that_nobody_waits_for_leaves_no_user_under_a_former_name() {
    let redis = Redis::start_with(&[]);
    let [one] = instances_in_a::<1>(&redis).await;
    let transport = one.broker.0.transport.clone();
    let mut former = FormerName { raw: RedisClient::connect(&redis).await, name: transport.instance.get() };
    redis.stop();
    {
        let mut entering = pin!(one.broker.enter(&room("a"), &user("alice"), 10));
        begin(entering.as_mut()).await;
        transport.instance.set("renamed".into());
    }
    redis.cont();
    eventually("the state of the former name is removed", async || former.is_removed().await).await;
    eventually("the room is empty", async || {
        former.is_removed().await && one.broker.members(&room("a"), 10).await.expect("members").count == 0
    })
    .await;
}

#[tokio::test]
async fn a_failed_removal_of_a_former_name_is_repeated() {
    let redis = Redis::start_with(&[]);
    let one = instance(&redis);
    eventually("the instance is ready", async || one.broker.readiness().is_ok()).await;
    let mut former = FormerName { raw: RedisClient::connect(&redis).await, name: "former".into() };
    let rooms = Keys::new("realtime").rooms_at("former");
    for (key, value) in [(&rooms, "a"), (&keys::at(&channel("a"), "former"), "alice")] {
        let _: u64 = former.raw.query(&["SADD", key, value]).await;
    }
    let _: String = former.raw.query(&["ACL", "SETUSER", "default", "-smembers"]).await;
    one.broker.0.presence.sync.resend_all("former".into());
    eventually("the removal is refused", async || {
        let statistics: String = former.raw.query(&["INFO", "commandstats"]).await;
        let line = statistics.lines().find(|line| line.starts_with("cmdstat_smembers:"));
        line.is_some_and(|line| !line.contains("rejected_calls=0"))
    })
    .await;
    let _: String = former.raw.query(&["ACL", "SETUSER", "default", "+smembers"]).await;
    eventually("the state of the former name is removed", async || former.is_removed().await).await;
}
