//! Greeting on a terminal after the start: a command to paste into another terminal.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use realtime_server::auth::token::mint;
use realtime_server::config::Config;
use realtime_shared::{Audience, Claims, Role, Timestamp, UserId};

use super::secret::Origin;
use super::token::expiry;

const TOKEN_TTL: Duration = Duration::from_hours(12);
/// Server address that the client uses by default.
const CLIENT_DEFAULT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8000);

/// Text with the command to join. It contains a token only if the server created the secret: a secret that the operator
/// gave may protect more than a first try. `token_flags` are the flags with which `token` finds the server's secret.
pub(crate) fn greeting(
    config: &Config,
    origin: &Origin,
    token_flags: &str,
    addresses: &[SocketAddr],
    now: Timestamp,
    login: Option<&str>,
) -> String {
    let user = sample_user(login);
    let token = match origin {
        Origin::Existing(_) | Origin::Created(_) => visitor_token(config, user, now),
        Origin::Variable | Origin::File(_) => {
            format!("\"$(realtime-server token --user {user}{token_flags})\"")
        }
    };
    format!(
        "\nTo join, in another terminal:\n\n  realtime-tui{url} --token {token} --room chat-general\n\n\
         `realtime-server token --user NAME{token_flags}` prints a token for somebody else. Ctrl-C stops the server.\n\n",
        url = url(addresses),
    )
}

/// The user of the line to paste: the login name. `guest` stands for root, and for a name that a shell would not take as
/// one word.
fn sample_user(login: Option<&str>) -> &str {
    let is_plain = |name: &&str| {
        let is_word = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        is_word && name.starts_with(|first: char| first.is_ascii_alphanumeric()) && name.len() <= 32
    };
    login.filter(|name| *name != "root").filter(is_plain).unwrap_or("guest")
}

fn visitor_token(config: &Config, user: &str, now: Timestamp) -> String {
    let claims = Claims {
        sub: UserId::new(user).expect("a user id"),
        exp: expiry(now, TOKEN_TTL),
        role: Role::User,
        rooms: None,
        read_only: Vec::new(),
        moderate: Vec::new(),
        iss: config.issuer.clone(),
        aud: config.audience.clone().map(Audience::One),
    };
    mint(&config.secret, &claims)
}

/// `--url` flag of the client; empty if its default reaches the server.
fn url(addresses: &[SocketAddr]) -> String {
    let mut reachable = addresses.iter().map(|&address| match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => (Ipv4Addr::LOCALHOST, v4.port()).into(),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => (Ipv6Addr::LOCALHOST, v6.port()).into(),
        other => other,
    });
    match reachable.clone().find(|address| *address == CLIENT_DEFAULT).or_else(|| reachable.next()) {
        None | Some(CLIENT_DEFAULT) => String::new(),
        Some(address) => format!(" --url ws://{address}/api/v1/ws"),
    }
}

#[cfg(test)]
mod tests {
    use realtime_server::auth::Verifier;
    use realtime_server::secret::Secret;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn config() -> Config {
        let secret = Secret::new(&[7; 32]).expect("long enough");
        Config { issuer: Some("me".to_owned()), audience: Some("chat".to_owned()), ..Config::new(secret) }
    }

    fn url_of(addresses: &[&str]) -> String {
        let addresses: Vec<_> = addresses.iter().map(|text| text.parse().expect("an address")).collect();
        url(&addresses)
    }

    #[test]
    fn the_token_is_valid() {
        let text = greeting(
            &config(),
            &Origin::Created("x".into()),
            " --data-dir /d",
            &[CLIENT_DEFAULT],
            NOW,
            Some("zoe"),
        );
        let line = text.lines().find(|line| line.contains("--room chat-general")).expect("a line to paste");
        let token = line.split_whitespace().nth(2).expect("a token");
        let identity = Verifier::new(&config()).verify(token, NOW).expect("a valid token");
        assert_eq!(identity.user.as_str(), "zoe");
        assert!(text.contains("`realtime-server token --user NAME --data-dir /d`"), "{text}");
    }

    #[test]
    fn the_sample_user_is_the_login_name_or_a_guest() {
        for (login, user) in [
            (Some("zoe"), "zoe"),
            (Some("zoe.b-2"), "zoe.b-2"),
            (Some("root"), "guest"),
            (Some("a b"), "guest"),
            (Some("$(x)"), "guest"),
            (Some("-x"), "guest"),
            (Some(""), "guest"),
            (None, "guest"),
        ] {
            assert_eq!(sample_user(login), user, "{login:?}");
        }
    }

    #[test]
    fn no_token_is_shown_for_a_given_secret() {
        let text =
            greeting(&config(), &Origin::Variable, " --issuer me", &[CLIENT_DEFAULT], NOW, Some("zoe"));
        assert!(!text.contains("eyJ") && text.contains("--room chat-general"), "{text}");
        assert!(text.contains("--token \"$(realtime-server token --user zoe --issuer me)\" "), "{text}");
    }

    #[test]
    fn the_url_is_omitted_if_it_is_the_default_of_the_client() {
        assert_eq!(url_of(&["127.0.0.1:8000", "[::1]:8000"]), "");
        assert_eq!(url_of(&["[::]:8000", "0.0.0.0:8000"]), "");
        assert_eq!(url_of(&["[::]:9000"]), " --url ws://[::1]:9000/api/v1/ws");
        assert_eq!(url_of(&["192.0.2.7:8000"]), " --url ws://192.0.2.7:8000/api/v1/ws");
    }
}
