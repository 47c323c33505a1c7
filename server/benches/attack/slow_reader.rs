//! A member that requests the whole log of a room, and reads it as slowly as the server allows.

use std::time::Duration;

use futures_util::SinkExt;
use tokio::time::sleep;
use tokio_tungstenite::tungstenite::Message;

use crate::attackers::AttackCounts;
use crate::socket::{self, End, Sink, Stream};

/// Bytes read between two pauses. This is 80 KiB in 10 s; the server demands 64 KiB.
const BYTES: usize = 8 * 1024;
const PAUSE: Duration = Duration::from_secs(1);

pub(crate) async fn read(counts: &AttackCounts, mut sink: Sink, mut stream: Stream, room: &str) -> End {
    let join =
        format!(r#"{{"type":"join_room","room":"{room}","since":{{"epoch":null,"seq":0,"id":null}}}}"#);
    if let Err(error) = sink.send(Message::text(join)).await {
        return error.into();
    }
    let mut taken = 0;
    loop {
        match socket::next_text(&mut stream).await {
            Ok(text) => {
                AttackCounts::add(&counts.read_bytes, text.len());
                taken += text.len();
            }
            Err(end) => return end,
        }
        if taken >= BYTES {
            taken = 0;
            sleep(PAUSE).await;
        }
    }
}
