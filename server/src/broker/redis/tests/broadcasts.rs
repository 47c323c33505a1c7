//! Broadcasts of instances, and publications of other programs.

use std::collections::HashMap;

use ::redis::Pipeline;
use realtime_shared::{ServerEvent, SystemEvent};

use super::*;

const CHANNEL: &str = "ws:broadcast";

#[tokio::test]
async fn a_broadcast_reaches_all_instances() {
    let redis = Redis::start();
    let instances = instances_in_a::<3>(&redis).await;
    for (instance, to) in [(0, Recipients::User(user("bob"))), (1, Recipients::Everyone)] {
        instances[instance].broker.broadcast(to.clone(), "{}".into());
        for instance in &instances {
            assert_eq!(
                instance.recorder.wait_for_count(1).await,
                [FeedEvent::Broadcast(to.clone(), "{}".into())]
            );
            instance.recorder.take();
        }
    }
}

#[tokio::test]
async fn a_publication_of_another_program_is_passed_on_once() {
    let redis = Redis::start();
    let instances = instances_in_a::<3>(&redis).await;
    let mut raw = RedisClient::connect(&redis).await;
    let mut publish = async |text: &str| {
        let receivers: u64 = raw.query(&["PUBLISH", CHANNEL, text]).await;
        assert_eq!(receivers, 3);
    };
    publish(r#"{"room":"a","from":"bob","text":"hello"}"#).await;
    publish("what is this").await;
    publish(r#"{"text":"back at noon"}"#).await;
    for instance in &instances {
        let notice = |event: &FeedEvent| matches!(event, FeedEvent::Broadcast(Recipients::Everyone, json) if is_notice(json));
        let events = instance.recorder.wait_until(|events| events.len() >= 2).await;
        assert_eq!(
            (texts(&events), events.iter().filter(|event| notice(event)).count()),
            (vec!["hello".to_owned()], 1)
        );
    }
}

fn is_notice(json: &str) -> bool {
    let event = codec::decode_server(json).expect("a frame").event;
    matches!(event, ServerEvent::System(SystemEvent::Notice(notice)) if notice.message.as_str() == "back at noon")
}

/// Number of times a published text was passed on, after `instances` instances have received it `times` times.
async fn passed_on(raw: &mut RedisClient, instances: usize, times: usize) -> usize {
    let mut passed = 0;
    eventually("all instances have received it", async || {
        let keys: Vec<String> = raw.query(&["KEYS", &Keys::new("realtime").claim("*")]).await;
        let Some(key) = keys.first() else { return false };
        let mut counts: HashMap<String, usize> = raw.query(&["HGETALL", key]).await;
        counts.retain(|field, _| !["at", "since"].contains(&field.as_str()));
        passed = counts.remove("passed").unwrap_or(0);
        counts.retain(|_, received| *received >= times);
        counts.len() == instances
    })
    .await;
    passed
}

/// Repeated publications of one text are separate messages.
#[tokio::test]
async fn the_same_text_is_passed_on_as_often_as_it_is_published() {
    const ROUNDS: usize = 20;
    let redis = Redis::start();
    let instances = instances_in_a::<3>(&redis).await;
    let mut raw = RedisClient::connect(&redis).await;
    for round in 0..ROUNDS {
        let text = format!(r#"{{"room":"a","text":"hello {round}"}}"#);
        // In one pipeline: some instances receive all publications before others receive the first.
        let times = round % 3 + 2;
        let mut publishing = Pipeline::new();
        for _ in 0..times {
            publishing.cmd("PUBLISH").arg(CHANNEL).arg(&text);
        }
        let _: Vec<u64> = publishing.query_async(&mut raw.0).await.expect("published");
        assert_eq!(passed_on(&mut raw, instances.len(), times).await, times, "round {round}");
        for instance in &instances {
            let events = instance.recorder.wait_for_count(times).await;
            assert_eq!(texts(&events), vec![format!("hello {round}"); times]);
            instance.recorder.take();
        }
        let keys: Vec<String> = raw.query(&["KEYS", &Keys::new("realtime").claim("*")]).await;
        let _: u64 = raw.query(&["DEL", &keys[0]]).await;
    }
}

/// A later instance does not take its first publication for the first one at all. It takes over when the others end.
#[tokio::test]
async fn an_instance_that_subscribes_later_passes_publications_on() {
    let redis = Redis::start();
    let [first] = instances_in_a::<1>(&redis).await;
    let mut raw = RedisClient::connect(&redis).await;
    let text = r#"{"room":"a","text":"hello"}"#;
    let _: u64 = raw.query(&["PUBLISH", CHANNEL, text]).await;
    first.wait_for_text("hello").await;
    let [later] = instances_in_a::<1>(&redis).await;
    eventually("the later instance is subscribed", async || {
        raw.query::<u64>(&["PUBLISH", CHANNEL, "{}"]).await == 2
    })
    .await;
    for instance in [&first, &later] {
        instance.recorder.take();
    }
    let _: u64 = raw.query(&["PUBLISH", CHANNEL, text]).await;
    assert_eq!(passed_on(&mut raw, 1, 2).await, 2);
    assert_eq!(texts(&later.wait_for_text("hello").await), ["hello"]);
    drop(first);
    later.recorder.take();
    eventually("the publication is passed on", async || {
        let _: u64 = raw.query(&["PUBLISH", CHANNEL, text]).await;
        texts(&later.recorder.take()).contains(&"hello".to_owned())
    })
    .await;
}
