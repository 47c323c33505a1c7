//! Tests of the program on Redis: errors and warnings for the operator, none of which contains a password.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::thread;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustix::process::Signal;
use serde_json::json;

use crate::program::{Home, RunningServer};
use crate::redis_server::Redis;
use crate::store::{ask, post};

pub(crate) const PASSWORD: &str = "correct-horse";

/// A port without a listener.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port()
}

/// The error line of a server that cannot use the Redis at `url`.
#[track_caller]
fn refused(url: &str, flags: &[&str]) -> String {
    let words = [&["serve", "--listen", "127.0.0.1:0", "--redis-url", url], flags].concat();
    Home::new().run(&words).failed(1)
}

/// Posts a message and asserts that it is stored.
#[track_caller]
pub(crate) fn assert_stores(home: &Home, served: &RunningServer) {
    let ack = ask(&mut served.connect(&home.token("alice")), &post("1"), "ack");
    assert_eq!(ack["seq"], json!(1));
}

#[test]
fn an_invalid_option_is_reported_in_one_line_without_the_password() {
    let home = Home::new();
    for (flags, named) in [
        (&["--redis-url", "http://:correct-horse@localhost"][..], "rediss://"),
        (&["--redis-url", "redis://:correct-horse@"], "redis://host:port"),
        (&["--redis-url", "redis://localhost", "--memory"], "--memory"),
        (&["--redis-url", "redis://localhost", "--redis-ca", "/nonexistent"], "/nonexistent"),
        (&["--redis-url", "rediss://localhost", "--redis-ca", "/dev/null"], "--redis-ca"),
        (&["--redis-url", "redis://localhost", "--redis-password", PASSWORD], "--redis-password-file"),
        (&["--redis-url", "redis://localhost", "--redis-aof", "sometimes"], "always"),
        (&["--redis-url", "redis://localhost", "--redis-prefix", "a{b}"], "--redis-prefix"),
        (&["--redis-user", "chat"], "--redis-url"),
        (&["--redis-url", "redis://localhost", "--redis-user", "chat"], "--redis-password-file"),
        (&["--wait-for-redis", "5s"], "--redis-url"),
    ] {
        let line = home.run(&[&["serve", "--listen", "127.0.0.1:0"], flags].concat()).failed(2);
        assert!(line.contains(named), "{flags:?}: {line}");
        assert!(!line.contains(PASSWORD), "{line}");
    }
}

#[test]
fn the_error_of_an_unreachable_redis_has_its_address() {
    let address = format!("127.0.0.1:{}", free_port());
    let line = refused(&format!("redis://:{PASSWORD}@{address}"), &[]);
    assert!(line.contains(&address) && line.contains("--wait-for-redis"), "{line}");
    assert!(!line.contains(PASSWORD), "{line}");
}

#[test]
fn a_server_waits_for_redis_with_the_flag() {
    let home = Home::new();
    let mut redis = Redis::start();
    redis.kill();
    let words = ["serve", "--listen", "127.0.0.1:0", "--redis-url", &redis.url(), "--wait-for-redis"];
    let mut served = home.program(&[&words[..], &["1h"]].concat()).start();
    served.wait_for("waiting for Redis");
    redis.restart();
    served.wait_until_listening();
    assert_stores(&home, &served);
    let log = served.stopped();
    assert_eq!(log.matches("waiting for Redis").count(), 1, "logged once: {log}");

    redis.kill();
    let (code, log, _) = home.program(&[&words[..], &["300ms"]].concat()).start().ended();
    assert_eq!(code, Some(1), "the wait ends: {log}");
    assert!(log.lines().last().is_some_and(|line| line.contains("cannot be reached")), "{log}");
}

#[test]
fn help_does_not_show_a_password() {
    let help = Home::new().program(&["serve", "--help"]);
    let help = help.env("REALTIME_REDIS_URL", format!("redis://:{PASSWORD}@localhost"));
    let text = help.env("REALTIME_REDIS_PASSWORD", PASSWORD).run().succeeded().stdout();
    assert!(text.contains("REALTIME_REDIS_PASSWORD") && !text.contains(PASSWORD), "{text}");
}

#[test]
fn a_refused_password_is_reported_with_the_remedy_and_not_repeated() {
    let redis = Redis::start_with(&["--requirepass", PASSWORD]);
    for url in [redis.url(), format!("redis://:wrong-horse@127.0.0.1:{}", redis.port())] {
        let line = refused(&url, &[]);
        assert!(line.contains("REALTIME_REDIS_PASSWORD") && !line.contains("wrong-horse"), "{line}");
    }
    let home = Home::new();
    let words = ["serve", "--listen", "127.0.0.1:0", "--log", "trace", "--redis-url", &redis.url()];
    let file = home.file("password", &format!("{PASSWORD}\n"));
    let by_file =
        home.program(&[&words[..], &["--redis-password-file", file.to_str().expect("a path")]].concat());
    let by_variable = home.program(&words).env("REALTIME_REDIS_PASSWORD", PASSWORD);
    for program in [by_file, by_variable] {
        let served = program.serve();
        ask(&mut served.connect(&home.token("alice")), &post("1"), "ack");
        served.signal(Signal::TERM);
        let (code, log, _) = served.ended();
        assert_eq!(code, Some(0), "{log}");
        assert!(!log.contains(PASSWORD), "the password is in the log:\n{log}");
    }
}

/// Sets the memory limit of a Redis. With one byte it refuses all writes.
fn set_memory(redis: &Redis, bytes: &str) {
    let client = ::redis::Client::open(redis.url()).expect("a URL");
    let mut connection = client.get_connection().expect("a listener");
    let set = ::redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg(bytes).exec(&mut connection);
    set.expect("set");
}

#[test]
fn an_instance_that_registers_late_logs_no_ended_lease() {
    let (home, redis) = (Home::new(), Redis::start());
    set_memory(&redis, "1");
    let mut served = home.serve(&["--redis-url", &redis.url()]);
    served.wait_until_logged("this instance is not registered in Redis yet");
    set_memory(&redis, "0");
    served.wait_until_logged("this instance is registered in Redis");
    let log = served.stopped();
    assert!(!log.contains("evicted"), "{log}");
}

/// The line of the README that creates a user of Redis.
pub(crate) fn acl_rule_of_readme() -> &'static str {
    let readme = include_str!("../../README.md");
    readme.lines().find(|line| line.starts_with("ACL SETUSER")).expect("a rule")
}

#[test]
fn the_acl_rule_of_the_readme_allows_all_requests() {
    let rule = acl_rule_of_readme().replace("PASSWORD", PASSWORD);
    let redis = Redis::start();
    let mut operator = TcpStream::connect(("127.0.0.1", redis.port())).expect("a listener");
    for command in [&*rule, "ACL SETUSER default off"] {
        write!(operator, "{command}\r\n").expect("sent");
        let mut answer = [0; 5];
        operator.read_exact(&mut answer).expect("an answer");
        assert_eq!(&answer, b"+OK\r\n", "{command}");
    }
    let home = Home::new();
    let words = ["serve", "--listen", "127.0.0.1:0", "--redis-url", &redis.url(), "--redis-user", "chat"];
    let served = home.program(&words).env("REALTIME_REDIS_PASSWORD", PASSWORD).serve();
    assert_stores(&home, &served);
    let mut alice = served.connect(&home.token("alice"));
    ask(&mut alice, &json!({"type": "join_room", "room": "lobby"}), "system");
    for (question, answer) in [("history", "history"), ("members", "members")] {
        ask(&mut alice, &json!({"type": question, "room": "lobby"}), answer);
    }
    ask(&mut alice, &json!({"type": "list_rooms"}), "rooms");
    drop(alice);
    let token = home.run(&["token", "--user", "alice", "--moderate", "*"]).succeeded().line();
    let mut alice = served.connect(&token);
    for change in [
        json!({"type": "room", "slow_mode": 1}),
        json!({"type": "message", "text": "a reply", "reply_to": 1}),
        json!({"type": "edit", "target": 1, "text": "edited"}),
        json!({"type": "reaction", "target": 1, "emoji": ":yes:"}),
        json!({"type": "reaction", "target": 1, "emoji": ":yes:", "removed": true}),
        json!({"type": "pin", "target": 1}),
        json!({"type": "pin", "target": 1, "removed": true}),
        json!({"type": "delete", "target": 1}),
    ] {
        let mut change = change;
        change["room"] = json!("lobby");
        change["client_msg_id"] = json!(change.to_string().len().to_string());
        ask(&mut alice, &change, "ack");
    }
    for filter in [json!({}), json!({"around": 1}), json!({"thread": 1}), json!({"pinned": true})] {
        let mut request = json!({"type": "history", "room": "lobby"});
        request.as_object_mut().expect("an object").extend(filter.as_object().expect("an object").clone());
        ask(&mut alice, &request, "history");
    }
    drop(alice);
    let log = served.stopped();
    write!(operator, "ACL LOG\r\n").expect("sent");
    let mut denied = [0; 4];
    operator.read_exact(&mut denied).expect("an answer");
    assert_eq!(&denied, b"*0\r\n", "Redis has denied a command");
    assert!(!log.contains("NOPERM") && !log.contains("CONFIG is not allowed"), "{log}");
}

/// All words in capitals between quotation marks in the sources of a directory tree, without tests.
fn words_in_capitals(directory: &Path, words: &mut BTreeSet<String>) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() && !path.ends_with("tests") {
            words_in_capitals(&path, words);
        } else if path.is_file() && !path.ends_with("tests.rs") {
            let source = fs::read_to_string(&path).expect("text");
            let quoted = source.split(['"', '\'']).filter(|word| word.len() > 1);
            words.extend(
                quoted.filter(|word| word.bytes().all(|byte| byte.is_ascii_uppercase())).map(str::to_owned),
            );
        }
    }
}

#[test]
fn the_acl_rule_of_the_readme_has_all_commands_of_the_sources() {
    let rule = acl_rule_of_readme();
    let allowed: BTreeSet<_> = rule
        .split_whitespace()
        .filter_map(|word| word.strip_prefix('+'))
        .map(|command| command.split('|').next().unwrap_or(command))
        .collect();
    let redis = Redis::start();
    let client = ::redis::Client::open(redis.url()).expect("a URL");
    let mut connection = client.get_connection().expect("a listener");
    let known: Vec<String> =
        ::redis::cmd("COMMAND").arg("LIST").query(&mut connection).expect("all commands of Redis");
    let mut words = BTreeSet::new();
    words_in_capitals(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/broker/redis"), &mut words);
    let sent: Vec<_> =
        words.iter().map(|word| word.to_lowercase()).filter(|word| known.contains(word)).collect();
    assert!(sent.len() > 30, "few commands in the sources: {sent:?}");
    let readme = include_str!("../../README.md");
    assert!(readme.contains("`+rename +persist` for an import"));
    // `READONLY` is an error code in the sources.
    let others = ["readonly", "rename", "persist"];
    let missing: Vec<_> = sent
        .iter()
        .filter(|command| !others.contains(&command.as_str()) && !allowed.contains(&***command))
        .collect();
    assert!(missing.is_empty(), "not in the rule: {missing:?}");
}

#[test]
fn less_durability_than_requested_is_logged_as_a_warning() {
    let home = Home::new();
    for (options, flags, expected) in [
        (&["--appendonly", "yes", "--appendfsync", "always"][..], &[][..], None),
        (&["--appendonly", "yes", "--appendfsync", "everysec"], &[], Some("last second are lost")),
        (&["--appendonly", "yes", "--appendfsync", "everysec"], &["--redis-aof", "everysec"], None),
        (
            &["--appendonly", "yes", "--appendfsync", "no"],
            &["--redis-aof", "everysec"],
            Some("half a minute"),
        ),
        (&["--appendonly", "yes", "--appendfsync", "no"], &["--redis-aof", "no"], None),
        (&["--appendonly", "yes", "--rename-command", "CONFIG", ""], &[], Some("CONFIG is not allowed")),
        (&["--appendonly", "no"], &[], Some("writes no append-only file")),
        (&["--appendonly", "no"], &["--redis-aof", "no"], None),
        (
            &["--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "allkeys-lru"],
            &[],
            Some("drops keys"),
        ),
    ] {
        let redis = Redis::start_with(options);
        let log = home.serve(&[&["--redis-url", &redis.url()], flags].concat()).stopped();
        let warnings: Vec<_> = log.lines().filter(|line| line.contains("WARN")).collect();
        match expected {
            Some(text) => assert!(warnings.iter().any(|line| line.contains(text)), "{options:?}: {log}"),
            None => assert!(warnings.is_empty(), "{options:?}: {warnings:?}"),
        }
    }
}

#[test]
fn an_unsuitable_redis_and_another_program_are_reported() {
    let line = refused(&fake_redis("redis_version:6.2.14\r\nrole:master\r\n"), &[]);
    assert!(line.contains("6.2.14") && line.contains("7.0"), "{line}");
    let line = refused(&fake_redis("redis_version:7.2.4\r\nrole:slave\r\n"), &[]);
    assert!(line.contains("is a replica"), "{line}");
    let line = refused(&fake_redis("redis_version:7.2.4\r\nrole:master\r\nloading:1\r\n"), &[]);
    assert!(line.contains("reading its data") && line.contains("--wait-for-redis"), "{line}");

    let web = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = web.local_addr().expect("an address");
    thread::spawn(move || {
        for mut stream in web.incoming().flatten() {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let line = refused(&format!("redis://{address}"), &[]);
    assert!(line.contains("does not speak"), "{line}");
}

/// The URL of a fake Redis with this INFO. It ends with the tests.
fn fake_redis(info: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || answer_as_redis(stream, info));
        }
    });
    format!("redis://{address}")
}

/// Answers HELLO with properties, INFO with `info`, and other commands with OK.
fn answer_as_redis(mut stream: impl Read + Write, info: &str) {
    let mut received = Vec::new();
    let mut bytes = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut bytes) {
        received.extend_from_slice(&bytes[..read]);
        let text = String::from_utf8_lossy(&received).to_uppercase();
        let mut answer = Vec::new();
        for command in text.split('*').skip(1) {
            if command.contains("HELLO") {
                answer.extend_from_slice(b"%1\r\n$6\r\nserver\r\n$5\r\nredis\r\n");
            } else if command.contains("INFO\r\n$10") {
                let _ = write!(answer, "${}\r\n{info}\r\n", info.len());
            } else {
                answer.extend_from_slice(b"+OK\r\n");
            }
        }
        received.clear();
        if stream.write_all(&answer).is_err() {
            return;
        }
    }
}

#[test]
fn tls_requires_a_certificate_of_a_trusted_authority_for_the_host() {
    let home = Home::new();
    let authority_key = KeyPair::generate().expect("a key");
    let mut authority = CertificateParams::new(Vec::new()).expect("sound");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = authority.self_signed(&authority_key).expect("signed").pem();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().expect("a key");
    let names = vec!["localhost".to_owned()];
    let own = CertificateParams::new(names).expect("names").signed_by(&key, &issuer).expect("signed").pem();
    let path = |name: &str, text: &str| home.file(name, text).to_str().expect("a path").to_owned();
    let (ca, own, key) = (path("ca.pem", &ca), path("own.pem", &own), path("key.pem", &key.serialize_pem()));
    let port = free_port().to_string();
    let tls =
        ["--tls-port", &port, "--tls-cert-file", &own, "--tls-key-file", &key, "--tls-ca-cert-file", &ca];
    let durable = ["--appendonly", "yes", "--appendfsync", "always", "--tls-auth-clients", "no"];
    let redis = Redis::start_with(&[&tls[..], &durable].concat());

    let url = format!("rediss://localhost:{port}");
    let served = home.serve(&["--redis-url", &url, "--redis-ca", &ca]);
    assert_stores(&home, &served);
    served.stopped();
    let line = refused(&url, &[]);
    assert!(line.contains("not trusted") && line.contains("--redis-ca"), "an unknown authority: {line}");
    let elsewhere = format!("rediss://127.0.0.1:{port}");
    let line = refused(&elsewhere, &["--redis-ca", &ca]);
    assert!(line.contains("not trusted"), "another host name: {line}");
    let line = refused(&format!("redis://localhost:{port}"), &[]);
    assert!(line.contains("rediss://"), "{line}");
    let line = refused(&format!("rediss://localhost:{}", redis.port()), &["--redis-ca", &ca]);
    assert!(line.contains("does not speak TLS") || line.contains("redis://"), "{line}");
}

#[test]
fn a_password_in_an_argument_gets_a_warning() {
    let (home, redis) = (Home::new(), Redis::start());
    // The default user of this Redis has no password and accepts any.
    let with_password = redis.url().replace("redis://", "redis://default:hunter2@");
    let warning = "other users of this host can read the password in --redis-url";
    let in_one_word = format!("--redis-url={with_password}");
    for flags in [&["--redis-url", &with_password][..], &[&in_one_word]] {
        let log = home.serve(flags).stopped();
        assert_eq!(log.matches(warning).count(), 1, "{log}");
        assert!(!log.contains("hunter2"), "{log}");
    }
    let from_variable = home.program(&["serve", "--listen", "127.0.0.1:0"]);
    let log = from_variable.env("REALTIME_REDIS_URL", &with_password).serve().stopped();
    assert!(!log.contains(warning), "{log}");
    let log = home.serve(&["--redis-url", &redis.url()]).stopped();
    assert!(!log.contains(warning), "no password: {log}");
}
