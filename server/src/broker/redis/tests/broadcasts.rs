//! What is said outside of rooms, by instances and by other programs.

use std::collections::HashMap;

use ::redis::Pipeline;
use realtime_shared::{ServerEvent, SystemEvent};

use super::*;

const CHANNEL: &str = "ws:broadcast";

#[tokio::test]
async fn all_instances_hear_what_is_told() {
    let redis = Redis::start();
    let instances = instances_in_a::<3>(&redis).await;
    for (instance, to) in [(0, Recipients::User(user("bob"))), (1, Recipients::Everyone)] {
        instances[instance].broker.broadcast(to.clone(), "{}".into());
        for instance in &instances {
            assert_eq!(instance.heard.at_least(1).await, [Heard::Tell(to.clone(), "{}".into())]);
            instance.heard.take();
        }
    }
}

#[tokio::test]
async fn what_a_program_publishes_is_passed_on_once() {
    let redis = Redis::start();
    let instances = instances_in_a::<3>(&redis).await;
    let mut raw = Raw::to(&redis).await;
    let mut publish = async |text: &str| {
        let heard: u64 = raw.ask(&["PUBLISH", CHANNEL, text]).await;
        assert_eq!(heard, 3);
    };
    publish(r#"{"room":"a","from":"bob","text":"hello"}"#).await;
    publish("what is this").await;
    publish(r#"{"text":"back at noon"}"#).await;
    for instance in &instances {
        let notice =
            |heard: &Heard| matches!(heard, Heard::Tell(Recipients::Everyone, json) if is_notice(json));
        let heard = instance.heard.until(|heard| heard.len() >= 2).await;
        assert_eq!(
            (texts(&heard), heard.iter().filter(|heard| notice(heard)).count()),
            (vec!["hello".to_owned()], 1)
        );
    }
}

fn is_notice(json: &str) -> bool {
    let event = codec::decode_server(json).expect("a frame").event;
    matches!(event, ServerEvent::System(SystemEvent::Notice(notice)) if notice.message.as_str() == "back at noon")
}

/// How often the one text that was published was passed on, when as many instances have heard it so often.
async fn passed_on(raw: &mut Raw, instances: usize, times: usize) -> usize {
    let mut passed = 0;
    eventually("all instances have heard it", async || {
        let keys: Vec<String> = raw.ask(&["KEYS", &Keys::new("realtime").claim("*")]).await;
        let Some(key) = keys.first() else { return false };
        let mut counts: HashMap<String, usize> = raw.ask(&["HGETALL", key]).await;
        counts.retain(|field, _| !["at", "since"].contains(&field.as_str()));
        passed = counts.remove("passed").unwrap_or(0);
        counts.retain(|_, heard| *heard >= times);
        counts.len() == instances
    })
    .await;
    passed
}

/// A program may mean it: the same text is as many messages as it was published.
#[tokio::test]
async fn the_same_text_is_passed_on_as_often_as_it_is_published() {
    const ROUNDS: usize = 20;
    let redis = Redis::start();
    let instances = instances_in_a::<3>(&redis).await;
    let mut raw = Raw::to(&redis).await;
    for round in 0..ROUNDS {
        let text = format!(r#"{{"room":"a","text":"hello {round}"}}"#);
        // At once: some have heard all of it before others hear the first.
        let times = round % 3 + 2;
        let mut publishing = Pipeline::new();
        for _ in 0..times {
            publishing.cmd("PUBLISH").arg(CHANNEL).arg(&text);
        }
        let _: Vec<u64> = publishing.query_async(&mut raw.0).await.expect("published");
        assert_eq!(passed_on(&mut raw, instances.len(), times).await, times, "round {round}");
        for instance in &instances {
            let heard = instance.heard.at_least(times).await;
            assert_eq!(texts(&heard), vec![format!("hello {round}"); times]);
            instance.heard.take();
        }
        let keys: Vec<String> = raw.ask(&["KEYS", &Keys::new("realtime").claim("*")]).await;
        let _: u64 = raw.ask(&["DEL", &keys[0]]).await;
    }
}

/// One that comes later does not take what it hears for the first time for the first publication, and takes over when
/// the others are gone.
#[tokio::test]
async fn who_listens_later_takes_its_turn() {
    let redis = Redis::start();
    let [first] = instances_in_a::<1>(&redis).await;
    let mut raw = Raw::to(&redis).await;
    let text = r#"{"room":"a","text":"hello"}"#;
    let _: u64 = raw.ask(&["PUBLISH", CHANNEL, text]).await;
    first.hears("hello").await;
    let [later] = instances_in_a::<1>(&redis).await;
    eventually("the later one listens", async || raw.ask::<u64>(&["PUBLISH", CHANNEL, "{}"]).await == 2)
        .await;
    for instance in [&first, &later] {
        instance.heard.take();
    }
    let _: u64 = raw.ask(&["PUBLISH", CHANNEL, text]).await;
    assert_eq!(passed_on(&mut raw, 1, 2).await, 2);
    assert_eq!(texts(&later.hears("hello").await), ["hello"]);
    drop(first);
    later.heard.take();
    eventually("what is published is passed on", async || {
        let _: u64 = raw.ask(&["PUBLISH", CHANNEL, text]).await;
        texts(&later.heard.take()).contains(&"hello".to_owned())
    })
    .await;
}
