//! Tests of the queries on entries that are messages, and entries that are not, against a model.

use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn messages_are_found_and_counted_among_other_entries(
        is_message in prop::collection::vec(any::<bool>(), 1..60),
        dropped in 0_u64..20,
        messages in 0_u64..8,
    ) {
        let directory = directory();
        let writer = Store::open(directory.path()).expect("a store").into_writer().expect("a writer");
        fill(&writer, is_message.len() as u64);
        let (room, head) = {
            let (row, head) = writer.view().room(&room()).expect("readable").expect("the room");
            (row.id, head.seq)
        };
        let dropped = dropped.min(head.get() - 1);
        let batch = writer.begin().expect("a batch");
        for (seq, is_message) in (1..).map(Seq::new).zip(&is_message) {
            if !is_message {
                batch.add_other(room.key(seq)).expect("added");
            }
        }
        if dropped > 0 {
            batch.drop_frames(room, Seq::new(1), Seq::new(dropped)).expect("dropped");
        }
        let (view, first) = (batch.view(), Seq::new(dropped + 1));
        let all: Vec<Seq> = (first.get()..=head.get())
            .filter(|seq| is_message[usize::try_from(*seq).expect("small") - 1])
            .map(Seq::new)
            .collect();
        for seq in (first.get()..=head.get()).map(Seq::new) {
            let count = all.iter().filter(|message| (first..seq).contains(message)).count() as u64;
            prop_assert_eq!(view.messages_between(room, first, seq).expect("readable"), count);
            let newest = all.iter().rev().find(|message| **message <= seq).copied();
            prop_assert_eq!(view.message_up_to(room, first, seq).expect("readable"), newest);
            let oldest = all.iter().find(|message| **message >= seq).copied();
            prop_assert_eq!(view.message_from(room, seq, head).expect("readable"), oldest);
        }
        let is_within = |seq: Seq| {
            let kept = all.iter().filter(|message| **message >= seq).count() as u64;
            kept <= messages && head.next().get() - seq.get() <= 4 * messages
        };
        let expected = (first.get()..=head.next().get()).map(Seq::new).find(|seq| is_within(*seq));
        let found = view.oldest_within(room, (first, head), messages, 4 * messages).expect("readable");
        prop_assert_eq!(Some(found), expected);
    }
}
