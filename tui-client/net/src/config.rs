//! Configuration of a client. [`Config::new`] checks it once.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use tokio::sync::Mutex;

use super::backoff::Backoff;

/// The server's URL, the token and the times of a client.
#[derive(Debug, Clone)]
pub struct Config {
    pub(super) url: Uri,
    pub(super) token: TokenSource,
    pub timing: Timing,
    /// Number of messages that [`Events::room`](crate::Events::room) keeps for each joined room. 0, the default: there is
    /// no state of a room.
    pub kept_messages: usize,
}

/// The client's times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Waits between connection attempts.
    pub backoff: Backoff,
    /// Time from one ping to the next.
    pub ping_interval: Duration,
    /// A connection is dead if nothing arrives for this long after a ping.
    pub pong_timeout: Duration,
    /// Longest time of a connection attempt, up to the server's welcome.
    pub connect_timeout: Duration,
}

impl Default for Timing {
    /// A ping every 20 s, 10 s for its answer, 10 s for a connection attempt.
    fn default() -> Self {
        Self {
            backoff: Backoff::default(),
            ping_interval: Duration::from_secs(20),
            pong_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(10),
        }
    }
}

/// The path of a server's WebSocket.
pub const PATH: &str = "/api/v1/ws";

/// The reason why a text is not the URL of a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    #[error("`{0}` is not a URL such as ws://127.0.0.1:8000/api/v1/ws")]
    Malformed(String),
    /// The URL has a token, which would end up in logs on the way.
    #[error("a token does not belong in the URL")]
    Token,
    /// The scheme is not that of a WebSocket.
    #[error("`{0}` does not begin with ws:// or wss://")]
    Scheme(String),
}

impl Config {
    /// A configuration for the server at `url` (`ws://host[:port][/path]`), with the default times.
    ///
    /// Without a path, the path is [`PATH`]; `/` is a path. `wss://` uses TLS, and the system must trust the server's
    /// certificate.
    ///
    /// The client sends the token in the `Authorization` header of each upgrade, never in the URL. It logs nothing,
    /// but the WebSocket library below it logs whole requests through the `log` crate at level `trace`.
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
        Ok(Self { url: uri, token: token.into(), timing: Timing::default(), kept_messages: 0 })
    }

    /// The complete URL of the server.
    #[must_use]
    pub fn url(&self) -> String {
        self.url.to_string()
    }
}

/// A source of tokens. The client asks it before each attempt, so a renewed token needs no restart.
///
/// The `Debug` form shows no token.
#[derive(Clone)]
pub struct TokenSource(Inner);

#[derive(Clone)]
enum Inner {
    Fixed(String),
    Read { read: Arc<dyn Fn() -> io::Result<String> + Send + Sync>, turn: Arc<Mutex<()>>, is_cheap: bool },
}

impl TokenSource {
    /// A source that calls `read`, for example for a file, a program or a keyring.
    ///
    /// `read` may block: it runs on tokio's blocking threads, one call at a time. White space around the token is removed. An error
    /// counts as a failed attempt.
    pub fn from_fn(read: impl Fn() -> io::Result<String> + Send + Sync + 'static) -> Self {
        Self(Inner::Read { read: Arc::new(read), turn: Arc::default(), is_cheap: false })
    }

    /// The same source, which costs nothing and bothers nobody, as a file. The client also asks it on
    /// [`Command::CheckToken`](crate::Command::CheckToken).
    #[must_use]
    pub fn cheap(mut self) -> Self {
        if let Inner::Read { is_cheap, .. } = &mut self.0 {
            *is_cheap = true;
        }
        self
    }

    pub(super) const fn is_cheap(&self) -> bool {
        matches!(self.0, Inner::Read { is_cheap: true, .. })
    }

    /// True if the source has one token for ever.
    pub(super) const fn is_fixed(&self) -> bool {
        matches!(self.0, Inner::Fixed(_))
    }

    /// Gets a token from the source.
    pub async fn get(&self) -> io::Result<String> {
        match &self.0 {
            Inner::Fixed(token) => Ok(token.clone()),
            Inner::Read { read, turn, .. } => {
                let read = Arc::clone(read);
                // The call ends later than this future if that is dropped.
                let turn = Arc::clone(turn).lock_owned().await;
                let call = move || {
                    let token = read();
                    drop(turn);
                    token
                };
                let token = tokio::task::spawn_blocking(call).await.map_err(io::Error::other)??;
                Ok(token.trim().to_owned())
            }
        }
    }
}

impl From<String> for TokenSource {
    /// A source that always returns this token.
    fn from(token: String) -> Self {
        Self(Inner::Fixed(token.trim().to_owned()))
    }
}

impl From<&str> for TokenSource {
    /// A source that always returns this token.
    fn from(token: &str) -> Self {
        token.to_owned().into()
    }
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Inner::Fixed(_) => "TokenSource(fixed)",
            Inner::Read { .. } => "TokenSource(read)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_needs_a_websocket_scheme_a_host_and_no_token() {
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
    fn a_url_without_a_path_gets_the_default_path() {
        let of = |url| Config::new(url, "t").expect(url).url();
        assert_eq!(of("ws://chat.example:8000"), "ws://chat.example:8000/api/v1/ws");
        assert_eq!(of("ws://[::1]"), "ws://[::1]/api/v1/ws");
        assert_eq!(of("wss://chat.example"), "wss://chat.example/api/v1/ws");
        for whole in ["ws://chat.example/", "ws://chat.example/chat?v=1", "ws://chat.example/?v=1"] {
            assert_eq!(of(whole), whole);
        }
    }

    #[test]
    fn the_debug_form_shows_no_token() {
        let config = Config::new("ws://localhost/ws", "s3cret").expect("a URL");
        assert!(!format!("{config:?}").contains("s3cret"));
    }

    #[tokio::test]
    async fn tokens_are_trimmed_and_read_each_time() {
        let count = Arc::new(std::sync::atomic::AtomicU32::new(0));
        let source = TokenSource::from_fn(move || {
            Ok(format!(" t{}\n", count.fetch_add(1, std::sync::atomic::Ordering::Relaxed)))
        });
        assert_eq!(source.get().await.expect("a token"), "t0");
        assert_eq!(source.get().await.expect("a token"), "t1");
    }

    #[tokio::test]
    async fn a_source_is_read_by_one_call_at_a_time_also_after_dropped_ones() {
        let (started, starts) = std::sync::mpsc::sync_channel(8);
        let (finish, finishes) = std::sync::mpsc::sync_channel::<()>(8);
        let finishes = std::sync::Mutex::new(finishes);
        let source = TokenSource::from_fn(move || {
            started.send(()).map_err(io::Error::other)?;
            // A second call at the same time finds the lock taken.
            let finishes = finishes.try_lock().map_err(|_| io::Error::other("two calls at once"))?;
            finishes.recv().map_err(io::Error::other)?;
            Ok("token".to_owned())
        });
        let asking = source.clone();
        let dropped = tokio::spawn(async move { asking.get().await });
        let first_start = move || {
            starts.recv().expect("a call");
            starts
        };
        let _starts = tokio::task::spawn_blocking(first_start).await.expect("a thread");
        dropped.abort();
        assert!(dropped.await.expect_err("aborted").is_cancelled());
        let (first, second, ()) = tokio::join!(source.get(), source.get(), async {
            for _ in 0..3 {
                finish.send(()).expect("a call");
            }
        });
        assert_eq!(
            (first.expect("a token"), second.expect("a token")),
            ("token".to_owned(), "token".to_owned())
        );
    }
}
