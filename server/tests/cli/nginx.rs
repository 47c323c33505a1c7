//! Test of two servers behind nginx, with the README's configuration.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::Signal;
use serde_json::{Value, json};
use tungstenite::WebSocket;

use crate::program::{Home, RunningServer, get, next};
use crate::redis_server::Redis;
use crate::store::{ask, post};

/// A running nginx. Dropping it ends the process.
struct Nginx {
    process: Child,
    address: SocketAddr,
}

impl Nginx {
    /// Starts nginx with the README's configuration and the ports of these servers.
    fn start(home: &Home, servers: &[SocketAddr; 2]) -> Self {
        let readme = include_str!("../../README.md");
        let block = readme.split("```nginx\n").nth(1).expect("a configuration").split("```").next();
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = free.local_addr().expect("an address");
        drop(free);
        let mut site = block.expect("its end").to_owned();
        for (example, address) in [
            ("10.0.0.1:8000", servers[0].to_string()),
            ("10.0.0.2:8000", servers[1].to_string()),
            ("listen 80;", format!("listen {address};")),
        ] {
            assert!(site.contains(example), "no {example} in\n{site}");
            site = site.replace(example, &address);
        }
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("{name}_temp_path {name};\n"))
            .concat();
        let all = format!(
            "daemon off;\nmaster_process off;\npid nginx.pid;\nerror_log stderr notice;\nevents {{}}\nhttp {{\naccess_log off;\n{temporary}{site}}}\n"
        );
        home.file("nginx.conf", &all);
        Self { process: start(home.path()), address }
    }

    /// Connects and joins the room. A `since` of null means without a position.
    #[track_caller]
    fn join(&self, token: &str, since: &Value) -> (WebSocket<TcpStream>, Value) {
        let stream = TcpStream::connect(self.address).expect("a listener");
        let url = format!("ws://{}/api/v1/ws?token={token}", self.address);
        let mut socket = tungstenite::client(url, stream).expect("an upgrade").0;
        next(&mut socket).expect("welcome");
        let mut join = json!({"type": "join_room", "room": "lobby"});
        if !since.is_null() {
            join["since"] = since.clone();
        }
        let joined = ask(&mut socket, &join, "system");
        (socket, joined)
    }
}

/// Starts nginx and waits until it listens.
#[track_caller]
fn start(directory: &Path) -> Child {
    // Debian installs nginx outside of the PATH of users.
    let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
    let mut process = Command::new("nginx")
        .env("PATH", path)
        .args(["-e", "stderr", "-c", "nginx.conf", "-p"])
        .arg(directory)
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("nginx is missing: apt-get install nginx-light");
    let stderr = BufReader::new(process.stderr.take().expect("piped"));
    let mut lines = stderr.lines().map_while(Result::ok);
    // nginx logs this line after it has bound its port.
    let (mut log, mut listens) = (String::new(), false);
    while !listens && let Some(line) = lines.next() {
        listens = line.contains("event method");
        log.push_str(&line);
        log.push('\n');
    }
    assert!(listens, "nginx does not start:\n{log}");
    // A full pipe would block nginx.
    std::thread::spawn(move || lines.for_each(drop));
    process
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Waits until a member receives the message of this ack.
#[track_caller]
fn receives(socket: &mut WebSocket<TcpStream>, ack: &Value) {
    loop {
        let frame: Value = serde_json::from_str(&next(socket).expect("an open connection")).expect("JSON");
        if frame["type"] == "message" && frame["id"] == ack["id"] {
            assert_eq!(frame["seq"], ack["seq"]);
            return;
        }
    }
}

/// Number of connections of a server, from its metrics.
fn connections(served: &RunningServer) -> u64 {
    let answer = get(served.address(), "/metrics");
    let line = answer.lines().find_map(|line| line.strip_prefix("realtime_connections "));
    line.expect("the metric").parse().expect("a number")
}

#[test]
fn two_servers_behind_nginx_are_one_chat() {
    let (home, redis) = (Home::new(), Redis::start());
    let flags = ["--redis-url", &redis.url(), "--max-connections-per-address", "0"];
    let (one, other) = (home.serve(&flags), home.serve(&flags));
    let nginx = Nginx::start(&home, &[one.address(), other.address()]);
    let tokens = [home.token("alice"), home.token("bob")];
    let (mut alice, _) = nginx.join(&tokens[0], &Value::Null);
    let (hers, his) = if connections(&one) == 1 { (one, other) } else { (other, one) };
    let (mut bob, _) = nginx.join(&tokens[1], &Value::Null);
    assert_eq!((connections(&hers), connections(&his)), (1, 1), "nginx distributes connections");

    receives(&mut bob, &ask(&mut alice, &post("1"), "ack"));
    let seen = ask(&mut bob, &post("2"), "ack");
    receives(&mut alice, &seen);
    for closed in ["/metrics", "/readyz"] {
        assert!(get(nginx.address, closed).starts_with("HTTP/1.1 404"), "{closed} is not for the public");
    }

    // Alice's server ends. Bob's connection stays, and Alice reconnects to his server with her position.
    hers.signal(Signal::TERM);
    let ended = loop {
        if let Err(code) = next(&mut alice) {
            break code;
        }
    };
    assert_eq!(ended, 1012);
    drop(alice);
    assert_eq!(hers.ended().0, Some(0));
    let missed = ask(&mut bob, &post("3"), "ack");
    let since = json!({"epoch": seen["epoch"], "seq": seen["seq"], "id": seen["id"]});
    let (mut alice, joined) = nginx.join(&tokens[0], &since);
    assert_eq!(joined["recovery"], json!({"status": "complete", "replayed": 1}));
    receives(&mut alice, &missed);
    receives(&mut bob, &ask(&mut alice, &post("4"), "ack"));
    assert_eq!(connections(&his), 2);
}
