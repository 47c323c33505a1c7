//! What is wrong with a Redis, and what to do about it: each in one line, none with a password.

/// What cannot be meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadOption {
    /// Not a scheme of Redis.
    #[error("the URL of a Redis begins with redis:// or, for TLS, rediss://")]
    Scheme,
    /// Not a URL.
    #[error(
        "the URL of a Redis is redis://host:port, and may have user:password@ before the host and /number behind; a \
         password that has more than letters and digits is better given in REALTIME_REDIS_PASSWORD"
    )]
    Url,
    /// A certificate that nobody would look at.
    #[error("certificates are for TLS: begin the URL with rediss://")]
    CaWithoutTls,
    /// A file that is of no use.
    #[error("there is no certificate in the file that --redis-ca names: it has to be PEM")]
    NoCertificate,
    /// Not a durability.
    #[error("it is always, everysec or no")]
    Aof,
}

/// Why a Redis cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Something that looked like a URL and is none.
    #[error("cannot make sense of the URL of Redis at {0}")]
    Url(String),
    /// The file of certificates.
    #[error("cannot use the certificates for Redis: {0}")]
    Certificates(String),
    /// Nobody listens, or the name is not known.
    #[error("Redis at {0} cannot be reached ({1}); start it, or wait for it with --wait-for-redis 30s")]
    Unreachable(String, String),
    /// It takes connections and says nothing.
    #[error("Redis at {0} does not answer; {1}, and if it is starting wait for it with --wait-for-redis 30s")]
    Silent(String, &'static str),
    /// It takes connections and ends them.
    #[error(
        "what listens at {0} hangs up: if it speaks TLS begin the URL with rediss://, if it is in protected mode give it a \
         password, and see that it has not as many clients as its maxclients"
    )]
    HangsUp(String),
    /// It has just been started.
    #[error("Redis at {0} is still reading its data; wait for it with --wait-for-redis 5m")]
    Loading(String),
    /// Its certificate says nothing to us.
    #[error(
        "Redis at {0} has a certificate that is not trusted ({1}); give that of its authority with --redis-ca, and name \
         Redis as its certificate does"
    )]
    Untrusted(String, String),
    /// It does not speak as was asked.
    #[error("what listens at {0} does not speak {1} ({2})")]
    NotRedis(String, &'static str, String),
    /// A wrong password, or none.
    #[error(
        "Redis at {0} does not let us in ({1}); give the user with --redis-user, and the password in \
         REALTIME_REDIS_PASSWORD or with --redis-password-file"
    )]
    Refused(String, String),
    /// The user may not do what is needed.
    #[error(
        "Redis at {0} does not let this user do what is needed ({1}); the server's README has the rules that do"
    )]
    NotAllowed(String, String),
    /// It lacks what is used.
    #[error("Redis at {0} is version {1}, and 7.0 or newer is needed")]
    TooOld(String, String),
    /// It copies another one.
    #[error("Redis at {0} is a replica, which cannot be written to; name its master")]
    Replica(String),
}

impl OpenError {
    /// Whether it may be otherwise in a moment.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self, Self::Unreachable(..) | Self::Silent(..) | Self::HangsUp(_) | Self::Loading(_))
    }
}
