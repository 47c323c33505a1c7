//! Pages of the history.

use super::*;
use crate::broker::Range;
use crate::broker::contract::submission;

/// Bytes that Redis has sent.
async fn sent_bytes(raw: &mut RedisClient) -> usize {
    let stats: String = raw.query(&["INFO", "stats"]).await;
    let sent = stats.lines().find_map(|line| line.strip_prefix("total_net_output_bytes:"));
    sent.and_then(|bytes| bytes.parse().ok()).expect("a number")
}

/// The size of the entries is unknown before the first page of a room.
#[tokio::test]
async fn a_page_of_large_entries_reads_few_more_than_it_holds() {
    const BYTES: usize = 64 * 1024;
    let redis = Redis::start_with(&[]);
    let one = instance(&redis);
    let mut raw = RedisClient::connect(&redis).await;
    for _ in 0..200 {
        one.post(submission("alice", "a", &"x".repeat(4_000))).await;
    }
    let before = sent_bytes(&mut raw).await;
    let page = one.broker.history(&room("a"), Range::Newest, 200, BYTES).await.expect("a page");
    let read = sent_bytes(&mut raw).await - before;
    assert!((14..=16).contains(&page.entries.len()) && page.has_more, "{}", page.entries.len());
    assert!(read < 3 * BYTES, "{read}");
}
