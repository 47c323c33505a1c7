//! Growth of queues that mostly stay small, and of which there are many.

use std::collections::VecDeque;

/// Appends an item. The queue grows by half, from one item on; by default it would double, from four items on.
pub(crate) fn push<T>(queue: &mut VecDeque<T>, item: T) {
    if queue.len() == queue.capacity() {
        queue.reserve_exact(queue.len() / 2 + 1);
    }
    queue.push_back(item);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_most_a_third_of_a_queue_is_spare() {
        let mut queue = VecDeque::new();
        for length in 1..10_000 {
            push(&mut queue, length);
            assert!(queue.capacity() * 2 <= length * 3 + 1, "{} for {length}", queue.capacity());
        }
        assert!(queue.iter().copied().eq(1..10_000));
    }
}
