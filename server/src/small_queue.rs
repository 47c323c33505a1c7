//! Growth of queues that mostly stay small, and of which there are many.

use std::collections::VecDeque;

/// Items up to which a queue grows by one at a time.
const FEW: usize = 8;

/// Appends an item. The queue grows by one item, and from eight on by half; by default it would double, from four on.
pub(crate) fn push<T>(queue: &mut VecDeque<T>, item: T) {
    let len = queue.len();
    if len == queue.capacity() {
        queue.reserve_exact(if len < FEW { 1 } else { len / 2 });
    }
    queue.push_back(item);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_queue_has_nothing_to_spare_and_a_longer_one_a_third() {
        let mut queue = VecDeque::new();
        for length in 1..10_000 {
            push(&mut queue, length);
            let most = if length <= 8 { length } else { length * 3 / 2 };
            assert!(queue.capacity() <= most, "{} for {length}", queue.capacity());
        }
        assert!(queue.iter().copied().eq(1..10_000));
    }
}
