//! Input events of the terminal, and timers.

use std::future::poll_fn;
use std::io;
use std::task::Poll;

use crossterm::event::{Event, EventStream};
use futures_util::StreamExt;
use tokio::time::{Instant, sleep_until};

/// Most events of the terminal that are handled between two frames.
const BATCH: usize = 512;

/// Pending events of the terminal; empty if the terminal is gone. Without a keyboard it waits for ever.
pub(super) async fn batch(input: Option<&mut EventStream>) -> Vec<io::Result<Event>> {
    let Some(input) = input else { return std::future::pending().await };
    let mut events = Vec::new();
    poll_fn(|context| {
        while events.len() < BATCH {
            match input.poll_next_unpin(context) {
                Poll::Ready(Some(event)) => {
                    let is_error = event.is_err();
                    events.push(event);
                    if is_error {
                        break;
                    }
                }
                Poll::Pending if events.is_empty() => return Poll::Pending,
                Poll::Ready(None) | Poll::Pending => break,
            }
        }
        Poll::Ready(std::mem::take(&mut events))
    })
    .await
}

/// Sleeps until `wake`; without it, for ever.
pub(super) async fn sleep(wake: Option<Instant>) {
    match wake {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
