//! Where Redis is, who we are there, and what is asked of it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use ::redis::{Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, TlsCertificates};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::error::{BadOption, OpenError};

/// What everything in Redis begins with, unless it is said otherwise.
const PREFIX: &str = "realtime";
/// The channel of the base server's relay.
const RELAY_CHANNEL: &str = "ws:broadcast";

/// How safe a write is asked to be when Redis has answered it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Aof {
    /// In memory; on the disk with the next snapshot, if there is one.
    No,
    /// On the disk within a second.
    EverySec,
    /// On the disk.
    #[default]
    Always,
}

/// What the operator said of Redis. The password is never shown.
#[derive(Clone)]
pub struct Options {
    info: ConnectionInfo,
    /// Certificates of the authorities to trust instead of the system's, PEM.
    ca: Option<Arc<[u8]>>,
    /// What all keys and channels begin with.
    pub prefix: String,
    /// The channel on which other programs publish for everybody. `None`: nobody listens.
    pub relay_channel: Option<String>,
    /// How safe a write is asked to be.
    pub aof: Aof,
}

impl Options {
    /// Those of a URL: `redis://` or `rediss://` (TLS), `[user[:password]@]host[:port][/database]`.
    pub fn new(url: &str) -> Result<Self, BadOption> {
        let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
        if !matches!(scheme, "redis" | "rediss") {
            return Err(BadOption::Scheme);
        }
        // The library would take `#insecure` for leave to trust anybody.
        if url.contains('#') {
            return Err(BadOption::Url);
        }
        // The library's own message could repeat what is written, a password included.
        let info = url.into_connection_info().map_err(|_| BadOption::Url)?;
        let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        let settings = settings.set_lib_name("realtime-server", env!("CARGO_PKG_VERSION"));
        Ok(Self {
            info: info.set_redis_settings(settings),
            ca: None,
            prefix: PREFIX.to_owned(),
            relay_channel: Some(RELAY_CHANNEL.to_owned()),
            aof: Aof::default(),
        })
    }

    /// The same as another user of Redis than the URL says.
    #[must_use]
    pub fn with_user(mut self, user: &str) -> Self {
        let settings = self.info.redis_settings().clone().set_username(user);
        self.info = self.info.set_redis_settings(settings);
        self
    }

    /// The same with another password than the URL says.
    #[must_use]
    pub fn with_password(mut self, password: &str) -> Self {
        let settings = self.info.redis_settings().clone().set_password(password);
        self.info = self.info.set_redis_settings(settings);
        self
    }

    /// Whether there is one.
    #[must_use]
    pub fn has_password(&self) -> bool {
        self.info.redis_settings().password().is_some_and(|password| !password.is_empty())
    }

    /// The same, trusting these authorities (PEM) and no other. Of no use without TLS.
    pub fn with_ca(mut self, pem: &[u8]) -> Result<Self, BadOption> {
        if !self.is_tls() {
            return Err(BadOption::CaWithoutTls);
        }
        if !matches!(CertificateDer::pem_slice_iter(pem).next(), Some(Ok(_))) {
            return Err(BadOption::NoCertificate);
        }
        self.ca = Some(pem.into());
        Ok(self)
    }

    /// Host and port.
    #[must_use]
    pub fn place(&self) -> String {
        match self.info.addr() {
            ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
                if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
            }
            other => other.to_string(),
        }
    }

    /// Whether it is spoken to through TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        matches!(self.info.addr(), ConnectionAddr::TcpTls { .. })
    }

    /// The error of a Redis that takes connections and does not answer.
    pub(super) fn silent(&self) -> OpenError {
        let hint = if self.is_tls() {
            "if it does not speak TLS begin the URL with redis://"
        } else {
            "if it speaks TLS begin the URL with rediss://"
        };
        OpenError::Silent(self.place(), hint)
    }

    /// Makes connections as said here.
    pub(super) fn client(&self) -> Result<Client, OpenError> {
        if !self.is_tls() {
            return Client::open(self.info.clone()).map_err(|_| OpenError::Url(self.place()));
        }
        // It fails where there is one already, which is as good.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let certificates =
            TlsCertificates { client_tls: None, root_cert: self.ca.as_deref().map(<[u8]>::to_vec) };
        let client = Client::build_with_tls(self.info.clone(), certificates);
        client.map_err(|error| OpenError::Certificates(error.to_string()))
    }
}

impl FromStr for Aof {
    type Err = BadOption;

    fn from_str(text: &str) -> Result<Self, BadOption> {
        match text {
            "always" => Ok(Self::Always),
            "everysec" => Ok(Self::EverySec),
            "no" => Ok(Self::No),
            _ => Err(BadOption::Aof),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("place", &self.place())
            .field("tls", &self.is_tls())
            .field("prefix", &self.prefix)
            .field("relay_channel", &self.relay_channel)
            .field("aof", &self.aof)
            .finish_non_exhaustive()
    }
}
