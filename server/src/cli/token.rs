//! `realtime-server token`: a token on standard output.

use std::time::Duration;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use realtime_server::auth::Verifier;
use realtime_server::auth::token::mint;
use realtime_server::config::Config;
use realtime_shared::{Audience, Claims, Role, Timestamp, UserId};

use super::secret::{self, Origin, SecretArgs};
use super::units::positive_duration;
use super::usage::UsageError;

const EXAMPLES: &str = "\
Examples:
  realtime-server token --user alice
      Every room, for twelve hours
  realtime-server token --user bob --room 'chat-*' --room lobby --read-only chat-news --ttl 7d
      Rooms that begin with `chat-`, and `lobby`; in `chat-news` bob may only read
  realtime-server token --user ops --role admin
      Every room, and notices to all

In a glob `*` is any run of characters and `?` is one. The secret is the server's:
give the same --data-dir, --jwt-secret-file or REALTIME_JWT_SECRET to both.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct TokenArgs {
    /// Who the bearer is: 1 to 64 visible characters
    #[arg(long, value_name = "NAME")]
    user: UserId,

    /// What the bearer is
    #[arg(long, value_name = "ROLE", default_value = "user")]
    role: RoleArg,

    /// Rooms that the bearer may use (repeatable) [default: every room]
    #[arg(long = "room", value_name = "GLOB", value_parser = NonEmptyStringValueParser::new())]
    rooms: Vec<String>,

    /// Rooms that the bearer may use and not post in (repeatable); it has to be let in by --room as well, if there is
    /// one
    #[arg(long, value_name = "GLOB", value_parser = NonEmptyStringValueParser::new())]
    read_only: Vec<String>,

    /// How long the token is good: 30s, 12h, 7d
    #[arg(long, default_value = "12h", value_name = "DURATION", value_parser = positive_duration)]
    ttl: Duration,

    #[command(flatten)]
    secret: SecretArgs,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum RoleArg {
    /// Uses rooms as the globs allow
    User,
    /// Uses and posts in every room, and sends notices
    Admin,
}

impl TokenArgs {
    /// The token, made at `now`, and where the secret came from.
    pub(crate) fn token(self, now: Timestamp) -> Result<(String, Origin), UsageError> {
        let (secret, origin) = secret::resolve(&self.secret.sources())?;
        let claims = Claims {
            sub: self.user,
            exp: expiry(now, self.ttl),
            role: match self.role {
                RoleArg::User => Role::User,
                RoleArg::Admin => Role::Admin,
            },
            rooms: (!self.rooms.is_empty()).then_some(self.rooms),
            read_only: self.read_only,
            iss: self.secret.issuer.clone(),
            aud: self.secret.audience.clone().map(Audience::One),
        };
        let token = mint(&secret, &claims);
        let config =
            Config { issuer: self.secret.issuer, audience: self.secret.audience, ..Config::new(secret) };
        Verifier::new(&config).verify(&token, now).map_err(UsageError::Token)?;
        Ok((token, origin))
    }
}

/// The `exp` of a token that is good for `ttl` from `now`, in seconds.
pub(super) fn expiry(now: Timestamp, ttl: Duration) -> u64 {
    (Duration::from_millis(now.millis()) + ttl).as_secs()
}
