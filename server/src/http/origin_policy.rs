//! Policy on the origins of web pages.
//!
//! A page of another site can open a WebSocket to this server from its visitor's browser, with tokens that it knows.
//! Programs other than browsers send no `Origin` and are not concerned. A `Host` alone refuses nobody.
//!
//! On a loopback listener the own `Host` proves nothing: a foreign name may resolve to a loopback address.

use http::header::{HOST, ORIGIN};
use http::{HeaderMap, Uri};

use crate::origin::{AllowedOrigin, Origin};

/// True if the pages of the request's origin may connect.
pub(super) fn is_allowed(
    uri: &Uri,
    headers: &HeaderMap,
    is_loopback_listener: bool,
    allowed: &[AllowedOrigin],
) -> bool {
    let own = own_host(uri, headers).filter(|_| !is_loopback_listener);
    let is_listed = |origin: &Origin| {
        allowed.iter().any(|allowed| match allowed {
            AllowedOrigin::Any => true,
            AllowedOrigin::Exactly(listed) => listed == origin,
        })
    };
    allowed.contains(&AllowedOrigin::Any)
        || headers.get_all(ORIGIN).iter().all(|value| {
            let origin =
                str::from_utf8(value.as_bytes()).ok().and_then(|text| text.trim().parse::<Origin>().ok());
            origin.is_some_and(|origin| {
                origin.is_loopback() || is_listed(&origin) || own.is_some_and(|host| origin.is_at(host))
            })
        })
}

/// The host that the request is for. `None` if it names none, or two.
fn own_host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    if let Some(authority) = uri.authority() {
        return Some(authority.as_str());
    }
    let mut hosts = headers.get_all(HOST).iter();
    let host = hosts.next()?.to_str().ok()?;
    hosts.next().is_none().then(|| host.trim())
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    fn is_allowed_with(listener: &str, allowed: &[&str], headers: &[(HeaderName, &str)]) -> bool {
        let allowed: Vec<_> = allowed.iter().map(|text| text.parse().expect("an origin")).collect();
        let headers = headers.iter().map(|(name, value)| {
            (name.clone(), http::HeaderValue::from_bytes(value.as_bytes()).expect("a value"))
        });
        is_allowed(&Uri::from_static("/ws"), &headers.collect(), listener == "loopback", &allowed)
    }

    #[test]
    fn a_request_without_an_origin_is_allowed() {
        for listener in ["loopback", "public"] {
            assert!(is_allowed_with(listener, &[], &[]));
            assert!(is_allowed_with(listener, &["https://chat.example.org"], &[(HOST, "evil.example")]));
        }
    }

    #[test]
    fn loopback_origins_are_allowed_on_every_listener() {
        for listener in ["loopback", "public"] {
            for origin in
                ["http://localhost:3000", "https://127.0.0.1", "http://[::1]:8080", "http://a.localhost"]
            {
                assert!(
                    is_allowed_with(listener, &[], &[(ORIGIN, origin), (HOST, "chat")]),
                    "{listener} {origin}"
                );
            }
        }
    }

    #[test]
    fn the_own_host_is_allowed_unless_the_listener_is_loopback() {
        for (origin, host) in [
            ("http://chat.example.org:8000", "chat.example.org:8000"),
            ("https://chat.example.org", "chat.example.org"),
        ] {
            let headers = [(ORIGIN, origin), (HOST, host)];
            assert!(is_allowed_with("public", &[], &headers), "{origin}");
            assert!(is_allowed_with("public", &["https://other.example.org"], &headers), "{origin}");
            assert!(!is_allowed_with("loopback", &[], &headers), "{origin}");
        }
        let two = [(ORIGIN, "http://a.example"), (HOST, "a.example"), (HOST, "b.example")];
        assert!(!is_allowed_with("public", &[], &two));
    }

    #[test]
    fn other_origins_are_allowed_only_if_listed() {
        for listener in ["loopback", "public"] {
            for origin in ["https://chat.example.org", "null", "file://", "https://bücher.example"] {
                let headers = [(ORIGIN, origin), (HOST, "127.0.0.1:8000")];
                assert!(!is_allowed_with(listener, &[], &headers), "{origin}");
                assert!(!is_allowed_with(listener, &["https://a.example", "app://a"], &headers), "{origin}");
                assert!(is_allowed_with(listener, &["https://a.example", origin], &headers), "{origin}");
                assert!(is_allowed_with(listener, &["*"], &headers), "{origin}");
            }
        }
        let header = [(ORIGIN, "HTTPS://Chat.example.org:443")];
        assert!(is_allowed_with("loopback", &["https://chat.example.org"], &header));
    }

    #[test]
    fn each_of_several_origins_must_be_allowed() {
        let two = [(ORIGIN, "http://localhost"), (ORIGIN, "https://evil.example")];
        assert!(!is_allowed_with("loopback", &[], &two));
        assert!(!is_allowed_with("loopback", &[], &[(ORIGIN, "http://localhost https://evil.example")]));
        assert!(!is_allowed_with("loopback", &[], &[(ORIGIN, "")]));
        assert!(is_allowed_with("loopback", &["*"], &[(ORIGIN, "no origin at all")]));
    }
}
