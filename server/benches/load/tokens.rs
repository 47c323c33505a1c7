//! Where connections get their tokens.

use jsonwebtoken::{EncodingKey, Header, encode, get_current_timestamp};
use serde::Serialize;

const TOKEN_SECONDS: u64 = 24 * 60 * 60;

/// One for all, or one for each user.
pub(crate) enum Tokens {
    One(String),
    Minted { secret: String },
}

#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    exp: u64,
}

impl Tokens {
    pub(crate) fn for_user(&self, user: &str) -> Result<String, String> {
        match self {
            Self::One(token) => Ok(token.clone()),
            Self::Minted { secret } => {
                let claims = Claims { sub: user, exp: get_current_timestamp() + TOKEN_SECONDS };
                encode(&Header::default(), &claims, &EncodingKey::from_secret(secret.as_bytes()))
                    .map_err(|fault| format!("cannot sign a token: {fault}"))
            }
        }
    }
}
