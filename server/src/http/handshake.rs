//! The opening handshake of a WebSocket (RFC 6455, section 4.2).

use axum::body::Body;
use axum::response::Response;
use http::header::{CONNECTION, HeaderName, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{HeaderMap, HeaderValue, Request};
use tungstenite::handshake::server::create_response_with_body;

/// True if a header with a list (RFC 9110, section 5.6.1), on one line or several, has this element in any case.
fn has_element(headers: &HeaderMap, name: &HeaderName, element: &str) -> bool {
    let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    // Some clients separate elements with spaces.
    lines.flat_map(|line| line.split([',', ' ', '\t'])).any(|found| found.eq_ignore_ascii_case(element))
}

/// True if the request asks for a WebSocket, whatever else may be wrong with it.
pub(super) fn asks_for_websocket(headers: &HeaderMap) -> bool {
    has_element(headers, &UPGRADE, "websocket")
}

/// The response that accepts an upgrade request. `None` if the request is not an upgrade to a WebSocket.
pub(super) fn response<B>(request: &Request<B>) -> Option<Response> {
    let headers = request.headers();
    // tungstenite reads only the first line of a header, and `Upgrade` as one element. It gets the lists reduced to the
    // elements that it looks for.
    let mut reduced = Request::new(());
    *reduced.method_mut() = request.method().clone();
    *reduced.version_mut() = request.version();
    for (name, element) in [(CONNECTION, "Upgrade"), (UPGRADE, "websocket")] {
        if has_element(headers, &name, element) {
            reduced.headers_mut().insert(name, HeaderValue::from_static(element));
        }
    }
    for name in [SEC_WEBSOCKET_VERSION, SEC_WEBSOCKET_KEY] {
        let mut lines = headers.get_all(&name).iter();
        let first = lines.next()?;
        if lines.any(|line| line != first) {
            return None;
        }
        reduced.headers_mut().insert(name, first.clone());
    }
    create_response_with_body(&reduced, Body::empty).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: (&str, &str) = ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    const VERSION: (&str, &str) = ("sec-websocket-version", "13");

    fn is_accepted(headers: &[(&str, &str)]) -> bool {
        let mut request = Request::builder();
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        response(&request.body(()).expect("a request")).is_some()
    }

    #[test]
    fn connection_and_upgrade_are_lists() {
        for lists in [
            &[("connection", "Upgrade"), ("upgrade", "websocket")][..],
            &[("connection", "keep-alive"), ("connection", "Upgrade"), ("upgrade", "websocket")],
            &[("connection", "upgrade"), ("connection", "keep-alive"), ("upgrade", "WebSocket")],
            &[("connection", "keep-alive,UPGRADE"), ("upgrade", "h2c, websocket")],
            &[("connection", ", Upgrade ,"), ("upgrade", "h2c"), ("upgrade", "websocket")],
            &[("connection", "keep-alive Upgrade"), ("upgrade", "websocket,h2c")],
        ] {
            assert!(is_accepted(&[lists, &[KEY, VERSION]].concat()), "{lists:?}");
        }
        for lists in [
            &[("connection", "Upgrade")][..],
            &[("upgrade", "websocket")],
            &[("connection", "keep-alive"), ("upgrade", "websocket")],
            &[("connection", "Upgrade"), ("upgrade", "h2c")],
            &[("connection", "Upgrade"), ("upgrade", "websocket2")],
            &[("connection", "Upgrades"), ("upgrade", "websocket")],
        ] {
            assert!(!is_accepted(&[lists, &[KEY, VERSION]].concat()), "{lists:?}");
        }
    }

    #[test]
    fn key_and_version_have_one_value() {
        let upgrade = [("connection", "Upgrade"), ("upgrade", "websocket")];
        let another_key = ("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA==");
        for good in [&[KEY, VERSION][..], &[KEY, KEY, VERSION], &[VERSION, KEY, VERSION]] {
            assert!(is_accepted(&[&upgrade, good].concat()), "{good:?}");
        }
        for bad in [
            &[KEY][..],
            &[VERSION],
            &[KEY, another_key, VERSION],
            &[KEY, VERSION, ("sec-websocket-version", "8")],
            &[KEY, ("sec-websocket-version", "8")],
            &[VERSION, ("sec-websocket-key", "short")],
        ] {
            assert!(!is_accepted(&[&upgrade, bad].concat()), "{bad:?}");
        }
    }
}
