//! Deduplication while the clock is wrong.

use super::*;

#[tokio::test]
async fn a_duplicate_is_recognized_while_the_clock_is_wrong() {
    let data_dir = DataDir::new();
    let fixture = data_dir.open();
    let post = async |id: &str| fixture.post(submission("alice", "a", "text").with_id(id)).await;
    let first = post("1").await;
    data_dir.jump(800);
    assert_eq!(post("1").await, Receipt { duplicate: true, ..first.clone() }, "ahead");
    data_dir.jump(-1_600);
    let behind = post("2").await;
    data_dir.jump(800);
    assert_eq!(post("2").await, Receipt { duplicate: true, ..behind.clone() }, "stored while behind");
    data_dir.advance(DAY - 1);
    assert_eq!(post("2").await, Receipt { duplicate: true, ..behind });
    // A day after the last jump times count again.
    data_dir.advance(1);
    assert_eq!(post("1").await, Receipt { duplicate: true, ..first });
    data_dir.advance(1);
    assert!(!post("1").await.duplicate);
}
