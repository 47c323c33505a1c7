//! Origins of web pages, in the one form in which they are compared.
//!
//! Two texts of the same origin are equal here: the case, the default port of the scheme, and a host in Unicode or in
//! Punycode make no difference. A text that no browser sends as an `Origin` is an error, so that a mistake in a flag
//! is noticed at the start.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use url::{Host, Url};

/// Longest host name, in bytes (RFC 1035, section 2.3.4).
const HOST_BYTES: usize = 253;
/// Longest label of a host name, in bytes.
const LABEL_BYTES: usize = 63;
/// Schemes of URLs that have a host and are never the origin of a page.
const NEVER_A_PAGE: [&str; 4] = ["ws", "wss", "ftp", "about"];

/// The origin of a page, as browsers send it in the header `Origin`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// In lower case and without a default port.
    text: Box<str>,
    /// `None` for `null` and `file://`.
    host: Option<OriginHost>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OriginHost {
    Loopback,
    Other,
}

/// An origin that may connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowedOrigin {
    /// Every origin.
    Any,
    Exactly(Origin),
}

/// The reason why a text is not an origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    #[error(
        "an origin is a scheme, a host and perhaps a port: https://chat.example.org (or null, file://, or * for all)"
    )]
    Form,
    #[error("an origin ends with the host or the port: https://chat.example.org, without a path or a slash")]
    Path,
    #[error("an origin has no wildcards: name each host, or allow all origins with *")]
    Wildcard,
    #[error("an origin has no user name")]
    Userinfo,
    #[error("no page has an origin of this scheme; pages have http:// or https://")]
    Scheme,
    #[error("the host is not a valid name or address")]
    Host,
    #[error("the port is not a number from 1 to 65535")]
    Port,
}

impl Origin {
    /// True if the host is `localhost`, a name below it, or a loopback address.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.host == Some(OriginHost::Loopback)
    }

    /// True if `host`, the value of a `Host` header, is the host and port of this origin. Without a port it stands for
    /// the default port of the origin's scheme: a proxy may have changed the scheme.
    #[must_use]
    pub fn is_at(&self, host: &str) -> bool {
        let scheme = ["http", "https"]
            .into_iter()
            .find(|scheme| self.text.strip_prefix(scheme).is_some_and(|rest| rest.starts_with("://")));
        scheme.is_some_and(|scheme| Self::from_str(&format!("{scheme}://{host}")).as_ref() == Ok(self))
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        if text.eq_ignore_ascii_case("null") || text.eq_ignore_ascii_case("file://") {
            return Ok(Self { text: text.to_ascii_lowercase().into(), host: None });
        }
        let (scheme, rest) = text.split_once("://").ok_or(OriginError::Form)?;
        let is_scheme_char = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
        if !scheme.starts_with(|c: char| c.is_ascii_alphabetic()) || !scheme.chars().all(is_scheme_char) {
            return Err(OriginError::Form);
        }
        let scheme = scheme.to_ascii_lowercase();
        if scheme == "file" || rest.contains(['/', '\\', '?', '#']) {
            return Err(OriginError::Path);
        }
        if rest.contains('@') {
            return Err(OriginError::Userinfo);
        }
        if rest.contains('*') {
            return Err(OriginError::Wildcard);
        }
        if NEVER_A_PAGE.contains(&&*scheme) {
            return Err(OriginError::Scheme);
        }
        // The parser would skip these characters.
        if rest.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(OriginError::Host);
        }
        let url = Url::parse(&format!("{scheme}://{rest}")).map_err(|error| match error {
            url::ParseError::InvalidPort => OriginError::Port,
            _ => OriginError::Host,
        })?;
        if url.port() == Some(0) {
            return Err(OriginError::Port);
        }
        let host = url.host().ok_or(OriginError::Host)?;
        let is_loopback = match &host {
            Host::Ipv4(address) => address.is_loopback(),
            Host::Ipv6(address) => is_loopback_v6(*address),
            Host::Domain(name) => {
                if !is_host_name(name) {
                    return Err(OriginError::Host);
                }
                is_loopback_name(name)
            }
        };
        let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
        let text = format!("{scheme}://{}{port}", host.to_string().to_ascii_lowercase());
        let host = if is_loopback { OriginHost::Loopback } else { OriginHost::Other };
        Ok(Self { text: text.into(), host: Some(host) })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for AllowedOrigin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        if text == "*" { Ok(Self::Any) } else { text.parse().map(Self::Exactly) }
    }
}

/// True if a name server could know the name. A dot may end it.
fn is_host_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name.len() <= HOST_BYTES && name.split('.').all(|label| (1..=LABEL_BYTES).contains(&label.len()))
}

fn is_loopback_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    name == "localhost"
        || name.ends_with(".localhost")
        // With schemes that the parser does not know, an address is a name.
        || name.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

fn is_loopback_v6(address: Ipv6Addr) -> bool {
    IpAddr::V6(address).to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> Origin {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn texts_of_one_origin_are_equal() {
        for (one, other) in [
            ("https://chat.example.org", "HTTPS://Chat.Example.ORG:443"),
            ("http://chat.example.org", "http://chat.example.org:80"),
            ("http://chat.example.org:443", "http://chat.example.org:0443"),
            ("https://bücher.example", "https://xn--bcher-kva.example"),
            ("https://BÜCHER.example", "https://xn--bcher-kva.example:443"),
            ("http://[::1]:3000", "http://[0:0:0:0:0:0:0:1]:3000"),
            ("http://127.0.0.1", "http://127.1"),
            ("chrome-extension://abcdef", "Chrome-Extension://ABCDEF"),
            ("null", "NULL"),
            ("file://", "FILE://"),
        ] {
            assert_eq!(origin(one), origin(other));
        }
        assert_eq!(origin("HTTPS://BÜCHER.example:443").to_string(), "https://xn--bcher-kva.example");
        assert_eq!(origin("http://[::1]:3000").to_string(), "http://[::1]:3000");
    }

    #[test]
    fn different_origins_differ() {
        let all = [
            "https://chat.example.org",
            "http://chat.example.org",
            "https://chat.example.org:8443",
            "https://example.org",
            "https://chat.example.org.",
            "https://chat.example.org.evil",
            "app://chat.example.org",
            "null",
            "file://",
        ];
        for (nth, one) in all.iter().enumerate() {
            for other in &all[nth + 1..] {
                assert_ne!(origin(one), origin(other));
            }
        }
    }

    #[test]
    fn impossible_origins_are_refused_with_their_reason() {
        use OriginError::{Form, Host, Path, Port, Scheme, Userinfo, Wildcard};
        let long = format!("https://{}.org", "a".repeat(64));
        for (text, why) in [
            ("", Form),
            ("chat.example.org", Form),
            ("localhost:3000", Form),
            ("://chat.example.org", Form),
            ("1http://chat.example.org", Form),
            ("data:text/html,x", Form),
            ("https:/chat.example.org", Form),
            ("https://", Host),
            ("https://:443", Host),
            ("https://chat.example.org/", Path),
            ("https://chat.example.org/chat", Path),
            ("https://chat.example.org?a", Path),
            ("https://chat.example.org#a", Path),
            ("https://chat.example.org\\a", Path),
            ("file:///", Path),
            ("file://host", Path),
            ("blob:https://chat.example.org", Form),
            ("https://user@chat.example.org", Userinfo),
            ("https://*.example.org", Wildcard),
            ("wss://chat.example.org", Scheme),
            ("https://chat.example.org:0", Port),
            ("https://chat.example.org:65536", Port),
            ("https://chat.example.org:https", Port),
            ("https://chat example.org", Host),
            ("https://chat\t.example.org", Host),
            ("https://chat..example.org", Host),
            ("https://256.1.1.1", Host),
            ("https://[::1", Host),
            ("https://xn--a", Host),
            ("https://ex<ample.org", Host),
            (&long, Host),
        ] {
            assert_eq!(text.parse::<Origin>(), Err(why), "{text:?}");
        }
        assert_eq!("*".parse(), Ok(AllowedOrigin::Any));
        assert_eq!("null".parse(), Ok(AllowedOrigin::Exactly(origin("null"))));
    }

    #[test]
    fn loopback_is_a_property_of_the_host() {
        for yes in [
            "http://localhost",
            "https://LocalHost:3000",
            "http://app.localhost:5173",
            "http://localhost.",
            "http://127.0.0.1:8000",
            "http://127.255.0.1",
            "http://[::1]",
            "http://[::ffff:127.0.0.1]",
            "tauri://localhost",
        ] {
            assert!(origin(yes).is_loopback(), "{yes}");
        }
        for no in [
            "http://localhost.example.org",
            "http://notlocalhost",
            "http://127.0.0.1.example.org",
            "http://128.0.0.1",
            "http://0.0.0.0",
            "http://[::2]",
            "null",
            "file://",
        ] {
            assert!(!origin(no).is_loopback(), "{no}");
        }
    }

    #[test]
    fn a_host_header_names_an_origin_whatever_the_scheme() {
        for (text, host) in [
            ("https://chat.example.org", "chat.example.org"),
            ("https://chat.example.org", "Chat.Example.org:443"),
            ("http://chat.example.org", "chat.example.org:80"),
            ("http://chat.example.org:8000", "chat.example.org:8000"),
            ("https://bücher.example", "xn--bcher-kva.example"),
            ("http://[2001:db8::1]:8000", "[2001:DB8:0::1]:8000"),
        ] {
            assert!(origin(text).is_at(host), "{text} {host}");
        }
        for (text, host) in [
            ("https://chat.example.org", "example.org"),
            ("https://chat.example.org", "chat.example.org:80"),
            ("https://chat.example.org:8443", "chat.example.org"),
            ("http://chat.example.org", "chat.example.org:8000"),
            ("http://chat.example.org", "chat.example.org/"),
            ("http://chat.example.org", "a@chat.example.org"),
            ("app://chat.example.org", "chat.example.org"),
            ("null", "null"),
            ("file://", ""),
        ] {
            assert!(!origin(text).is_at(host), "{text} {host}");
        }
    }
}
