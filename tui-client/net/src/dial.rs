//! TCP connection to a host with several addresses, as in RFC 8305 ("Happy Eyeballs").
//!
//! The addresses alternate between IPv6 and IPv4. The next attempt begins when an attempt fails, or
//! [`ATTEMPT_DELAY`] after the previous one began; the first connection wins. An address that connected, but whose
//! server sent no welcome, goes last in the next round, because it may be a broken proxy.

use std::future::{Future, pending};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::{TcpStream, lookup_host};

/// "Connection Attempt Delay" of the RFC.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// Most addresses of a host that are tried.
const ADDRESSES: usize = 32;

/// Addresses that connected, and whose servers have sent no welcome since.
#[derive(Debug, Clone, Default)]
pub(super) struct Unanswered(Arc<Mutex<Vec<SocketAddr>>>);

impl Unanswered {
    /// Handles a welcome.
    pub(super) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn add(&self, address: SocketAddr) {
        let mut addresses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        addresses.retain(|known| *known != address);
        if addresses.len() == ADDRESSES {
            addresses.remove(0);
        }
        addresses.push(address);
    }

    /// Moves these addresses to the end, the latest one last.
    fn sort_last(&self, addresses: &mut [SocketAddr]) {
        let unanswered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        addresses
            .sort_by_key(|address| unanswered.iter().position(|known| known == address).map(|at| at + 1));
    }
}

/// Connects to `host:port`.
pub(super) async fn connect(host: &str, port: u16, unanswered: &Unanswered) -> io::Result<TcpStream> {
    connect_to(interleaved(lookup_host(format!("{host}:{port}")).await?), unanswered).await
}

async fn connect_to(mut addresses: Vec<SocketAddr>, unanswered: &Unanswered) -> io::Result<TcpStream> {
    unanswered.sort_last(&mut addresses);
    let stream = race(addresses, TcpStream::connect).await?;
    unanswered.add(stream.peer_addr()?);
    Ok(stream)
}

/// The addresses in the order of the attempts: both families in turns, that of the first address first.
fn interleaved(found: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let found: Vec<_> = found.collect();
    let is_first_family =
        |address: &SocketAddr| found.first().map(SocketAddr::is_ipv6) == Some(address.is_ipv6());
    let (first, second): (Vec<_>, Vec<_>) = found.iter().copied().partition(is_first_family);
    let mut second = second.into_iter();
    let mut turns: Vec<SocketAddr> = Vec::with_capacity(found.len());
    for address in first {
        turns.push(address);
        turns.extend(second.next());
    }
    turns.extend(second);
    turns.truncate(ADDRESSES);
    turns
}

/// The first connection. If none is made, the error of the first failed attempt.
async fn race<Connection, Attempt: Future<Output = io::Result<Connection>>>(
    addresses: Vec<SocketAddr>,
    connect: impl Fn(SocketAddr) -> Attempt,
) -> io::Result<Connection> {
    let mut waiting = addresses.into_iter();
    let mut attempts = FuturesUnordered::new();
    let mut first_error = None;
    loop {
        if let Some(address) = waiting.next() {
            attempts.push(connect(address));
        } else if attempts.is_empty() {
            let no_address = || io::Error::new(io::ErrorKind::NotFound, "the host has no address");
            return Err(first_error.unwrap_or_else(no_address));
        }
        let has_next = waiting.len() > 0;
        let delay =
            async { if has_next { tokio::time::sleep(ATTEMPT_DELAY).await } else { pending().await } };
        tokio::select! {
            biased;
            Some(result) = attempts.next() => match result {
                Ok(connection) => return Ok(connection),
                Err(error) => _ = first_error.get_or_insert(error),
            },
            () = delay => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::time::Instant;

    use super::*;

    fn v4(last: u8) -> SocketAddr {
        ([192, 0, 2, last], 80).into()
    }

    fn v6(last: u16) -> SocketAddr {
        ([0x2001, 0xdb8, 0, 0, 0, 0, 0, last], 80).into()
    }

    /// Behaviour of an address.
    #[derive(Clone, Copy)]
    enum Fake {
        /// Drops the packets.
        Silent,
        RefusesAfter(u64),
        ConnectsAfter(u64),
    }

    /// Runs a race. Returns the winner or the error, the time, and the attempts with their times.
    async fn run(fakes: &[(SocketAddr, Fake)]) -> (Result<SocketAddr, String>, u64, Vec<(SocketAddr, u64)>) {
        let start = Instant::now();
        let millis = || u64::try_from(start.elapsed().as_millis()).expect("short");
        let attempts = Mutex::new(Vec::new());
        let connect = |address| {
            attempts.lock().expect("a lock").push((address, millis()));
            let fake = fakes.iter().find(|(of, _)| *of == address).expect("an address").1;
            async move {
                match fake {
                    Fake::Silent => pending().await,
                    Fake::RefusesAfter(after) => {
                        tokio::time::sleep(Duration::from_millis(after)).await;
                        Err(io::Error::other(format!("{address} refuses")))
                    }
                    Fake::ConnectsAfter(after) => {
                        tokio::time::sleep(Duration::from_millis(after)).await;
                        Ok(address)
                    }
                }
            }
        };
        let result = race(fakes.iter().map(|(address, _)| *address).collect(), connect).await;
        let (result, end) = (result.map_err(|error| error.to_string()), millis());
        (result, end, attempts.into_inner().expect("a lock"))
    }

    #[test]
    fn the_families_alternate_from_that_of_the_first_address() {
        let found = [v6(1), v6(2), v6(3), v4(1)];
        assert_eq!(interleaved(found.into_iter()), [v6(1), v4(1), v6(2), v6(3)]);
        let found = [v4(1), v4(2), v6(1), v6(2), v6(3)];
        assert_eq!(interleaved(found.into_iter()), [v4(1), v6(1), v4(2), v6(2), v6(3)]);
        assert_eq!(interleaved(std::iter::empty()), []);
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_address_delays_the_next_attempt_by_a_quarter_second() {
        let (result, end, attempts) =
            run(&[(v6(1), Fake::Silent), (v6(2), Fake::Silent), (v4(1), Fake::ConnectsAfter(30))]).await;
        assert_eq!((result, end), (Ok(v4(1)), 530));
        assert_eq!(attempts, [(v6(1), 0), (v6(2), 250), (v4(1), 500)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_attempt_is_followed_by_the_next_one_at_once() {
        let (result, end, attempts) =
            run(&[(v6(1), Fake::RefusesAfter(10)), (v4(1), Fake::ConnectsAfter(5))]).await;
        assert_eq!((result, end), (Ok(v4(1)), 15));
        assert_eq!(attempts, [(v6(1), 0), (v4(1), 10)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_earlier_address_can_still_win() {
        let (result, end, _) =
            run(&[(v6(1), Fake::ConnectsAfter(300)), (v4(1), Fake::ConnectsAfter(200))]).await;
        assert_eq!((result, end), (Ok(v6(1)), 300));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_connection_the_first_error_is_reported() {
        let (result, _, attempts) = run(&[
            (v6(1), Fake::RefusesAfter(400)),
            (v4(1), Fake::RefusesAfter(1)),
            (v4(2), Fake::RefusesAfter(500)),
        ])
        .await;
        assert_eq!(result, Err(format!("{} refuses", v4(1))));
        assert_eq!(attempts.len(), 3);
        assert!(run(&[]).await.0.is_err());
    }

    #[tokio::test]
    async fn after_a_connection_without_a_welcome_the_next_one_goes_to_another_address() {
        let listen = || async { tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port") };
        let (silent, server) = (listen().await, listen().await);
        let silent_address = silent.local_addr().expect("an address");
        let server_address = server.local_addr().expect("an address");
        let unanswered = Unanswered::default();
        let peer = || async {
            let stream =
                connect_to(vec![silent_address, server_address], &unanswered).await.expect("a connection");
            stream.peer_addr().expect("an address")
        };
        assert_eq!(peer().await, silent_address);
        assert_eq!(peer().await, server_address);
        unanswered.clear();
        assert_eq!(peer().await, silent_address, "after a welcome the order is as before");
    }

    #[tokio::test]
    async fn an_address_that_refuses_is_followed_by_the_next_one_over_loopback() {
        // Bound and not listening: the port is taken, and a connection is refused.
        let refusing = tokio::net::TcpSocket::new_v4().expect("a socket");
        refusing.bind(([127, 0, 0, 1], 0).into()).expect("a port");
        let refusing_address = refusing.local_addr().expect("an address");
        let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = server.local_addr().expect("an address");
        let stream =
            connect_to(vec![refusing_address, address], &Unanswered::default()).await.expect("a connection");
        assert_eq!(stream.peer_addr().expect("an address"), address);
    }

    #[test]
    fn an_address_without_a_welcome_goes_last() {
        let unanswered = Unanswered::default();
        unanswered.add(v6(1));
        let mut addresses = [v6(1), v4(1), v6(2)];
        unanswered.sort_last(&mut addresses);
        assert_eq!(addresses, [v4(1), v6(2), v6(1)]);
        unanswered.add(v4(1));
        unanswered.sort_last(&mut addresses);
        assert_eq!(addresses, [v6(2), v6(1), v4(1)]);
        unanswered.clear();
        let mut addresses = [v6(1), v4(1)];
        unanswered.sort_last(&mut addresses);
        assert_eq!(addresses, [v6(1), v4(1)]);
    }
}
