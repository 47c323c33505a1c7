//! Search for members by a prefix, on several instances and in a large room.

use super::*;
use crate::broker::member_prefix::MAX_SKIPS;
use crate::broker::{FoundMembers, MemberPrefix};

impl Instance {
    /// The members of the room `a` with this prefix, and true if there may be more.
    async fn find(&self, prefix: &str, limit: usize) -> (Vec<String>, bool) {
        let found = self.broker.find_members(&room("a"), MemberPrefix::new(prefix), limit).await;
        let FoundMembers { members, has_more, .. } = found.expect("an answer");
        (members.users().iter().map(|user| user.as_str().to_owned()).collect(), has_more)
    }
}

impl RedisClient {
    /// Adds members, each with its number of instances, to the room `a`, many at a time.
    async fn add_members(&mut self, members: impl Iterator<Item = (u64, String)>) {
        let (key, mut members) = (keys::members(&channel("a")), members.peekable());
        while members.peek().is_some() {
            let mut adding = ::redis::cmd("ZADD");
            adding.arg(&key);
            for (instances, name) in members.by_ref().take(5_000) {
                adding.arg(instances).arg(name);
            }
            adding.exec_async(&mut self.0).await.expect("added");
        }
    }
}

#[tokio::test]
async fn members_of_all_instances_are_found_once_and_in_order() {
    let redis = Redis::start();
    let instances: [Instance; 3] = std::array::from_fn(|_| instance(&redis));
    // Their numbers of instances are 1, 3, 2, 1 and 2.
    for (id, on) in
        [("Alice", 0..1), ("al", 0..3), ("alex", 1..3), ("ALF", 2..3), ("albert", 0..2), ("bob", 0..3)]
    {
        for instance in &instances[on] {
            instance.broker.enter(&room("a"), &user(id), 0).await.expect("entered");
        }
    }
    let all = ["ALF", "Alice", "al", "albert", "alex"].map(str::to_owned);
    for instance in &instances {
        assert_eq!(instance.find("al", 10).await, (all.to_vec(), false));
        assert_eq!(instance.find("al", 5).await, (all.to_vec(), false));
        for limit in 1..5 {
            assert_eq!(instance.find("al", limit).await, (all[..limit].to_vec(), true), "{limit}");
        }
        assert_eq!(instance.find("bo", 10).await, (vec!["bob".to_owned()], false));
    }
}

#[tokio::test]
async fn a_search_reads_a_bounded_part_of_a_large_room() {
    const MEMBERS: usize = 100_000;
    let redis = Redis::start();
    let one = instance(&redis);
    let mut raw = RedisClient::connect(&redis).await;
    // Most are on one instance, as in a real room.
    let scored = |number| (if number % 10 == 0 { 2 } else { 1 }, format!("user{number:06}"));
    raw.add_members((0..MEMBERS).map(scored)).await;
    for (prefix, limit, first, found, is_part) in [
        ("user01234", 20, "user012340", 10, false),
        ("USER0", 20, "user000000", 20, true),
        ("", 500, "user000000", 500, true),
        ("user099999", 20, "user099999", 1, false),
        ("zoe", 20, "", 0, false),
    ] {
        let _: String = raw.query(&["CONFIG", "RESETSTAT"]).await;
        let (names, has_more) = one.find(prefix, limit).await;
        assert_eq!((names.len(), has_more), (found, is_part), "{prefix}");
        assert_eq!(names.first().map_or("", String::as_str), first, "{prefix}");
        let reads = raw.stat("zrange", "calls").await;
        // For both numbers of instances searches in 2^17 ranks, and the members, many at a time.
        let bound = 2 * (4 * 18 + limit as u64 / 64 + 8);
        let usec = raw.stat("evalsha", "usec").await;
        println!("{MEMBERS} members, prefix {prefix:?}, limit {limit}: {reads} reads, {usec} us");
        assert!(reads <= bound, "{prefix}: {reads} reads, at most {bound}");
    }
    // The worst names: they agree with the prefix in another case, but for the last character.
    let name = |number: usize| {
        let case = |nth: usize| if number >> nth & 1 == 0 { 'a' } else { 'A' };
        (0..16).map(case).chain(['b']).collect::<String>()
    };
    raw.add_members((0..65_536).map(|number| (1, name(number)))).await;
    let _: String = raw.query(&["CONFIG", "RESETSTAT"]).await;
    assert_eq!(one.find("aaaaaaaaaaaaaaaac", 20).await, (Vec::new(), true));
    let (reads, usec) = (raw.stat("zrange", "calls").await, raw.stat("evalsha", "usec").await);
    println!("the worst names: {reads} reads, {usec} us");
    assert!(reads <= (MAX_SKIPS as u64 + 8) * 19, "{reads} reads");
}

#[tokio::test]
async fn a_search_in_a_key_of_another_type_is_unavailable() {
    let redis = Redis::start();
    let one = instance(&redis);
    let mut raw = RedisClient::connect(&redis).await;
    let _: String = raw.query(&["SET", &keys::members(&channel("a")), "text"]).await;
    let found = one.broker.find_members(&room("a"), MemberPrefix::new("al"), 10).await;
    assert_eq!(found, Err(Unavailable));
    assert_eq!(raw.query::<String>(&["GET", &keys::members(&channel("a"))]).await, "text");
}
