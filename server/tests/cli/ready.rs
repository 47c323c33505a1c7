//! Tests of `/readyz`, which load balancers use.

use std::io::{Read, Write};
use std::net::TcpStream;

use rustix::process::Signal;

use crate::program::{Home, get, next};
use crate::redis_server::Redis;

#[test]
fn a_server_is_ready_while_its_redis_answers() {
    let (home, mut redis) = (Home::new(), Redis::start());
    let mut served = home.serve(&["--redis-url", &redis.url()]);
    served.wait_until_logged("Redis answers");
    let ready = get(served.address(), "/readyz");
    assert!(ready.starts_with("HTTP/1.1 200") && ready.ends_with("ok\n"), "{ready}");

    redis.kill();
    served.wait_for("Redis does not answer");
    let away = get(served.address(), "/readyz");
    assert!(
        away.starts_with("HTTP/1.1 503") && away.contains("Redis does not answer or accepts no writes: "),
        "{away}"
    );
    assert!(get(served.address(), "/healthz").starts_with("HTTP/1.1 200"), "the server is healthy");

    redis.restart();
    served.wait_for("Redis answers");
    assert!(get(served.address(), "/readyz").starts_with("HTTP/1.1 200"));
    let log = served.stopped();
    assert_eq!(log.matches("Redis does not answer").count(), 1, "logged once: {log}");
}

#[test]
fn a_server_is_not_ready_while_its_redis_refuses_writes() {
    for (refuse, accept) in
        [("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0"), ("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE")]
    {
        let (home, redis) = (Home::new(), Redis::start());
        let mut served = home.serve(&["--redis-url", &redis.url()]);
        served.wait_until_logged("Redis answers");
        let mut operator = TcpStream::connect(("127.0.0.1", redis.port())).expect("a listener");
        let mut execute = |words: &str| {
            write!(operator, "{words}\r\n").expect("sent");
            let mut answer = [0; 5];
            operator.read_exact(&mut answer).expect("an answer");
            assert_eq!(&answer, b"+OK\r\n", "{words}");
        };
        execute(refuse);
        served.wait_for("Redis does not answer or accepts no writes");
        assert!(get(served.address(), "/readyz").starts_with("HTTP/1.1 503"));
        execute(accept);
        served.wait_for("Redis answers");
        assert!(get(served.address(), "/readyz").starts_with("HTTP/1.1 200"));
        let log = served.stopped();
        assert_eq!(log.matches("Redis refuses a command").count(), 1, "logged once: {log}");
    }
}

#[test]
fn a_server_that_stops_is_not_ready() {
    let home = Home::new();
    // One worker, so that the answer to the second request shows that the first one's bytes were read.
    let served = home.serve(&["--memory", "--workers", "1"]);
    let mut alice = served.connect(&home.token("alice"));
    next(&mut alice).expect("welcome");
    // Bob never answers the close, so the server waits for him until its deadline.
    let mut bob = served.connect(&home.token("bob"));
    next(&mut bob).expect("welcome");
    // The connection is open before the stop; a stopping server accepts no new ones.
    let mut probe = TcpStream::connect(served.address()).expect("a listener");
    probe.write_all(b"GET /readyz HTTP/1.1\r\nHost: chat\r\n").expect("sent");
    assert!(get(served.address(), "/readyz").ends_with("ok\n"), "the earlier connection is accepted too");
    served.signal(Signal::TERM);
    assert_eq!(next(&mut alice), Err(1012));
    probe.write_all(b"\r\n").expect("sent");
    let mut answer = String::new();
    probe.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 503") && answer.ends_with("stopping\n"), "{answer}");
}
