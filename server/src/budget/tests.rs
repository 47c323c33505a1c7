//! Budgets of users on one and on several instances, and of rooms.

use proptest::prelude::*;

use super::*;
use crate::config::BudgetLimits;

const SECOND: Duration = Duration::from_secs(1);

fn user(id: &str) -> UserId {
    UserId::new(id).expect("a user id")
}

fn room(name: &str) -> RoomName {
    RoomName::new(name).expect("a room's name")
}

fn limits(messages: u32, user_bytes: usize, room_bytes: usize) -> Limits {
    let budgets = BudgetLimits {
        user_messages_per_second: messages,
        user_changes_per_second: messages,
        user_bytes_per_second: user_bytes,
        room_bytes_per_second: room_bytes,
    };
    Limits { budgets, max_connections_per_user: 3, ..Limits::default() }
}

/// Number of messages of 10 bytes that are admitted, of `tries`.
fn posts(budget: &UserBudget, tries: usize, now: Instant) -> usize {
    (0..tries).filter(|_| budget.take_post(10, now).is_ok()).count()
}

#[test]
fn all_connections_of_a_user_share_one_budget() {
    let start = Instant::now();
    let budgets = Budgets::new(&limits(10, 0, 0), false, start);
    let (one, other) = (budgets.user(&user("alice")), budgets.user(&user("alice")));
    assert_eq!(posts(&one, 15, start) + posts(&other, 15, start), 20);
    assert_eq!(posts(&budgets.user(&user("bob")), 15, start), 15);
    assert_eq!(other.take_post(10, start), Err(Duration::from_millis(100)));
    assert_eq!(posts(&one, 15, start + SECOND), 10);
}

#[test]
fn changes_have_a_rate_of_their_own_and_take_nothing_from_messages() {
    let start = Instant::now();
    let mut limits = limits(10, 0, 0);
    limits.budgets.user_changes_per_second = 5;
    let budgets = Budgets::new(&limits, false, start);
    let (one, other) = (budgets.user(&user("alice")), budgets.user(&user("alice")));
    let changes = |budget: &UserBudget| (0..8).filter(|_| budget.take_change(10, start).is_ok()).count();
    assert_eq!(changes(&one) + changes(&other), 10);
    assert_eq!(one.take_change(10, start), Err(Duration::from_millis(200)));
    assert_eq!(posts(&one, 30, start), 20);
    assert_eq!(posts(&one, 30, start + SECOND), 10);
    assert!(one.take_change(10, start + SECOND).is_ok());
    assert!(!one.is_clear(start + SECOND) && one.is_clear(start + SECOND * 4));
    limits.budgets.user_changes_per_second = 0;
    let unlimited = Budgets::new(&limits, false, start).user(&user("alice"));
    assert!((0..1_000).all(|_| unlimited.take_change(10, start).is_ok()));
}

#[test]
fn changes_leave_half_of_the_bytes_and_deliveries_to_messages() {
    let start = Instant::now();
    let alice = Budgets::new(&limits(100, 1_000, 0), false, start).user(&user("alice"));
    // The user may be 16 s of bytes ahead, and with changes 8 s.
    assert!(alice.take_change(9_000, start).is_ok());
    assert_eq!(alice.take_change(1, start), Err(SECOND));
    assert!(alice.take_post(7_001, start).is_ok());
    assert_eq!(alice.take_post(1, start), Err(Duration::from_millis(1)));

    let bob = Budgets::new(&limits(200, 0, 0), false, start).user(&user("bob"));
    bob.spend_deliveries(60_000, start);
    assert_eq!(bob.take_change(1, start), Err(SECOND / 2));
    assert!(bob.take_post(1, start).is_ok());
    bob.spend_deliveries(60_000, start);
    assert_eq!(bob.take_post(1, start), Err(SECOND));
}

#[test]
fn changes_are_published_and_taken_over() {
    let start = Instant::now();
    let [here, there] = [(); 2].map(|()| Budgets::new(&limits(5, 0, 0), true, start));
    let take = |budgets: &Budgets| {
        let budget = budgets.user(&user("alice"));
        (0..20).filter(|_| budget.take_change(10, start).is_ok()).count()
    };
    assert_eq!(take(&here), 10);
    let spending = Spending { changes: 10, ..Spending::default() };
    assert_eq!(here.take_due(), [(user("alice"), spending)]);
    there.spend_elsewhere(&user("alice"), &spending, start);
    assert_eq!(take(&there), 0);
}

#[test]
fn typing_has_the_rate_of_messages_and_takes_none_of_it() {
    let start = Instant::now();
    let budgets = Budgets::new(&limits(10, 0, 0), false, start);
    let (one, other) = (budgets.user(&user("alice")), budgets.user(&user("alice")));
    let typing = |budget: &UserBudget| (0..15).filter(|_| budget.take_typing(start).is_ok()).count();
    assert_eq!(typing(&one) + typing(&other), 20);
    assert_eq!(posts(&one, 30, start), 20);
    assert!(!one.is_clear(start + SECOND) && one.is_clear(start + SECOND * 3));
}

#[test]
fn messages_and_typing_share_a_rate_of_deliveries() {
    let start = Instant::now();
    // The rate is 100 for each message a second, and at least 20,000.
    for (messages, rate) in [(400, 40_000), (200, 20_000), (4, 20_000)] {
        let alice = Budgets::new(&limits(messages, 0, 0), false, start).user(&user("alice"));
        let try_both = |now| (alice.take_post(10, now).err(), alice.take_typing(now).err());
        // The user may be 5 s ahead, and the frame that exceeds it is not refused.
        alice.spend_deliveries(5 * rate, start);
        assert_eq!(try_both(start), (None, None));
        alice.spend_deliveries(3 * rate, start);
        assert_eq!(try_both(start), (Some(3 * SECOND), Some(3 * SECOND)));
        assert_eq!(try_both(start + 3 * SECOND), (None, None));
        assert!(!alice.is_clear(start + 7 * SECOND) && alice.is_clear(start + 8 * SECOND));
    }
    let unlimited = Budgets::new(&limits(0, 0, 0), false, start).user(&user("alice"));
    unlimited.spend_deliveries(usize::MAX, start);
    assert!(unlimited.take_post(10, start).is_ok() && unlimited.is_clear(start));
}

#[test]
fn deliveries_are_published_and_taken_over() {
    let start = Instant::now();
    let [here, there] = [(); 2].map(|()| Budgets::new(&limits(200, 0, 0), true, start));
    here.user(&user("alice")).spend_deliveries(120_000, start);
    let spending = Spending { deliveries: 120_000, ..Spending::default() };
    assert_eq!(here.take_unpublished(), [(user("alice"), spending)]);
    there.spend_elsewhere(&user("alice"), &spending, start);
    assert_eq!(there.user(&user("alice")).take_post(10, start), Err(SECOND));
}

#[test]
fn frames_and_answers_pay_in_bytes() {
    let start = Instant::now();
    let budgets = Budgets::new(&limits(0, 1_000, 0), false, start);
    let alice = budgets.user(&user("alice"));
    assert_eq!(alice.take_frame(16_001, start), Ok(()));
    assert_eq!(alice.take_frame(1, start), Err(Duration::from_millis(1)));
    assert_eq!(alice.wait_for_answers(start), None);
    alice.spend_answer(65_000, start);
    assert_eq!(alice.wait_for_answers(start), Some(SECOND));
    assert_eq!(alice.wait_for_answers(start + SECOND), None);
}

#[test]
fn a_user_connects_in_a_burst_and_then_once_a_second() {
    let start = Instant::now();
    let budgets = Budgets::new(&limits(0, 0, 0), false, start);
    let alice = budgets.user(&user("alice"));
    assert_eq!((0..10).filter(|_| alice.take_connect(start).is_ok()).count(), 3);
    assert_eq!(alice.take_connect(start), Err(SECOND));
    assert_eq!(alice.take_connect(start + SECOND), Ok(()));
    let unlimited = Limits { max_connections_per_user: 0, ..limits(0, 0, 0) };
    let alice = Budgets::new(&unlimited, false, start).user(&user("alice"));
    assert!((0..1_000).all(|_| alice.take_connect(start).is_ok()));
}

#[test]
fn each_offence_soon_after_the_last_wait_doubles_the_wait_up_to_a_minute() {
    let mut now = Instant::now();
    let unlimited = Limits { max_connections_per_user: 0, ..limits(0, 0, 0) };
    let alice = Budgets::new(&unlimited, false, now).user(&user("alice"));
    for wait in [1, 2, 4, 8, 16, 32, 60, 60] {
        alice.offend(now);
        // Other connections of the user end for the same flood.
        alice.offend(now);
        let wait = Duration::from_secs(wait);
        assert_eq!(alice.take_connect(now), Err(wait));
        now += wait;
        assert_eq!(alice.take_connect(now), Ok(()));
    }
    now += Duration::from_mins(6);
    alice.offend(now);
    assert_eq!(alice.take_connect(now), Err(SECOND));
}

#[test]
fn budgets_that_are_whole_again_are_forgotten() {
    let start = Instant::now();
    let budgets = Budgets::new(&limits(10, 0, 1_000), true, start);
    let known = |budgets: &Budgets| budgets.users.iter().map(|users| users.lock().len()).sum::<usize>();
    for number in 0..1_000 {
        posts(&budgets.user(&user(&format!("user {number}"))), 1, start);
    }
    let connected = budgets.user(&user("user 7"));
    let price = PostPrice { bytes: 100, at: start, is_modest: true };
    budgets.take_closed(&room("a"), price).expect("admitted");
    let round = |now| (0..SHARDS).for_each(|_| budgets.tick(now));
    round(start);
    assert_eq!((known(&budgets), budgets.closed_rooms.lock().len()), (1_000, 1));
    // The others do not know it yet.
    round(start + SECOND);
    assert_eq!((known(&budgets), budgets.closed_rooms.lock().len()), (1_000, 0));
    assert_eq!(budgets.take_unpublished().len(), 1_000);
    round(start + SECOND);
    assert_eq!(known(&budgets), 1);
    drop(connected);
    round(start + SECOND);
    assert_eq!(known(&budgets), 0);
}

/// Each exchange is a request to Redis.
#[tokio::test(start_paused = true)]
async fn a_burst_of_connects_is_published_in_two_exchanges() {
    let now = Instant::now();
    let mut limits = limits(1_000, 0, 0);
    limits.max_connections_per_user = 5;
    let budgets = Budgets::new(&limits, true, now);
    // These spend too little to be published.
    for number in 0..100 {
        posts(&budgets.user(&user(&format!("poster {number}"))), 1, now);
    }
    assert_eq!(budgets.take_unpublished().len(), 100, "the first exchange has all");
    tokio::time::advance(SECOND).await;
    let begun = tokio::time::Instant::now();
    let mut exchanges = Vec::new();
    for number in 0..300 {
        budgets.user(&user(&format!("user {number}"))).take_connect(now).expect("admitted");
        tokio::select! {
            biased;
            () = budgets.due() => exchanges.push(budgets.take_due().len()),
            () = std::future::ready(()) => {}
        }
    }
    budgets.due().await;
    exchanges.push(budgets.take_due().len());
    assert_eq!(exchanges, [1, 299]);
    assert_eq!(begun.elapsed(), Duration::from_millis(100));
    let published =
        |of: &[(UserId, Spending)]| of.iter().filter(|(_, spending)| spending.connects > 0).count();
    assert_eq!(published(&budgets.take_unpublished()), 0, "published once");
    budgets.user(&user("user 7")).take_connect(now).expect("admitted");
    budgets.due().await;
    assert_eq!(budgets.take_due().len(), 1);
}

#[test]
fn spending_from_elsewhere_is_remembered_for_a_limited_number_of_users() {
    let now = Instant::now();
    let budgets = Budgets::new(&limits(1, 0, 0), true, now);
    let spending = Spending { messages: 1_000, ..Spending::default() };
    for number in 0..SHARDS * SHARD_USERS + 10_000 {
        budgets.spend_elsewhere(&user(&number.to_string()), &spending, now);
    }
    assert!(budgets.users.iter().all(|users| users.lock().len() == SHARD_USERS));
    assert!(budgets.user(&user("0")).take_post(1, now).is_err());
    // A connection always has a budget that it shares.
    assert!(Arc::ptr_eq(&budgets.user(&user("new")), &budgets.user(&user("new"))));
}

#[test]
fn rooms_that_are_not_open_are_remembered_in_a_limited_number() {
    let now = Instant::now();
    let budgets = Budgets::new(&limits(0, 0, 1), false, now);
    let price = PostPrice { bytes: 100, at: now, is_modest: false };
    for number in 0..2 * CLOSED_ROOMS {
        budgets.take_closed(&room(&number.to_string()), price).expect("the first post");
    }
    assert_eq!(budgets.closed_rooms.lock().len(), CLOSED_ROOMS);
}

#[test]
fn the_log_and_posts_under_way_spend_the_budget_of_a_room() {
    let start = Instant::now();
    let budgets = Budgets::new(&limits(0, 0, 1_000), false, start);
    let heavy = PostPrice { bytes: 1_500, at: start, is_modest: false };
    let open = budgets.open_room(&room("a"));
    let (one, other) = (open.admit(heavy), open.admit(heavy));
    assert!(one.is_ok() && other.is_ok());
    assert_eq!(open.admit(heavy).err(), Some(SECOND));
    drop((one, other));
    // Refused by the store, they left nothing behind.
    assert!(open.admit(heavy).is_ok());
    open.spend(3_000, start);
    assert_eq!(open.admit(heavy).err(), Some(SECOND));
    assert!(open.admit(PostPrice { is_modest: true, ..heavy }).is_ok(), "the last part is reserved");
    // The budget outlives the open room.
    budgets.close_room(&room("a"), &open, start);
    assert_eq!(budgets.take_closed(&room("a"), heavy), Err(SECOND));
    let open = budgets.open_room(&room("a"));
    assert_eq!(open.admit(heavy).err(), Some(SECOND));
    assert!(open.admit(PostPrice { at: start + SECOND, ..heavy }).is_ok());
}

#[test]
fn those_who_post_much_leave_a_part_of_a_room_to_the_others() {
    let start = Instant::now();
    let budgets = Budgets::new(&limits(0, 0, 32_000), false, start);
    let open = budgets.open_room(&room("a"));
    let (mallory, alice) = (budgets.user(&user("mallory")), budgets.user(&user("alice")));
    let mut posted = [0, 0];
    for tenth in 0..300 {
        let now = start + SECOND / 10 * tenth;
        // Mallory sends as much as the room takes, Alice a little.
        for (nth, (budget, tries)) in [(&mallory, 100), (&alice, 1)].into_iter().enumerate() {
            for _ in 0..tries {
                let price = budget.take_post(100, now).expect("no limit on messages");
                if open.admit(price).is_ok() {
                    open.spend(100, now);
                    posted[nth] += 1;
                }
            }
        }
    }
    assert_eq!(posted[1], 300, "Alice is never refused");
    assert!((8_000..10_300).contains(&posted[0]), "Mallory has the rate of the room: {}", posted[0]);
}

proptest! {
    /// Instances that decide alone and exchange once a second, and at once when a user has spent a second's worth.
    #[test]
    fn a_user_exceeds_the_budget_by_at_most_a_second_for_each_instance(
        instances in 1_usize..6,
        rate in 1_u32..200,
        seconds in 1_u64..30,
        seed: u64,
    ) {
        let start = Instant::now();
        let mut random = fastrand::Rng::with_seed(seed);
        let limits = limits(rate, 0, 0);
        let all: Vec<_> = (0..instances).map(|_| Budgets::new(&limits, true, start)).collect();
        let alice = user("alice");
        let exchange = |of: usize, now| {
            for (user, spending) in all[of].take_unpublished() {
                for (index, budgets) in all.iter().enumerate() {
                    if index != of {
                        budgets.spend_elsewhere(&user, &spending, now);
                    }
                }
            }
        };
        let mut admitted = 0;
        for hundredth in 0..seconds * 100 {
            let now = start + Duration::from_millis(10) * u32::try_from(hundredth).expect("small");
            for _ in 0..random.usize(..50) {
                let of = random.usize(..instances);
                let worth_a_second = {
                    let budget = all[of].user(&alice);
                    admitted += posts(&budget, 1, now);
                    budget.unpublished_messages() >= rate
                };
                if worth_a_second {
                    exchange(of, now);
                }
            }
            if hundredth % 100 == 99 {
                (0..instances).for_each(|of| {
                    all[of].tick(now);
                    exchange(of, now);
                });
            }
        }
        let rate = rate as usize;
        let (allowed, excess) = (rate * (2 + usize::try_from(seconds).expect("small")), rate * instances);
        prop_assert!(admitted <= allowed + excess, "{admitted} > {allowed} + {excess}");
    }
}
