//! Listening sockets and the addresses that they are bound to.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::str::FromStr;

use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};

/// Port of the server unless the operator chooses another.
const DEFAULT_PORT: u16 = 8000;
/// Connections that the kernel queues until they are accepted: after a restart all clients reconnect at once.
const BACKLOG: i32 = 4096;

/// Address to listen on: `127.0.0.1:8000`, `[::1]:8000`, or a host name and a port, with all addresses of that name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListenAddress(Vec<SocketAddr>);

impl FromStr for ListenAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse() {
            return Ok(Self(vec![address]));
        }
        match text.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && !host.contains(':') && port.parse::<u16>().is_ok() => {
                let addresses = text.to_socket_addrs().map_err(|fault| fault.to_string())?;
                Ok(Self(addresses.collect()))
            }
            _ => {
                Err("an address has a port: 127.0.0.1:8000, [::1]:8000, 0.0.0.0:8000, localhost:8000"
                    .to_owned())
            }
        }
    }
}

/// Listens on `addresses`, without any on none.
pub(crate) fn bind_exactly(addresses: &[ListenAddress]) -> Result<Vec<TcpListener>, BindError> {
    let mut wanted: Vec<SocketAddr> =
        addresses.iter().flat_map(|address| address.0.iter().copied()).collect();
    wanted.dedup_by(|one, other| one == other && one.port() != 0);
    wanted.into_iter().map(listener).collect()
}

/// Listens on `addresses`, or, without any, on port 8000 of the loopback addresses of the host.
pub(crate) fn bind(addresses: &[ListenAddress]) -> Result<Vec<TcpListener>, BindError> {
    if !addresses.is_empty() {
        return bind_exactly(addresses);
    }
    let mut listeners = vec![listener((Ipv4Addr::LOCALHOST, DEFAULT_PORT).into())?];
    match listener((Ipv6Addr::LOCALHOST, DEFAULT_PORT).into()) {
        Ok(listener) => listeners.push(listener),
        Err(fault) if is_no_such_address(&fault.cause) => {}
        Err(fault) => return Err(fault),
    }
    Ok(listeners)
}

/// True if the host lacks the address or its whole family.
fn is_no_such_address(fault: &io::Error) -> bool {
    fault.kind() == ErrorKind::AddrNotAvailable
        || [Errno::AFNOSUPPORT, Errno::ADDRNOTAVAIL]
            .map(|errno| Some(errno.raw_os_error()))
            .contains(&fault.raw_os_error())
}

fn listener(address: SocketAddr) -> Result<TcpListener, BindError> {
    let bound = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        // Connections in TIME_WAIT, left by a server that was just stopped, must not keep the port taken.
        socket.set_reuse_address(true)?;
        if address.is_ipv6() {
            // `[::]` then means only IPv6 on every system, so that `0.0.0.0` can be bound beside it.
            socket.set_only_v6(true)?;
        }
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        Ok(TcpListener::from(socket))
    };
    bound().map_err(|cause| BindError { address, cause })
}

/// Error of binding an address. The text names the remedy.
#[derive(Debug)]
pub(crate) struct BindError {
    address: SocketAddr,
    cause: io::Error,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, cause } = self;
        write!(f, "cannot listen on {address}: ")?;
        match cause.kind() {
            ErrorKind::AddrInUse => {
                f.write_str("another program uses the port; stop it, or choose another port with --listen")
            }
            ErrorKind::PermissionDenied => {
                f.write_str("this user may not use the port; choose port 1024 or higher with --listen")
            }
            _ if is_no_such_address(cause) => {
                f.write_str("this host does not have the address; choose another with --listen")
            }
            _ => write!(f, "{cause}"),
        }
    }
}

impl std::error::Error for BindError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_addresses_are_parsed_and_others_refused() {
        for good in ["127.0.0.1:8000", "0.0.0.0:0", "[::1]:8000", "[::]:65535"] {
            assert_eq!(good.parse(), Ok(ListenAddress(vec![good.parse().expect("an address")])), "{good}");
        }
        let localhost: ListenAddress = "localhost:80".parse().expect("in every hosts file");
        assert!(localhost.0.iter().all(|address| address.ip().is_loopback() && address.port() == 80));
        for bad in
            ["", "8000", ":8000", "localhost", "127.0.0.1", "::1:8000", "127.0.0.1:x", "127.0.0.1:65536"]
        {
            assert!(bad.parse::<ListenAddress>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_error_names_a_taken_port() {
        let first = bind(&["127.0.0.1:0".parse().expect("an address")]).expect("a free port");
        let address = first[0].local_addr().expect("bound");
        let fault = bind(&[ListenAddress(vec![address])]).expect_err("taken").to_string();
        assert!(
            fault.contains(&address.to_string()) && fault.contains("another program uses the port"),
            "{fault}"
        );
    }

    #[test]
    fn the_error_names_an_address_that_the_host_lacks() {
        // TEST-NET-1 (RFC 5737) is no host's.
        let fault = bind(&["192.0.2.1:8000".parse().expect("an address")]).expect_err("not ours").to_string();
        assert!(fault.contains("does not have the address"), "{fault}");
    }

    #[test]
    fn a_host_without_ipv6_counts_as_lacking_the_address() {
        for errno in [Errno::AFNOSUPPORT, Errno::ADDRNOTAVAIL] {
            assert!(is_no_such_address(&io::Error::from_raw_os_error(errno.raw_os_error())));
        }
        assert!(!is_no_such_address(&io::Error::from_raw_os_error(Errno::ADDRINUSE.raw_os_error())));
    }
}
