//! Networks that share a limit: an address, and with IPv6 the networks of one customer.

use std::net::{IpAddr, Ipv6Addr};

/// Prefix of the network of one IPv6 customer at the least.
const CUSTOMER: u32 = 64;
/// Prefix of the networks that a provider or hoster hands out as a whole.
const SITE: u32 = 48;

/// A network: its first address and the length of its prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Network(IpAddr, u32);

/// The networks of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Networks {
    /// The address itself; with IPv6 its /64.
    pub(super) narrow: Network,
    /// With IPv6 the /48.
    pub(super) wide: Option<Network>,
}

impl Networks {
    pub(super) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) if !address.is_loopback() => {
                Self { narrow: prefix(address, CUSTOMER), wide: Some(prefix(address, SITE)) }
            }
            address => Self { narrow: Network(address, 0), wide: None },
        }
    }

    pub(super) fn all(self) -> impl Iterator<Item = Network> {
        [Some(self.narrow), self.wide].into_iter().flatten()
    }
}

fn prefix(address: Ipv6Addr, bits: u32) -> Network {
    let host_bits = Ipv6Addr::BITS - bits;
    Network(IpAddr::V6((u128::from(address) >> host_bits << host_bits).into()), bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(address: &str) -> Networks {
        Networks::of(address.parse().expect("an address"))
    }

    #[test]
    fn an_ipv6_address_shares_the_limits_of_its_networks() {
        let one = networks("2001:db8:7:1::1");
        assert_eq!(networks("2001:db8:7:1:ffff::2"), one, "the same /64");
        let neighbour = networks("2001:db8:7:2::1");
        assert_ne!(neighbour.narrow, one.narrow);
        assert_eq!(neighbour.wide, one.wide, "the same /48");
        assert_ne!(networks("2001:db8:8:1::1").wide, one.wide);
        assert_ne!(Some(networks("2001:db8:7::1").narrow), one.wide, "a /64 is not a /48");
    }

    #[test]
    fn an_ipv4_or_loopback_address_is_a_network_of_its_own() {
        let one = networks("192.0.2.1");
        assert_eq!(networks("::ffff:192.0.2.1"), one);
        assert_ne!(networks("192.0.2.2"), one);
        assert_eq!((one.wide, networks("::1").wide), (None, None));
        assert_ne!(networks("::1").narrow, networks("::2").narrow);
    }
}
