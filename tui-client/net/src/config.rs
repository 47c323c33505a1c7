//! What a client has to know before it connects, checked once: past [`Config::new`] nothing of it is looked at again.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;

use super::backoff::Backoff;

/// Where to connect, as whom, and how patiently.
#[derive(Debug, Clone)]
pub struct Config {
    pub(super) url: Uri,
    pub(super) token: TokenSource,
    /// How times are set.
    pub timing: Timing,
}

/// The client's times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// How long to wait between tries.
    pub backoff: Backoff,
    /// From one ping to the next.
    pub ping_interval: Duration,
    /// How long after a ping nothing at all may be heard before the connection counts as dead.
    pub pong_timeout: Duration,
    /// How long a try may take, up to the server's welcome.
    pub connect_timeout: Duration,
}

impl Default for Timing {
    /// Pings every 20 s, dead after 10 s of silence, 10 s for a try.
    fn default() -> Self {
        Self {
            backoff: Backoff::default(),
            ping_interval: Duration::from_secs(20),
            pong_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(10),
        }
    }
}

/// Where a server takes WebSockets.
pub const PATH: &str = "/api/v1/ws";

/// Why a text is not the address of a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// It is no URL.
    #[error("`{0}` is not a URL such as ws://127.0.0.1:8000/api/v1/ws")]
    Malformed(String),
    /// It has a token, which would be seen in logs on the way.
    #[error("a token does not belong in the URL")]
    Token,
    /// It is of something else than a WebSocket.
    #[error("`{0}` does not begin with ws:// or wss://")]
    Scheme(String),
}

impl Config {
    /// A client of the server at `url` (`ws://host[:port][/path]`), with the usual times. Without a path it is
    /// [`PATH`]; a path of a slash is one. With `wss://` the way there is by TLS, and the server's certificate has to be
    /// one that this machine trusts.
    ///
    /// The token goes in the `Authorization` header of each upgrade, never in the URL. This library logs nothing; the
    /// WebSocket library below it gives whole requests to a logger of the `log` crate that takes level `trace`.
    pub fn new(url: &str, token: impl Into<TokenSource>) -> Result<Self, UrlError> {
        let malformed = || UrlError::Malformed(url.to_owned());
        let authority_only = url.split_once("://").is_some_and(|(_, rest)| !rest.contains(['/', '?', '#']));
        let whole = if authority_only { format!("{url}{PATH}") } else { url.to_owned() };
        let uri: Uri = whole.parse().map_err(|_| malformed())?;
        match uri.scheme_str() {
            Some("ws" | "wss") => {}
            Some(_) => return Err(UrlError::Scheme(url.to_owned())),
            None => return Err(malformed()),
        }
        let authority = uri.authority().ok_or_else(malformed)?;
        if authority.host().is_empty() || authority.as_str().contains('@') {
            return Err(malformed());
        }
        if uri.query().is_some_and(|query| query.split('&').any(|pair| pair.starts_with("token="))) {
            return Err(UrlError::Token);
        }
        Ok(Self { url: uri, token: token.into(), timing: Timing::default() })
    }

    /// The whole address of the server.
    #[must_use]
    pub fn url(&self) -> String {
        self.url.to_string()
    }
}

/// Where tokens come from. Asked before each try, so that a renewed token is used without a restart.
///
/// Its `Debug` form shows no token.
#[derive(Clone)]
pub struct TokenSource(Inner);

#[derive(Clone)]
enum Inner {
    Fixed(String),
    Read(Arc<dyn Fn() -> io::Result<String> + Send + Sync>),
}

impl TokenSource {
    /// A token from a file, a program, a keyring. `read` may block: it is called on tokio's threads for that. White
    /// space around the token is dropped. An error counts as a try that failed.
    pub fn from_fn(read: impl Fn() -> io::Result<String> + Send + Sync + 'static) -> Self {
        Self(Inner::Read(Arc::new(read)))
    }

    /// Asks the source for a token.
    pub async fn get(&self) -> io::Result<String> {
        match &self.0 {
            Inner::Fixed(token) => Ok(token.clone()),
            Inner::Read(read) => {
                let read = Arc::clone(read);
                let token = tokio::task::spawn_blocking(move || read()).await.map_err(io::Error::other)??;
                Ok(token.trim().to_owned())
            }
        }
    }
}

impl From<String> for TokenSource {
    /// The same token for ever.
    fn from(token: String) -> Self {
        Self(Inner::Fixed(token.trim().to_owned()))
    }
}

impl From<&str> for TokenSource {
    /// The same token for ever.
    fn from(token: &str) -> Self {
        token.to_owned().into()
    }
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Inner::Fixed(_) => "TokenSource(fixed)",
            Inner::Read(_) => "TokenSource(read)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_checked_once() {
        for good in
            ["ws://127.0.0.1:8000/api/v1/ws", "ws://[::1]:8000/ws", "wss://chat.example/ws", "ws://localhost"]
        {
            assert!(Config::new(good, "t").is_ok(), "{good}");
        }
        let error = |url| Config::new(url, "t").expect_err(url);
        assert!(matches!(error("http://chat.example/ws"), UrlError::Scheme(_)));
        for bad in ["", "chat.example", "/ws", "ws:///ws", "ws://alice:secret@chat.example/ws", "ws://a b/"] {
            assert!(matches!(error(bad), UrlError::Malformed(_)), "{bad}");
        }
        assert_eq!(error("ws://chat.example/ws?v=1&token=s3cret"), UrlError::Token);
    }

    #[test]
    fn a_host_alone_is_enough() {
        let of = |url| Config::new(url, "t").expect(url).url();
        assert_eq!(of("ws://chat.example:8000"), "ws://chat.example:8000/api/v1/ws");
        assert_eq!(of("ws://[::1]"), "ws://[::1]/api/v1/ws");
        assert_eq!(of("wss://chat.example"), "wss://chat.example/api/v1/ws");
        for whole in ["ws://chat.example/", "ws://chat.example/chat?v=1", "ws://chat.example/?v=1"] {
            assert_eq!(of(whole), whole);
        }
    }

    #[test]
    fn no_token_is_shown() {
        let config = Config::new("ws://localhost/ws", "s3cret").expect("a URL");
        assert!(!format!("{config:?}").contains("s3cret"));
    }

    #[tokio::test]
    async fn tokens_are_trimmed_and_read_anew() {
        let count = Arc::new(std::sync::atomic::AtomicU32::new(0));
        let source = TokenSource::from_fn(move || {
            Ok(format!(" t{}\n", count.fetch_add(1, std::sync::atomic::Ordering::Relaxed)))
        });
        assert_eq!(source.get().await.expect("a token"), "t0");
        assert_eq!(source.get().await.expect("a token"), "t1");
    }
}
