//! Tokens of connections.

use jsonwebtoken::{EncodingKey, Header, encode, get_current_timestamp};
use serde::Serialize;

const TOKEN_SECONDS: u64 = 24 * 60 * 60;

/// One token for all connections, or one for each user.
pub enum Tokens {
    One(String),
    Minted { secret: String },
}

#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    exp: u64,
}

impl Tokens {
    /// The token of a user.
    pub fn for_user(&self, user: &str) -> Result<String, String> {
        match self {
            Self::One(token) => Ok(token.clone()),
            Self::Minted { secret } => {
                let claims = Claims { sub: user, exp: get_current_timestamp() + TOKEN_SECONDS };
                encode(&Header::default(), &claims, &EncodingKey::from_secret(secret.as_bytes()))
                    .map_err(|error| format!("cannot sign a token: {error}"))
            }
        }
    }
}
