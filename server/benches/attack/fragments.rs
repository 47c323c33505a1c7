//! A connection that sends its messages in fragments of one byte.

use std::convert::Infallible;
use std::time::Duration;

use futures_util::SinkExt;
use tokio::time::{MissedTickBehavior, interval};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::attackers::AttackCounts;
use crate::socket::{self, End, Sink, Stream};

/// Messages a second whose fragments stay below the limit of a thousand in ten seconds.
pub(crate) const ALLOWED: u32 = 6;
/// Messages a second whose fragments exceed it within a second.
pub(crate) const TOO_MANY: u32 = 120;
const MESSAGE: &str = r#"{"type":"ping"}"#;

pub(crate) async fn send(counts: &AttackCounts, sink: Sink, stream: Stream, per_second: u32) -> End {
    let Err(end) = tokio::try_join!(receive(counts, stream), send_messages(counts, sink, per_second));
    end
}

async fn receive(counts: &AttackCounts, mut stream: Stream) -> Result<Infallible, End> {
    loop {
        let text = socket::next_text(&mut stream).await?;
        AttackCounts::add(&counts.read_bytes, text.len());
    }
}

async fn send_messages(counts: &AttackCounts, mut sink: Sink, per_second: u32) -> Result<Infallible, End> {
    let mut pace = interval(Duration::from_secs(1) / per_second);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        pace.tick().await;
        for (index, byte) in MESSAGE.bytes().enumerate() {
            let data = if index == 0 { Data::Text } else { Data::Continue };
            let fragment = Frame::message(vec![byte], OpCode::Data(data), index + 1 == MESSAGE.len());
            sink.feed(Message::Frame(fragment)).await?;
        }
        sink.flush().await?;
        AttackCounts::add(&counts.written_frames, MESSAGE.len());
        AttackCounts::add(&counts.written_bytes, MESSAGE.len());
    }
}
