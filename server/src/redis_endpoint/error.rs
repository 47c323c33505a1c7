//! Errors of a Redis endpoint. Each is one line with a remedy, and none contains a password.

/// An invalid option for Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOption {
    #[error("the URL of Redis must begin with redis:// or, for TLS, rediss://")]
    Scheme,
    #[error(
        "the URL of Redis is redis://host:port, with an optional user:password@ before the host and an optional \
         /number after the port; give a password with other characters than letters and digits in \
         REALTIME_REDIS_PASSWORD"
    )]
    Url,
    #[error("certificates are for TLS: begin the URL with rediss://")]
    CaWithoutTls,
    #[error("the file of --redis-ca has no certificate in PEM")]
    NoCertificate,
    #[error("expected always, everysec or no")]
    Aof,
}

/// The reason why a Redis cannot be used. The first field of each variant is the address, unless it is documented.
#[derive(Debug, thiserror::Error)]
pub enum RedisOpenError {
    #[error("the URL of Redis at {0} is invalid")]
    Url(String),
    /// The cause.
    #[error("cannot use the certificates for Redis: {0}")]
    Certificates(String),
    #[error("Redis at {0} cannot be reached ({1}); start it, or wait for it with --wait-for-redis 30s")]
    Unreachable(String, String),
    /// Redis accepts connections and does not answer.
    #[error("Redis at {0} does not answer; {1}; if it is starting, wait for it with --wait-for-redis 30s")]
    Silent(String, &'static str),
    /// Redis accepts connections and closes them.
    #[error(
        "the program at {0} closes connections: if it speaks TLS, begin the URL with rediss://; if it is in protected \
         mode, set a password; if it has reached its maxclients, raise that"
    )]
    Closes(String),
    #[error("Redis at {0} is still reading its data; wait for it with --wait-for-redis 5m")]
    Loading(String),
    #[error(
        "Redis at {0} has a certificate that is not trusted ({1}); give the certificate of its authority with --redis-ca, \
         and use a host name that is in the certificate of Redis"
    )]
    Untrusted(String, String),
    /// The address, the expected protocol, and the cause.
    #[error("the program at {0} does not speak {1} ({2})")]
    NotRedis(String, &'static str, String),
    /// The password is wrong or missing.
    #[error(
        "Redis at {0} refuses the user or the password ({1}); give the user with --redis-user, and the password in \
         REALTIME_REDIS_PASSWORD or with --redis-password-file"
    )]
    Refused(String, String),
    /// The user lacks rights, or Redis lacks commands. The second field names them.
    #[error(
        "Redis at {0} refuses what the server needs: {1}; the server's README has the rules that a user needs, and Redis \
         must have all commands under their own names"
    )]
    Refuses(String, String),
    #[error(
        "the program at {0} is a Sentinel, which stores nothing; give the address of the Redis that it watches"
    )]
    Sentinel(String),
    /// The number of served slots, and the answer for another one.
    #[error(
        "Redis at {0} is a node of a cluster and serves {1} of its 16384 slots ({2}): most rooms could not be stored; \
         give the address of a Redis that is not in a cluster, or of a cluster with a single node"
    )]
    ClusterNode(String, usize, String),
    /// The second field is the cause.
    #[error(
        "Redis at {0} refuses the database in the URL ({1}); omit its number, and give the instances a --redis-prefix"
    )]
    Database(String, String),
    #[error("Redis at {0} is version {1}; version 7.0 or newer is required")]
    TooOld(String, String),
    #[error("Redis at {0} is a replica and accepts no writes; give the address of its master")]
    Replica(String),
}

impl RedisOpenError {
    /// True if a later attempt may succeed without a change of the configuration.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable(..) | Self::Silent(..) | Self::Closes(_) | Self::Loading(_) => true,
            // A node waits for two seconds after its start.
            Self::ClusterNode(_, _, answer) => answer.starts_with("CLUSTERDOWN"),
            _ => false,
        }
    }
}
