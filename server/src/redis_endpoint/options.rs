//! Options of a Redis endpoint: address, credentials, names, and the expected durability.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use ::redis::{
    Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, RedisConnectionInfo,
    TlsCertificates,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::error::{InvalidOption, RedisOpenError};

/// Default prefix of all keys and channels.
const PREFIX: &str = "realtime";
/// Default channel for other programs: the relay channel of the base server.
const RELAY_CHANNEL: &str = "ws:broadcast";

/// The durability that a write must have when Redis acknowledges it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Aof {
    /// In memory; on the disk after the next snapshot, if there is one.
    No,
    /// On the disk within a second.
    EverySec,
    /// On the disk.
    #[default]
    Always,
}

/// The configuration of Redis. `Debug` does not show the password.
#[derive(Clone)]
pub struct RedisOptions {
    info: ConnectionInfo,
    /// Certificates of the authorities to trust, PEM; `None` means those of the system.
    ca: Option<Arc<[u8]>>,
    /// Prefix of all keys and channels.
    pub prefix: String,
    /// Channel on which other programs publish; `None` means that no channel is subscribed.
    pub relay_channel: Option<String>,
    /// The expected durability.
    pub aof: Aof,
}

impl RedisOptions {
    /// Options from a URL: `redis://` or `rediss://` (TLS), `[user[:password]@]host[:port][/database]`.
    pub fn new(url: &str) -> Result<Self, InvalidOption> {
        let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
        if !matches!(scheme, "redis" | "rediss") {
            return Err(InvalidOption::Scheme);
        }
        // `#insecure` would turn the library's check of certificates off.
        if url.contains('#') {
            return Err(InvalidOption::Url);
        }
        // The library's message could contain the password.
        let info = url.into_connection_info().map_err(|_| InvalidOption::Url)?;
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

    /// The same options with another user than the URL has.
    #[must_use]
    pub fn with_user(mut self, user: &str) -> Self {
        let settings = self.info.redis_settings().clone().set_username(user);
        self.info = self.info.set_redis_settings(settings);
        self
    }

    /// The same options with another password than the URL has.
    #[must_use]
    pub fn with_password(mut self, password: &str) -> Self {
        let settings = self.info.redis_settings().clone().set_password(password);
        self.info = self.info.set_redis_settings(settings);
        self
    }

    /// True if a password is set and not empty.
    #[must_use]
    pub fn has_password(&self) -> bool {
        self.info.redis_settings().password().is_some_and(|password| !password.is_empty())
    }

    /// The same options that trust only these authorities (PEM). An error without TLS.
    pub fn with_ca(mut self, pem: &[u8]) -> Result<Self, InvalidOption> {
        if !self.is_tls() {
            return Err(InvalidOption::CaWithoutTls);
        }
        if !matches!(CertificateDer::pem_slice_iter(pem).next(), Some(Ok(_))) {
            return Err(InvalidOption::NoCertificate);
        }
        self.ca = Some(pem.into());
        Ok(self)
    }

    /// Host and port.
    #[must_use]
    pub fn address(&self) -> String {
        match self.info.addr() {
            ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
                if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
            }
            other => other.to_string(),
        }
    }

    /// True if connections use TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        matches!(self.info.addr(), ConnectionAddr::TcpTls { .. })
    }

    /// The same address without a user, a password and a database.
    pub(super) fn without_login(&self) -> Self {
        let settings = RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP3);
        Self { info: self.info.clone().set_redis_settings(settings), ..self.clone() }
    }

    /// The error for a Redis that accepts connections and does not answer.
    pub(super) fn silent(&self) -> RedisOpenError {
        let hint = if self.is_tls() {
            "if it does not speak TLS, begin the URL with redis://"
        } else {
            "if it speaks TLS, begin the URL with rediss://"
        };
        RedisOpenError::Silent(self.address(), hint)
    }

    /// The factory of connections with these options.
    pub(super) fn client(&self) -> Result<Client, RedisOpenError> {
        if !self.is_tls() {
            return Client::open(self.info.clone()).map_err(|_| RedisOpenError::Url(self.address()));
        }
        // An error means that a provider is installed already.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let certificates =
            TlsCertificates { client_tls: None, root_cert: self.ca.as_deref().map(<[u8]>::to_vec) };
        let client = Client::build_with_tls(self.info.clone(), certificates);
        client.map_err(|error| RedisOpenError::Certificates(error.to_string()))
    }
}

impl FromStr for Aof {
    type Err = InvalidOption;

    fn from_str(text: &str) -> Result<Self, InvalidOption> {
        match text {
            "always" => Ok(Self::Always),
            "everysec" => Ok(Self::EverySec),
            "no" => Ok(Self::No),
            _ => Err(InvalidOption::Aof),
        }
    }
}

impl fmt::Debug for RedisOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisOptions")
            .field("address", &self.address())
            .field("tls", &self.is_tls())
            .field("prefix", &self.prefix)
            .field("relay_channel", &self.relay_channel)
            .field("aof", &self.aof)
            .finish_non_exhaustive()
    }
}
