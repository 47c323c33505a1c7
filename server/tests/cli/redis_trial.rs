//! Tests of the trial of Redis at the start, and of its repetition after a refusal at run time: a Redis that lacks
//! something is refused, and the error and `/readyz` name what it lacks.

use std::fs;

use serde_json::json;

use crate::program::{Home, get, next};
use crate::redis::{PASSWORD, acl_rule_of_readme, assert_stores};
use crate::redis_server::Redis;
use crate::store::ask;

/// Commands without which the server works. It warns of those with a text.
const OPTIONAL: [(&str, Option<&str>); 4] = [
    ("+info", Some("INFO")),
    ("+config|get", Some("CONFIG")),
    ("+scan", Some("SCAN")),
    ("+client|setname", None),
];
/// Commands to log in, which Redis allows to everybody, and to select a database.
const LOGIN: [&str; 3] = ["+hello", "+auth", "+select"];

/// The words that start a server with the user of the README's rule.
fn words(redis: &Redis) -> Vec<String> {
    let words = ["serve", "--listen", "127.0.0.1:0", "--redis-user", "chat", "--redis-url", &redis.url()];
    words.map(str::to_owned).to_vec()
}

/// The error of a server whose user has other rights than those of the README's rule.
#[track_caller]
fn refused_with(home: &Home, redis: &Redis, rights: &str) -> String {
    set_user(redis, rights);
    home.program(&words(redis)).env("REALTIME_REDIS_PASSWORD", PASSWORD).run().failed(1)
}

fn set_user(redis: &Redis, rights: &str) {
    redis.execute("ACL SETUSER chat reset");
    redis.execute(&format!("{} {rights}", acl_rule_of_readme().replace("PASSWORD", PASSWORD)));
}

#[test]
fn a_missing_right_to_a_command_is_refused_by_name_or_is_a_warning() {
    let (home, redis) = (Home::new(), Redis::start());
    let rule = acl_rule_of_readme().split_whitespace();
    let commands: Vec<_> = rule.filter(|word| word.starts_with('+') && !LOGIN.contains(word)).collect();
    assert!(commands.len() >= 40, "{commands:?}");
    for command in commands {
        let without = format!("-{}", command.trim_start_matches('+'));
        if let Some((_, warning)) = OPTIONAL.iter().find(|(optional, _)| *optional == command) {
            set_user(&redis, &without);
            let served = home.program(&words(&redis)).env("REALTIME_REDIS_PASSWORD", PASSWORD).serve();
            let log = served.stopped();
            let warnings: Vec<_> = log.lines().filter(|line| line.contains("WARN")).collect();
            match warning {
                Some(text) if *text != "INFO" => {
                    assert!(warnings.iter().any(|line| line.contains(text)), "{command}: {log}");
                }
                _ => assert!(warnings.is_empty(), "{command}: {log}"),
            }
            continue;
        }
        let line = refused_with(&home, &redis, &without);
        let name = command.trim_start_matches('+').to_uppercase().replace('|', " ");
        assert!(line.contains(&format!("{name} (NOPERM)")), "{command}: {line}");
        assert!(line.contains("README") && !line.contains(PASSWORD), "{line}");
    }
    set_user(&redis, "-info -config|get");
    let served = home.program(&words(&redis)).env("REALTIME_REDIS_PASSWORD", PASSWORD).serve();
    assert!(served.stopped().contains("INFO and CONFIG are not allowed"));
}

#[test]
fn everything_that_is_missing_is_named_and_nothing_is_written() {
    let (home, redis) = (Home::new(), Redis::start());
    let line = refused_with(&home, &redis, "-evalsha -hset -ssubscribe -spublish");
    for name in ["EVALSHA", "HSET", "SSUBSCRIBE", "SPUBLISH"] {
        assert!(line.contains(name), "{line}");
    }
    for (rights, named) in [
        ("resetkeys ~other:*", "the keys realtime:*"),
        ("resetkeys ~realtime:{%live}*", "the keys realtime:*"),
        ("resetkeys %R~realtime:*", "the keys realtime:*"),
        ("resetchannels &ws:broadcast", "the channel realtime:*"),
    ] {
        let line = refused_with(&home, &redis, rights);
        assert!(line.contains(named), "{rights}: {line}");
    }
    assert_eq!(redis.execute("DBSIZE"), ":0", "a refused trial writes nothing");

    let line = refused_with(&home, &redis, "resetchannels &realtime:*");
    assert!(line.contains("the channel ws:broadcast"), "{line}");
    let without_relay = [&words(&redis)[..], &["--relay-channel".to_owned(), String::new()]].concat();
    let served = home.program(&without_relay).env("REALTIME_REDIS_PASSWORD", PASSWORD).serve();
    assert_stores(&home, &served);
    for key in ["text", "hash", "set", "sorted", "log"] {
        let left = redis.execute(&format!("TTL realtime:{{%trial}}:{key}"));
        let left: i64 = left.trim_start_matches(':').parse().expect("a number");
        assert!((0..=60).contains(&left), "the key of the trial expires: {key} {left}");
    }
    served.stopped();
}

#[test]
fn a_renamed_command_is_refused_by_name() {
    let redis = Redis::start_with(&["--rename-command", "EVALSHA", "", "--rename-command", "XADD", "x"]);
    let line = Home::new().run(&["serve", "--listen", "127.0.0.1:0", "--redis-url", &redis.url()]).failed(1);
    assert!(line.contains("XADD, EVALSHA (unknown command)"), "{line}");
}

#[test]
fn a_sentinel_is_refused() {
    let (home, sentinel) = (Home::new(), Redis::start_sentinel());
    // A Sentinel has neither databases nor the users of its Redis.
    for url in [
        sentinel.url(),
        format!("{}/2", sentinel.url()),
        format!("redis://chat:{PASSWORD}@127.0.0.1:{}", sentinel.port()),
    ] {
        let line = home.run(&["serve", "--listen", "127.0.0.1:0", "--redis-url", &url]).failed(1);
        assert!(line.contains("is a Sentinel") && !line.contains(PASSWORD), "{url}: {line}");
    }
}

/// A node of a cluster.
pub(crate) fn cluster_node() -> Redis {
    Redis::start_with(&[
        "--cluster-enabled",
        "yes",
        "--cluster-require-full-coverage",
        "no",
        "--appendonly",
        "yes",
        "--appendfsync",
        "always",
    ])
}

/// Asks until the answer begins with `expected`, which nothing announces.
pub(crate) fn wait_for_answer(redis: &Redis, command: &str, expected: &str) {
    while !redis.answer(command).starts_with(expected) {
        std::thread::yield_now();
    }
}

#[test]
fn a_cluster_of_one_node_is_used_and_a_node_without_all_slots_is_refused() {
    let (home, alone) = (Home::new(), cluster_node());
    let refused = |redis: &Redis| {
        home.run(&["serve", "--listen", "127.0.0.1:0", "--redis-url", &redis.url()]).failed(1)
    };
    let line = refused(&alone);
    assert!(line.contains("serves 0 of its 16384 slots") && line.contains("CLUSTERDOWN"), "{line}");

    alone.execute("CLUSTER ADDSLOTSRANGE 0 16382");
    wait_for_answer(&alone, "EXISTS a", ":0");
    let line = refused(&alone);
    assert!(line.contains("serves 16383 of its 16384 slots"), "{line}");

    alone.execute("CLUSTER ADDSLOTS 16383");
    let served = home.serve(&["--redis-url", &alone.url()]);
    assert_stores(&home, &served);
    served.stopped();
    let with_number = format!("{}/2", alone.url());
    let line = home.run(&["serve", "--listen", "127.0.0.1:0", "--redis-url", &with_number]).failed(1);
    assert!(line.contains("the database in the URL"), "{line}");

    let (one, other) = (cluster_node(), cluster_node());
    one.execute("CLUSTER ADDSLOTSRANGE 0 8191");
    other.execute("CLUSTER ADDSLOTSRANGE 8192 16383");
    other.execute(&format!("CLUSTER MEET 127.0.0.1 {}", one.port()));
    // The slot of `a` is 15495.
    wait_for_answer(&one, "EXISTS a", "-MOVED 15495");
    let line = refused(&one);
    assert!(line.contains("serves 8192 of its 16384 slots") && line.contains("MOVED"), "{line}");
}

#[test]
fn readyz_and_the_log_have_the_last_error_of_redis() {
    let (home, redis) = (Home::new(), Redis::start());
    let mut served = home.serve(&["--redis-url", &redis.url()]);
    served.wait_until_logged("Redis answers");
    for (refuse, accept, error) in [
        ("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0", "OOM command not allowed"),
        ("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE", "READONLY You can't write"),
        ("CONFIG SET min-replicas-to-write 1", "CONFIG SET min-replicas-to-write 0", "NOREPLICAS"),
        ("ACL SETUSER default -spublish", "ACL SETUSER default +spublish", "SPUBLISH (NOPERM)"),
    ] {
        redis.execute(refuse);
        let line = served.wait_for("Redis does not answer or accepts no writes");
        assert!(line.contains(error), "{refuse}: {line}");
        let away = get(served.address(), "/readyz");
        let expected = format!("Redis does not answer or accepts no writes: {error}");
        assert!(away.starts_with("HTTP/1.1 503") && away.contains(&expected), "{refuse}: {away}");
        redis.execute(accept);
        served.wait_for("Redis answers");
        assert!(get(served.address(), "/readyz").starts_with("HTTP/1.1 200"));
    }
    // Open connections keep their rights after a change of the password.
    redis.execute("CONFIG SET requirepass battery-staple");
    for kind in ["normal", "pubsub"] {
        redis.answer(&format!("AUTH battery-staple\r\nCLIENT KILL TYPE {kind} SKIPME yes"));
    }
    let line = served.wait_for("Redis does not answer or accepts no writes");
    assert!(line.contains("NOAUTH"), "{line}");
    assert!(get(served.address(), "/readyz").contains("NOAUTH"));
}

#[test]
fn a_user_with_another_password_at_run_time_is_reported() {
    let (home, redis) = (Home::new(), Redis::start());
    set_user(&redis, "");
    let mut served = home.program(&words(&redis)).env("REALTIME_REDIS_PASSWORD", PASSWORD).serve();
    served.wait_until_logged("Redis answers");
    redis.execute("ACL SETUSER chat resetpass >battery-staple");
    redis.execute("CLIENT KILL USER chat");
    let line = served.wait_for("Redis does not answer or accepts no writes");
    assert!(line.contains("WRONGPASS"), "{line}");
    let away = get(served.address(), "/readyz");
    assert!(away.starts_with("HTTP/1.1 503") && away.contains("WRONGPASS"), "{away}");
    assert!(!away.contains("staple") && !away.contains(PASSWORD), "{away}");
}

/// The probe itself needs neither the right nor the slot.
#[test]
fn a_refusal_that_concerns_some_rooms_makes_a_server_not_ready() {
    let (home, redis) = (Home::new(), cluster_node());
    redis.execute("CLUSTER ADDSLOTSRANGE 0 16383");
    wait_for_answer(&redis, "EXISTS a", ":0");
    let mut served = home.serve(&["--redis-url", &redis.url()]);
    served.wait_until_logged("Redis answers");
    let mut alice = served.connect(&home.token("alice"));
    next(&mut alice).expect("welcome");
    let join = |room: &str| json!({"type": "join_room", "room": room});
    for (refuse, accept, error) in [
        ("ACL SETUSER default -zincrby", "ACL SETUSER default +zincrby", "ZINCRBY (NOPERM)"),
        // The slot of the room `lobby`.
        ("CLUSTER DELSLOTS 10294", "CLUSTER ADDSLOTS 10294", "CLUSTERDOWN"),
    ] {
        redis.execute(refuse);
        ask(&mut alice, &join("lobby"), "error");
        let line = served.wait_for("Redis does not answer or accepts no writes");
        assert!(line.contains(error), "{line}");
        let away = get(served.address(), "/readyz");
        assert!(away.starts_with("HTTP/1.1 503") && away.contains(error), "{away}");
        redis.execute(accept);
        served.wait_for("Redis answers");
        assert!(get(served.address(), "/readyz").starts_with("HTTP/1.1 200"));
        ask(&mut alice, &join("lobby"), "system");
        ask(&mut alice, &json!({"type": "leave_room", "room": "lobby"}), "system");
    }
    let log = served.stopped();
    assert_eq!(log.matches("Redis refuses a command").count(), 2, "each code is logged once: {log}");
    assert!(fs::metadata(home.store()).is_err());
}
