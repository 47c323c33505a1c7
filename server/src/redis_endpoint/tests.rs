//! Tests of the options.

use super::*;

#[test]
fn debug_output_has_no_password() {
    let options = RedisOptions::new("rediss://chat:hunter2@redis.example.org:7000/2").expect("sound");
    assert_eq!((options.address().as_str(), options.is_tls()), ("redis.example.org:7000", true));
    let options = options.with_user("chat").with_password("correct horse");
    let shown = format!("{options:?} {}", options.address());
    assert!(!shown.contains("hunter2") && !shown.contains("horse"), "{shown}");
}

#[test]
fn an_invalid_url_is_refused_and_not_repeated_in_the_error() {
    for (bad, expected) in [
        ("", InvalidOption::Scheme),
        ("localhost:6379", InvalidOption::Scheme),
        ("http://:hunter2@localhost", InvalidOption::Scheme),
        ("unix:///tmp/redis", InvalidOption::Scheme),
        ("redis://:hunter2@", InvalidOption::Url),
        ("redis://:hunter2@host:port", InvalidOption::Url),
        ("redis://:hunter2#3@host", InvalidOption::Url),
        ("rediss://:hunter2@host/#insecure", InvalidOption::Url),
    ] {
        let error = RedisOptions::new(bad).expect_err(bad);
        assert_eq!(error, expected, "{bad}");
        assert!(!error.to_string().contains("hunter2"));
    }
    let options = RedisOptions::new("redis://localhost").expect("sound");
    assert_eq!(options.address(), "localhost:6379");
    assert_eq!(options.with_ca(b"x").expect_err("no TLS"), InvalidOption::CaWithoutTls);
    let options = RedisOptions::new("rediss://[::1]:7000").expect("sound");
    assert_eq!(options.address(), "[::1]:7000");
    assert_eq!(options.with_ca(b"x").expect_err("no PEM"), InvalidOption::NoCertificate);
}
