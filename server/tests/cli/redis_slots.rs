//! Tests of a Redis that refuses keys because of their slots: the log and `/readyz` have its error.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::json;

use crate::program::{Home, RunningServer, get, next};
use crate::redis_server::Redis;
use crate::redis_trial::{cluster_node, wait_for_answer};
use crate::store::{ask, post};

/// The answer of a proxy for several nodes to a script that uses keys of several slots.
const CROSSSLOT: &str = "CROSSSLOT Keys in request don't hash to the same slot";

/// Waits until the log and `/readyz` have an error of Redis.
#[track_caller]
fn assert_not_ready(served: &mut RunningServer, error: &str) {
    let line = served.wait_for("Redis does not answer or accepts no writes");
    assert!(line.contains(error), "{line}");
    let away = get(served.address(), "/readyz");
    let expected = format!("Redis does not answer or accepts no writes: {error}");
    assert!(away.starts_with("HTTP/1.1 503") && away.contains(&expected), "{away}");
}

#[track_caller]
fn assert_ready_again(served: &mut RunningServer) {
    served.wait_for("Redis answers");
    assert!(get(served.address(), "/readyz").starts_with("HTTP/1.1 200"));
}

/// A node that gives a slot away answers `ASK` for keys that it does not have.
#[test]
fn a_slot_that_moves_to_another_node_makes_a_server_not_ready() {
    let (home, redis, other) = (Home::new(), cluster_node(), cluster_node());
    redis.execute("CLUSTER ADDSLOTSRANGE 0 16383");
    redis.execute(&format!("CLUSTER MEET 127.0.0.1 {}", other.port()));
    wait_for_answer(&redis, "EXISTS a", ":0");
    let mut served = home.serve(&["--redis-url", &redis.url()]);
    served.wait_until_logged("Redis answers");
    let mut alice = served.connect(&home.token("alice"));
    next(&mut alice).expect("welcome");

    let mut connection =
        ::redis::Client::open(other.url()).expect("a URL").get_connection().expect("a listener");
    let id: String = ::redis::cmd("CLUSTER").arg("MYID").query(&mut connection).expect("an id");
    // The slot of the room `lobby`. The node is known when it has been heard of.
    wait_for_answer(&redis, &format!("CLUSTER SETSLOT 10294 MIGRATING {id}"), "+OK");
    ask(&mut alice, &post("1"), "error");
    let refusal = served.wait_for("Redis refuses a command");
    assert!(refusal.contains("ASK 10294 127.0.0.1"), "{refusal}");
    assert_not_ready(&mut served, "ASK 10294 127.0.0.1");

    redis.execute("CLUSTER SETSLOT 10294 STABLE");
    assert_ready_again(&mut served);
    ask(&mut alice, &post("2"), "ack");
    let log = served.stopped();
    assert_eq!(log.matches("Redis refuses a command").count(), 1, "{log}");
}

#[test]
fn a_redis_that_refuses_scripts_with_keys_of_several_slots_is_reported() {
    let (home, redis) = (Home::new(), Redis::start());
    let proxy = SlotProxy::start(redis.port());
    proxy.refuses.store(true, Ordering::SeqCst);
    let line = home.run(&["serve", "--listen", "127.0.0.1:0", "--redis-url", &proxy.url()]).failed(1);
    assert!(line.contains(&format!("EVALSHA ({CROSSSLOT})")), "{line}");

    proxy.refuses.store(false, Ordering::SeqCst);
    let mut served = home.serve(&["--redis-url", &proxy.url()]);
    served.wait_until_logged("Redis answers");
    let mut alice = served.connect(&home.token("alice"));
    next(&mut alice).expect("welcome");
    proxy.refuses.store(true, Ordering::SeqCst);
    let refused = ask(&mut alice, &post("1"), "error");
    assert_eq!(refused["code"], json!("unavailable"));
    let refusal = served.wait_for("Redis refuses a command");
    assert!(refusal.contains(CROSSSLOT), "{refusal}");
    assert_not_ready(&mut served, &format!("EVALSHA ({CROSSSLOT})"));
    ask(&mut alice, &post("2"), "error");

    proxy.refuses.store(false, Ordering::SeqCst);
    assert_ready_again(&mut served);
    ask(&mut alice, &post("3"), "ack");
    let log = served.stopped();
    assert_eq!(log.matches("Redis refuses a command").count(), 1, "{log}");
}

/// A proxy between a server and its Redis. It can refuse scripts that use keys of several slots. Ends with the test.
struct SlotProxy {
    address: SocketAddr,
    refuses: Arc<AtomicBool>,
}

impl SlotProxy {
    fn start(redis: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let refuses = Arc::<AtomicBool>::default();
        let is_refusing = refuses.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let server = TcpStream::connect(("127.0.0.1", redis)).expect("a listener");
                let (from, to) =
                    (server.try_clone().expect("a socket"), client.try_clone().expect("a socket"));
                thread::spawn(move || pass(from, to, |bytes, passed| passed.append(bytes)));
                let is_refusing = is_refusing.clone();
                thread::spawn(move || {
                    pass(client, server, |bytes, passed| {
                        pass_commands(bytes, passed, is_refusing.load(Ordering::SeqCst));
                    });
                });
            }
        });
        Self { address, refuses }
    }

    fn url(&self) -> String {
        format!("redis://{}", self.address)
    }
}

/// Passes bytes until one side ends. `take` moves those that may be passed.
fn pass(mut from: TcpStream, mut to: TcpStream, take: impl Fn(&mut Vec<u8>, &mut Vec<u8>)) {
    let (mut waiting, mut passed, mut buffer) = (Vec::new(), Vec::new(), vec![0; 64 * 1024]);
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        waiting.extend_from_slice(&buffer[..read]);
        take(&mut waiting, &mut passed);
        if to.write_all(&passed).is_err() {
            break;
        }
        passed.clear();
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

/// Moves whole commands. Redis answers a refused one in its place.
fn pass_commands(bytes: &mut Vec<u8>, passed: &mut Vec<u8>, refuses: bool) {
    while let Some((words, length)) = command(bytes) {
        let tags: BTreeSet<_> = words
            .iter()
            .filter_map(|word| Some(word.strip_prefix("realtime:{")?.split_once('}')?.0))
            .collect();
        if refuses && words[0] == "EVALSHA" && tags.len() > 1 {
            let script = format!(r#"return redis.error_reply("-{CROSSSLOT}")"#);
            let _ = write!(passed, "*3\r\n$4\r\nEVAL\r\n${}\r\n{script}\r\n$1\r\n0\r\n", script.len());
        } else {
            passed.extend_from_slice(&bytes[..length]);
        }
        bytes.drain(..length);
    }
}

/// The words of the first command, and its length; `None` if it is not complete.
fn command(bytes: &[u8]) -> Option<(Vec<String>, usize)> {
    let mut at = 0;
    let number = |at: &mut usize| -> Option<usize> {
        let end = *at + bytes[*at..].windows(2).position(|pair| pair == b"\r\n")?;
        let number = std::str::from_utf8(&bytes[*at + 1..end]).ok()?.parse().ok();
        *at = end + 2;
        number
    };
    let mut words = Vec::new();
    for _ in 0..number(&mut at)? {
        let length = number(&mut at)?;
        let word = bytes.get(at..at + length)?;
        words.push(String::from_utf8_lossy(word).into_owned());
        at += length + 2;
    }
    (at <= bytes.len()).then_some((words, at))
}
