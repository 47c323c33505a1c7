//! `realtime-server token`: prints a token.

use std::time::Duration;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use realtime_server::auth::Verifier;
use realtime_server::auth::token::mint;
use realtime_server::config::Config;
use realtime_shared::{Audience, Claims, Role, Timestamp, UserId};
use realtime_shell::keep_lines;

use super::secret::{self, Origin, SecretArgs};
use super::units::positive_duration;
use super::usage::UsageError;

const EXAMPLES: &str = "\
Examples:
  realtime-server token --user alice
      For every room, valid for twelve hours
  realtime-server token --user bob --room 'chat-*' --room lobby \\
    --read-only chat-news --ttl 7d
      For `lobby` and rooms that begin with `chat-`; `chat-news` is read-only
  realtime-server token --user ops --role admin
      For every room, with the right to send notices to everyone

In a glob, `*` matches any run of characters and `?` matches one. The secret must be that of the \
server: give the same --data-dir, --jwt-secret-file or REALTIME_JWT_SECRET to both.";

#[derive(Debug, Args)]
#[command(after_help = keep_lines(EXAMPLES))]
pub(crate) struct TokenArgs {
    /// User id of the bearer: 1 to 64 visible characters
    #[arg(long, value_name = "NAME")]
    user: UserId,

    /// Role of the bearer
    #[arg(long, value_name = "ROLE", default_value = "user")]
    role: RoleArg,

    /// Rooms that the bearer may use (repeatable) [default: every room]
    #[arg(long = "room", value_name = "GLOB", value_parser = NonEmptyStringValueParser::new())]
    rooms: Vec<String>,

    /// Rooms that the bearer may read but not post in (repeatable); --room, if given, must allow them too
    #[arg(long, value_name = "GLOB", value_parser = NonEmptyStringValueParser::new())]
    read_only: Vec<String>,

    /// Rooms that the bearer moderates (repeatable); --room, if given, must allow them too
    #[arg(long, value_name = "GLOB", value_parser = NonEmptyStringValueParser::new())]
    moderate: Vec<String>,

    /// Lifetime of the token: 30s, 12h, 7d
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
    /// Mints the token at `now`; also returns where the secret came from.
    pub(crate) fn token(self, now: Timestamp) -> Result<(String, Origin), UsageError> {
        let (secret, origin) = secret::resolve_for_token(&self.secret.sources())?;
        let claims = Claims {
            sub: self.user,
            exp: expiry(now, self.ttl),
            role: match self.role {
                RoleArg::User => Role::User,
                RoleArg::Admin => Role::Admin,
            },
            rooms: (!self.rooms.is_empty()).then_some(self.rooms),
            read_only: self.read_only,
            moderate: self.moderate,
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

/// `exp` of a token that is valid for `ttl` from `now`, in seconds.
pub(super) fn expiry(now: Timestamp, ttl: Duration) -> u64 {
    (Duration::from_millis(now.millis()) + ttl).as_secs()
}
