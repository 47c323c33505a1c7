//! Sockets without a token that hold their places: requests on a kept connection, and heads that never end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::attackers::AttackCounts;

const PACE: Duration = Duration::from_secs(1);
const REQUEST: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
const HEAD: &[u8] = b"GET /api/v1/ws HTTP/1.1\r\nHost: localhost\r\nX-Long: ";
const ANSWER_BYTES: usize = 4 * 1024;

/// Holds a place, and takes another one when the server ends the connection.
pub(crate) async fn hold(address: SocketAddr, number: usize, counts: Arc<AttackCounts>) {
    loop {
        // An error is the end of a connection.
        let _ = if number.is_multiple_of(2) {
            request_often(address, &counts).await
        } else {
            send_slowly(address, &counts).await
        };
        sleep(PACE / 10).await;
    }
}

async fn request_often(address: SocketAddr, counts: &AttackCounts) -> std::io::Result<()> {
    let mut stream = open(address, counts).await?;
    let mut answer = [0; ANSWER_BYTES];
    loop {
        stream.write_all(REQUEST).await?;
        if stream.read(&mut answer).await? == 0 {
            return Ok(());
        }
        AttackCounts::add(&counts.tokenless_answers, 1);
        sleep(PACE).await;
    }
}

async fn send_slowly(address: SocketAddr, counts: &AttackCounts) -> std::io::Result<()> {
    let mut stream = open(address, counts).await?;
    stream.write_all(HEAD).await?;
    loop {
        sleep(PACE).await;
        stream.write_all(b"x").await?;
    }
}

async fn open(address: SocketAddr, counts: &AttackCounts) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    AttackCounts::add(&counts.tokenless_opened, 1);
    Ok(stream)
}
