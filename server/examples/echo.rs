//! Echo server for text and binary messages: only the socket layer, for a WebSocket conformance suite.
//!
//! ```text
//! cargo run -p realtime-server --example echo -- --listen 127.0.0.1:9001
//! python3.11 -m venv venv && venv/bin/pip install kosoku
//! venv/bin/kosoku --exclude '12.*' --exclude '13.*' --outdir report 127.0.0.1:9001
//! ```
//!
//! `kosoku` runs the cases of the Autobahn suite. Sections 12 and 13 test compression, which the server does not offer.
//! All other cases pass. Two of them (6.4.3 and 6.4.4) pass as `NON-STRICT`: a frame is checked when it is complete, so
//! text that is not UTF-8 ends the connection at the end of its frame and not within it.

use std::convert::Infallible;
use std::future::{poll_fn, ready};
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Duration;

use clap::Parser;
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming as Body};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use realtime_server::framing;
use realtime_server::socket::{Bounds, Incoming, Read, Socket, Violation};
use tokio::net::{TcpListener, TcpStream};
use tungstenite::handshake::server::create_response_with_body;

/// Limit of unsent output, in bytes. Beyond it no input is read.
const PENDING_BYTES: usize = 64 * 1024;
/// Longest wait for the end of the stream after the close frame was sent.
const CLOSING: Duration = Duration::from_secs(3);
/// Code that stands for a close frame without a code (RFC 6455, section 7.1.5).
const NO_CODE: u16 = 1005;

/// Echoes text and binary messages over WebSocket.
#[derive(Debug, Clone, Parser)]
struct Options {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1:9001")]
    listen: SocketAddr,
    /// Longest payload of a frame, in bytes.
    #[arg(long, default_value_t = 16 * 1024 * 1024)]
    max_frame_bytes: usize,
    /// Longest message, all its fragments together, in bytes.
    #[arg(long, default_value_t = 16 * 1024 * 1024)]
    max_message_bytes: usize,
    /// Refuse binary messages, as the server does.
    #[arg(long)]
    text_only: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let options = Options::parse();
    let bounds = Bounds {
        frame_bytes: options.max_frame_bytes,
        message_bytes: options.max_message_bytes,
        binary: !options.text_only,
    };
    let listener = TcpListener::bind(options.listen).await?;
    println!("ws://{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let service = service_fn(move |request| ready(Ok::<_, Infallible>(answer(request, bounds))));
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        tokio::spawn(connection.with_upgrades());
    }
}

/// Answers an upgrade request, and serves the socket in a task of its own.
fn answer(mut request: Request<Body>, bounds: Bounds) -> Response<Empty<Bytes>> {
    match create_response_with_body(&request, Empty::new) {
        Ok(response) => {
            tokio::spawn(echo(hyper::upgrade::on(&mut request), bounds));
            response
        }
        Err(error) => {
            eprintln!("not a WebSocket request: {error}");
            let mut response = Response::new(Empty::new());
            *response.status_mut() = StatusCode::UPGRADE_REQUIRED;
            response
        }
    }
}

async fn echo(upgrade: OnUpgrade, bounds: Bounds) {
    let Ok(upgraded) = upgrade.await else { return };
    let Ok(parts) = upgraded.downcast::<TokioIo<TcpStream>>() else { return };
    let mut socket = Socket::new(parts.io.into_inner(), &parts.read_buf, bounds);
    if let Err(error) = converse(&mut socket).await {
        eprintln!("lost: {error}");
        return;
    }
    // The peer may still be sending: this side ends the stream first, then waits for the peer's end.
    let closed = async {
        poll_fn(|cx| socket.poll_shutdown(cx)).await?;
        poll_fn(|cx| socket.poll_discard(cx)).await;
        io::Result::Ok(())
    };
    if let Ok(Err(error)) = tokio::time::timeout(CLOSING, closed).await {
        eprintln!("lost while closing: {error}");
    }
}

/// Echoes until a close frame was sent, or the peer has ended the stream.
async fn converse(socket: &mut Socket<TcpStream>) -> io::Result<()> {
    loop {
        let mut closing = false;
        while !closing && socket.has_input() && socket.pending_output() < PENDING_BYTES {
            let Some(message) = socket.next_message() else { break };
            closing = respond(socket.output(), message);
        }
        poll_fn(|cx| poll_flush(socket, cx)).await?;
        if closing {
            return Ok(());
        }
        if !socket.has_input() && poll_fn(|cx| socket.poll_read(cx)).await? == Read::End {
            return Ok(());
        }
    }
}

/// Appends the answer to a message. True if the answer is a close frame.
fn respond(out: &mut Vec<u8>, message: Result<Incoming, Violation>) -> bool {
    match message {
        Ok(Incoming::Text(text)) => framing::text(out, &text),
        Ok(Incoming::Binary(data)) => framing::binary(out, &data),
        Ok(Incoming::Ping(payload)) => framing::pong(out, &payload),
        Ok(Incoming::Pong) => {}
        Ok(Incoming::Close(close)) => {
            let (code, reason) = close.as_ref().map_or((NO_CODE, ""), |(code, reason)| (*code, reason));
            framing::close_with(out, code, reason);
            return true;
        }
        Err(Violation(code)) => {
            framing::close(out, code);
            return true;
        }
    }
    false
}

fn poll_flush(socket: &mut Socket<TcpStream>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
    let written = socket.poll_write(cx, |_, _| {})?;
    if written.all { Poll::Ready(Ok(())) } else { Poll::Pending }
}
