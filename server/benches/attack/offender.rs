//! A connection that sends frames which are refused, until the server closes it.

use std::convert::Infallible;

use futures_util::SinkExt;
use tokio_tungstenite::tungstenite::Message;

use crate::attackers::AttackCounts;
use crate::socket::{self, End, Sink, Stream};

/// A frame of an unknown type.
const FRAME: &str = r#"{"type":"nothing that the server knows"}"#;
/// Frames in one write.
const BATCH: usize = 50;

pub(crate) async fn provoke(counts: &AttackCounts, sink: Sink, stream: Stream) -> End {
    let Err(end) = tokio::try_join!(receive(counts, stream), send(counts, sink));
    end
}

async fn receive(counts: &AttackCounts, mut stream: Stream) -> Result<Infallible, End> {
    loop {
        let text = socket::next_text(&mut stream).await?;
        AttackCounts::add(&counts.read_bytes, text.len());
        AttackCounts::add(&counts.refusals, 1);
    }
}

async fn send(counts: &AttackCounts, mut sink: Sink) -> Result<Infallible, End> {
    loop {
        for _ in 0..BATCH {
            sink.feed(Message::text(FRAME)).await?;
        }
        sink.flush().await?;
        AttackCounts::add(&counts.written_frames, BATCH);
        AttackCounts::add(&counts.written_bytes, BATCH * FRAME.len());
    }
}
