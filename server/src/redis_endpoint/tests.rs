use super::*;

#[test]
fn what_is_shown_has_no_password() {
    let options = Options::new("rediss://chat:hunter2@redis.example.org:7000/2").expect("sound");
    assert_eq!((options.place().as_str(), options.is_tls()), ("redis.example.org:7000", true));
    let options = options.with_user("chat").with_password("correct horse");
    let shown = format!("{options:?} {}", options.place());
    assert!(!shown.contains("hunter2") && !shown.contains("horse"), "{shown}");
}

#[test]
fn what_is_no_url_of_a_redis_is_refused_without_being_repeated() {
    for (bad, why) in [
        ("", BadOption::Scheme),
        ("localhost:6379", BadOption::Scheme),
        ("http://:hunter2@localhost", BadOption::Scheme),
        ("unix:///tmp/redis", BadOption::Scheme),
        ("redis://:hunter2@", BadOption::Url),
        ("redis://:hunter2@host:port", BadOption::Url),
        ("redis://:hunter2#3@host", BadOption::Url),
        ("rediss://:hunter2@host/#insecure", BadOption::Url),
    ] {
        let error = Options::new(bad).expect_err(bad);
        assert_eq!(error, why, "{bad}");
        assert!(!error.to_string().contains("hunter2"));
    }
    let options = Options::new("redis://localhost").expect("sound");
    assert_eq!(options.place(), "localhost:6379");
    assert_eq!(options.with_ca(b"x").expect_err("no TLS"), BadOption::CaWithoutTls);
    let options = Options::new("rediss://[::1]:7000").expect("sound");
    assert_eq!(options.place(), "[::1]:7000");
    assert_eq!(options.with_ca(b"x").expect_err("no PEM"), BadOption::NoCertificate);
}
