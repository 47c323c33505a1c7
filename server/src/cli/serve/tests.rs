//! Flags of `serve`, and the configuration that they make.

use clap::Parser;

use super::*;
use crate::cli::{Cli, Command};

fn secret() -> Secret {
    Secret::new(&[7; 32]).expect("long enough")
}

fn config(flags: &[&str]) -> Config {
    let words = [&["realtime-server", "serve"], flags].concat();
    let Command::Serve(args) = Cli::try_parse_from(words).expect("sound").command else {
        panic!("another command")
    };
    args.config(secret())
}

#[track_caller]
fn refuses(flags: &[&str]) {
    let words = [&["realtime-server", "serve"], flags].concat();
    assert!(Cli::try_parse_from(words).is_err(), "{flags:?}");
}

#[test]
fn without_flags_the_config_has_its_defaults() {
    assert_eq!(format!("{:?}", config(&[])), format!("{:?}", Config::new(secret())));
}

#[test]
fn flags_set_the_fields_of_the_config() {
    let given = config(&[
        "--issuer=me",
        "--audience=chat",
        "--allow-origin=https://Chat.example.org:443,null,*",
        "--on-expiry=ignore",
        "--max-connections=7",
        "--max-messages-per-second=10",
        "--ping-interval=1m",
        "--leave-grace=0",
        "--history-bytes=2MiB",
        "--min-free=1GiB",
        "--ring-keep=1h",
        "--workers=3",
    ]);
    assert_eq!((given.issuer.as_deref(), given.audience.as_deref()), (Some("me"), Some("chat")));
    let allowed = |text: &str| text.parse::<AllowedOrigin>().expect("an origin");
    assert_eq!(given.allowed_origins, ["https://chat.example.org", "null", "*"].map(allowed));
    assert_eq!(given.on_expiry, OnExpiry::Ignore);
    assert_eq!((given.limits.max_connections, given.limits.message_burst, given.workers), (7, 20, 3));
    assert_eq!(given.timing.ping_interval, Duration::from_mins(1));
    assert_eq!(given.timing.leave_grace, Duration::ZERO);
    assert_eq!(given.min_free, Some(1 << 30));
    assert_eq!((given.memory.history_bytes, given.ring.keep), (2 << 20, Duration::from_hours(1)));
    assert_eq!(config(&["--message-burst=5"]).limits.message_burst, 5);
}

#[test]
fn budgets_follow_the_rate_of_a_connection_unless_they_are_given() {
    let budgets = |flags: &[&str]| config(flags).limits.budgets;
    let of = |messages, changes, user, room| BudgetLimits {
        user_messages_per_second: messages,
        user_changes_per_second: changes,
        user_bytes_per_second: user,
        room_bytes_per_second: room,
    };
    assert_eq!(budgets(&[]), of(200, 50, 512 * KIB, 768 * KIB));
    assert_eq!(budgets(&["--max-messages-per-second=10"]), of(40, 10, 512 * KIB, 768 * KIB));
    assert_eq!(budgets(&["--max-messages-per-second=0"]), of(0, 0, 0, 0));
    let given = [
        "--max-messages-per-second=0",
        "--max-user-messages-per-second=7",
        "--max-user-changes-per-second=6",
        "--max-user-bytes-per-second=8KiB",
        "--max-room-bytes-per-second=9KiB",
    ];
    assert_eq!(budgets(&given), of(7, 6, 8 * KIB, 9 * KIB));
}

#[test]
fn invalid_values_are_refused() {
    for flag in [
        "--workers=0",
        "--max-connections=0",
        "--max-anonymous-connections=0",
        "--admin-listen=",
        "--max-rooms-per-connection=0",
        "--message-burst=0",
        "--max-messages-per-second=-1",
        "--ping-interval=0",
        "--ping-interval=25",
        "--ring-bytes-per-room=1KiB",
        "--issuer=",
        "--on-expiry=never",
        "--log-format=xml",
        "--allow-origin=chat.example.org",
        "--allow-origin=https://chat.example.org/",
        "--allow-origin=https://*.example.org",
        "--allow-origin=wss://chat.example.org",
        "--allow-origin=",
        "--listen=",
    ] {
        refuses(&[flag]);
    }
    refuses(&["somewhere"]);
}
