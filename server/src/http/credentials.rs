//! Token of a request, from the query, the header or the subprotocol.

use http::header::{AUTHORIZATION, HeaderName, SEC_WEBSOCKET_PROTOCOL};
use http::{HeaderMap, Uri};

use super::refusal::Refusal;

/// Subprotocol of this server.
pub(super) const SUBPROTOCOL: &str = "realtime.v1";
const BEARER_SUBPROTOCOL: &str = "bearer.";

/// Credentials of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Credentials {
    /// Unverified token; empty if the request has none.
    pub(super) token: String,
    /// True if the client offers [`SUBPROTOCOL`]; the response then selects it.
    pub(super) subprotocol: bool,
}

impl Credentials {
    pub(super) fn of(uri: &Uri, headers: &HeaderMap) -> Result<Self, Refusal> {
        let offered: Vec<&str> = values(headers, &SEC_WEBSOCKET_PROTOCOL)
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .collect();
        let subprotocol = offered.contains(&SUBPROTOCOL);
        let in_subprotocol = offered.iter().filter_map(|offer| offer.strip_prefix(BEARER_SUBPROTOCOL));
        if !subprotocol && in_subprotocol.clone().next().is_some() {
            return Err(Refusal::BearerAlone);
        }
        let in_query = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
            .filter(|(name, _)| name == "token")
            .map(|(_, token)| token.into_owned());
        let in_header = values(headers, &AUTHORIZATION).filter_map(bearer).map(str::to_owned);
        let mut tokens = in_query.chain(in_header).chain(in_subprotocol.map(|token| (*token).to_owned()));
        let token = tokens.next().unwrap_or_default();
        if tokens.any(|other| other != token) {
            return Err(Refusal::TwoTokens);
        }
        Ok(Self { token, subprotocol })
    }
}

fn values<'a>(headers: &'a HeaderMap, name: &'a HeaderName) -> impl Iterator<Item = &'a str> {
    headers.get_all(name).iter().filter_map(|value| value.to_str().ok())
}

/// Token of `Bearer <token>` (RFC 6750, section 2.1); the scheme is case-insensitive.
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str, headers: &[(HeaderName, &str)]) -> Result<Credentials, Refusal> {
        let uri: Uri = format!("/ws?{query}").parse().expect("a URI");
        let headers =
            headers.iter().map(|(name, value)| (name.clone(), value.parse().expect("a value"))).collect();
        Credentials::of(&uri, &headers)
    }

    #[test]
    fn a_token_is_read_from_query_header_and_subprotocol() {
        let token = |subprotocol| Ok(Credentials { token: "a.b.c".to_owned(), subprotocol });
        assert_eq!(read("token=a.b.c", &[]), token(false));
        assert_eq!(read("x=1&token=a%2Eb.c", &[]), token(false));
        assert_eq!(read("", &[(AUTHORIZATION, "Bearer a.b.c")]), token(false));
        assert_eq!(read("", &[(AUTHORIZATION, "bearer  a.b.c ")]), token(false));
        assert_eq!(read("", &[(SEC_WEBSOCKET_PROTOCOL, "realtime.v1, bearer.a.b.c")]), token(true));
        assert_eq!(read("token=a.b.c", &[(SEC_WEBSOCKET_PROTOCOL, "realtime.v1,chat")]), token(true));
        let twice = [(AUTHORIZATION, "Bearer a.b.c"), (SEC_WEBSOCKET_PROTOCOL, "bearer.a.b.c, realtime.v1")];
        assert_eq!(read("token=a.b.c", &twice), token(true));
    }

    #[test]
    fn a_missing_token_reads_as_empty() {
        let none = Ok(Credentials { token: String::new(), subprotocol: false });
        assert_eq!(read("", &[]), none);
        assert_eq!(read("token=", &[]), none);
        assert_eq!(read("", &[(AUTHORIZATION, "Basic a.b.c")]), none);
    }

    #[test]
    fn contradicting_credentials_are_refused() {
        assert_eq!(read("token=a&token=b", &[]), Err(Refusal::TwoTokens));
        assert_eq!(read("token=a", &[(AUTHORIZATION, "Bearer b")]), Err(Refusal::TwoTokens));
        assert_eq!(read("token=", &[(AUTHORIZATION, "Bearer b")]), Err(Refusal::TwoTokens));
        assert_eq!(read("", &[(SEC_WEBSOCKET_PROTOCOL, "bearer.a")]), Err(Refusal::BearerAlone));
    }
}
