//! Tests of sockets over a pipe: buffers held, and the order of output.

use std::future::poll_fn;
use std::task::Poll;

use realtime_shared::CloseCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;
use crate::framing;

const BOUNDS: Bounds = Bounds { frame_bytes: 100_000, message_bytes: 100_000, binary: false };

/// Client frame, masked with zeros; `first` is the byte with FIN and the opcode.
fn frame(first: u8, payload: &str) -> Vec<u8> {
    let mut bytes = vec![first, 0x80 | u8::try_from(payload.len()).expect("short"), 0, 0, 0, 0];
    bytes.extend(payload.as_bytes());
    bytes
}

fn text(payload: &str) -> Incoming {
    Incoming::Text(payload.into())
}

fn server_text(payload: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    framing::text(&mut bytes, payload);
    bytes
}

fn sockets(pipe: usize) -> (Socket<DuplexStream>, DuplexStream) {
    let (ours, theirs) = duplex(pipe);
    (Socket::new(ours, b"", BOUNDS), theirs)
}

async fn read(socket: &mut Socket<DuplexStream>) -> Read {
    poll_fn(|cx| socket.poll_read(cx)).await.expect("read")
}

/// One write, with the text `fill` added.
async fn write(socket: &mut Socket<DuplexStream>, fill: &str) -> Written {
    poll_fn(|cx| {
        Poll::Ready(socket.poll_write(cx, |out, _| {
            if !fill.is_empty() {
                framing::text(out, fill);
            }
        }))
    })
    .await
    .expect("written")
}

#[tokio::test]
async fn messages_arrive_in_order_and_buffers_are_freed() {
    let (mut socket, mut peer) = sockets(1_000);
    assert!(!socket.has_input() && !socket.is_unfinished());
    let bytes = [frame(0x81, "one"), frame(0x89, "p"), frame(0x81, "two")].concat();
    peer.write_all(&bytes).await.expect("sent");
    assert_eq!(read(&mut socket).await, Read::Some(bytes.len()));
    assert!(socket.has_input());
    assert_eq!(socket.next_message(), Some(Ok(text("one"))));
    assert_eq!(socket.next_message(), Some(Ok(Incoming::Ping("p".into()))));
    assert_eq!(socket.next_message(), Some(Ok(text("two"))));
    assert_eq!(socket.next_message(), None);
    assert!(!socket.has_input() && !socket.is_unfinished());
    assert_eq!(socket.buffers(), (0, 0));
}

#[tokio::test]
async fn a_frame_in_pieces_is_unfinished_until_its_last_byte() {
    let (mut socket, mut peer) = sockets(1_000);
    let bytes = frame(0x81, "hello");
    for (index, byte) in bytes.iter().enumerate() {
        peer.write_all(&[*byte]).await.expect("sent");
        assert_eq!(read(&mut socket).await, Read::Some(1));
        if index + 1 < bytes.len() {
            assert_eq!(socket.next_message(), None);
            assert!(socket.is_unfinished() && !socket.has_input());
        }
    }
    assert_eq!(socket.next_message(), Some(Ok(text("hello"))));
    assert_eq!(socket.next_message(), None);
    assert!(!socket.is_unfinished());
}

#[tokio::test]
async fn a_message_in_fragments_is_unfinished_between_them() {
    let (mut socket, mut peer) = sockets(1_000);
    peer.write_all(&frame(0x01, "he")).await.expect("sent");
    read(&mut socket).await;
    assert_eq!(socket.next_message(), None);
    assert!(socket.is_unfinished());
    assert_eq!(socket.buffers().0, 0, "the parser holds the fragment");
    peer.write_all(&frame(0x80, "llo")).await.expect("sent");
    read(&mut socket).await;
    assert_eq!(socket.next_message(), Some(Ok(text("hello"))));
    assert!(socket.next_message().is_none() && !socket.is_unfinished());
}

#[tokio::test]
async fn bytes_received_with_the_request_are_read() {
    let (ours, mut peer) = duplex(1_000);
    let bytes = [frame(0x81, "one"), frame(0x81, "two")].concat();
    let mut socket = Socket::new(ours, &bytes[..12], BOUNDS);
    assert!(socket.has_input());
    assert_eq!(socket.next_message(), Some(Ok(text("one"))));
    assert_eq!(socket.next_message(), None);
    peer.write_all(&bytes[12..]).await.expect("sent");
    read(&mut socket).await;
    assert_eq!(socket.next_message(), Some(Ok(text("two"))));
}

#[tokio::test]
async fn a_violation_discards_the_remaining_input() {
    let (mut socket, mut peer) = sockets(1_000);
    peer.write_all(&[frame(0x81, "one"), frame(0x83, "?"), frame(0x81, "two")].concat()).await.expect("sent");
    read(&mut socket).await;
    assert_eq!(socket.next_message(), Some(Ok(text("one"))));
    assert_eq!(socket.next_message(), Some(Err(Violation(CloseCode::Protocol))));
    assert_eq!(socket.next_message(), None);
}

#[tokio::test]
async fn a_blocked_write_resumes_where_it_stopped() {
    let (mut socket, mut peer) = sockets(16);
    let first = "x".repeat(40);
    framing::text(socket.output(), "a");
    assert!(!write(&mut socket, &first).await.all);
    assert_eq!(write(&mut socket, "not asked").await, Written { progress: false, all: false });
    assert_eq!(socket.pending_output(), 3 + 42 - 16);

    let expected = [server_text("a"), server_text(&first), server_text("b"), server_text("c")].concat();
    framing::text(socket.output(), "b");
    let mut seen = Vec::new();
    while seen.len() < expected.len() - server_text("c").len() {
        seen.push(peer.read_u8().await.expect("read"));
        write(&mut socket, "").await;
    }
    assert_eq!(write(&mut socket, "c").await, Written { progress: true, all: true });
    while seen.len() < expected.len() {
        seen.push(peer.read_u8().await.expect("read"));
    }
    assert_eq!(seen, expected);
    assert_eq!((socket.pending_output(), socket.buffers()), (0, (0, 0)));
}

#[tokio::test]
async fn large_pending_output_is_written_before_anything_is_added() {
    let (mut socket, mut peer) = sockets(1 << 20);
    let large = "x".repeat(80_000);
    framing::text(socket.output(), &large);
    assert_eq!(write(&mut socket, "not asked").await, Written { progress: true, all: true });
    assert_eq!(write(&mut socket, "asked").await, Written { progress: true, all: true });
    let expected = [server_text(&large), server_text("asked")].concat();
    let mut seen = vec![0; expected.len()];
    peer.read_exact(&mut seen).await.expect("read");
    assert!(seen == expected);
}

#[tokio::test]
async fn a_closing_socket_discards_until_its_peer_ends() {
    let (mut socket, mut peer) = sockets(1 << 20);
    peer.write_all(&frame(0x81, "hel")[..7]).await.expect("sent");
    read(&mut socket).await;
    assert_eq!(socket.next_message(), None);
    peer.write_all(&vec![0; 500_000]).await.expect("sent");
    poll_fn(|cx| socket.poll_shutdown(cx)).await.expect("ended");
    assert_eq!(peer.read(&mut [0; 8]).await.expect("read"), 0, "the peer sees the end");
    assert!(poll_fn(|cx| Poll::Ready(socket.poll_discard(cx))).await.is_pending());
    assert_eq!(socket.buffers(), (0, 0));
    drop(peer);
    poll_fn(|cx| socket.poll_discard(cx)).await;
}

#[tokio::test]
async fn a_read_reports_the_end_of_the_peer() {
    let (mut socket, peer) = sockets(1_000);
    drop(peer);
    assert_eq!(read(&mut socket).await, Read::End);
}
