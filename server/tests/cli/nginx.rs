//! Tests of servers behind nginx, with the README's configurations.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use tungstenite::client::IntoClientRequest;
use tungstenite::handshake::HandshakeError;
use tungstenite::{Error, WebSocket};

use crate::program::{Home, RunningServer, get, next};
use crate::redis_server::Redis;
use crate::store::{ask, post};

/// Lines of the error log that wait for the test; nginx writes far fewer.
const LOG_LINES: usize = 1_024;

/// A running nginx. Dropping it ends the process.
struct Nginx {
    process: Child,
    address: SocketAddr,
    /// The error log, line by line.
    log: Receiver<String>,
}

/// The configuration under a heading of the README.
fn configuration(heading: &str) -> &'static str {
    let readme = include_str!("../../README.md");
    let section = readme.split("\n## ").find(|section| section.starts_with(heading)).expect("a section");
    let block = section.split("```nginx\n").nth(1).expect("a configuration");
    block.split("```").next().expect("its end")
}

impl Nginx {
    /// Starts nginx with the configuration under a heading of the README, and these texts in place of its examples.
    #[track_caller]
    fn start(home: &Home, heading: &str, changes: &[(&str, String)]) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = free.local_addr().expect("an address");
        drop(free);
        let mut site = configuration(heading).to_owned();
        let listen = ("listen 80;", format!("listen {address};"));
        for (example, change) in changes.iter().chain([&listen]) {
            assert!(site.contains(example), "no {example} in\n{site}");
            site = site.replace(example, change);
        }
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("{name}_temp_path {name};\n"))
            .concat();
        let all = format!(
            "daemon off;\nmaster_process off;\npid nginx.pid;\nerror_log stderr notice;\nevents {{}}\nhttp {{\naccess_log off;\n{temporary}{site}}}\n"
        );
        home.file("nginx.conf", &all);
        let (process, log) = start(home.path());
        Self { process, address, log }
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

/// Starts nginx and waits until it listens. Returns its error log from there.
#[track_caller]
fn start(directory: &Path) -> (Child, Receiver<String>) {
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
    let (sender, receiver) = mpsc::sync_channel(LOG_LINES);
    std::thread::spawn(move || lines.for_each(|line| drop(sender.send(line))));
    (process, receiver)
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
    let upstreams =
        [("10.0.0.1:8000", one.address().to_string()), ("10.0.0.2:8000", other.address().to_string())];
    let nginx = Nginx::start(&home, "Several instances\n", &upstreams);
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

#[test]
fn a_page_behind_nginx_connects_to_a_server_that_allows_its_origin() {
    let home = Home::new();
    let readme = include_str!("../../README.md");
    let flags = readme.split("$ realtime-server serve --allow-origin ").nth(1).expect("a command line");
    let (origin, others) = flags.lines().next().expect("its end").split_once(' ').expect("more flags");
    let flags = [&["--memory", "--allow-origin", origin], &*others.split(' ').collect::<Vec<_>>()].concat();
    let served = home.serve(&flags);
    let upstream = [("127.0.0.1:8000", served.address().to_string())];
    let nginx = Nginx::start(&home, "Behind a proxy\n", &upstream);
    let token = home.token("alice");
    for (page, accepted) in [(origin, true), ("https://evil.example.org", false)] {
        let url = format!("ws://{}/ws?token={token}", nginx.address);
        let mut request = url.into_client_request().expect("a URL");
        request.headers_mut().insert("Origin", page.parse().expect("a value"));
        request.headers_mut().insert("Host", "chat.example.org".parse().expect("a value"));
        let stream = TcpStream::connect(nginx.address).expect("a listener");
        match tungstenite::client(request, stream) {
            Ok((mut socket, _)) => assert!(accepted && next(&mut socket).is_ok(), "{page}"),
            Err(HandshakeError::Failure(Error::Http(response))) => {
                assert_eq!((response.status().as_u16(), accepted), (403, false), "{page}");
            }
            Err(error) => panic!("{page}: {error}"),
        }
    }
}

#[test]
fn nginx_logs_no_token_when_its_server_is_gone() {
    for (heading, examples) in [
        ("Several instances\n", &["10.0.0.1:8000", "10.0.0.2:8000"][..]),
        ("Behind a proxy\n", &["127.0.0.1:8000"]),
    ] {
        let home = Home::new();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let gone = listener.local_addr().expect("an address").to_string();
        drop(listener);
        let mut changes: Vec<_> = examples.iter().map(|example| (*example, gone.clone())).collect();
        // A location with the default error log, whose line comes after those of the requests before it.
        let control = format!("location = /control {{ proxy_pass http://{gone}; }}\n    location / {{");
        changes.push(("location / {", control));
        let nginx = Nginx::start(&home, heading, &changes);
        for path in ["/ws?token=a-token", "/api/v1/ws?token=a-token", "/control"] {
            let answer = get(nginx.address, path);
            assert!(answer.starts_with("HTTP/1.1 502"), "{path}: {answer}");
        }
        let mut lines = Vec::new();
        while !lines.last().is_some_and(|line: &String| line.contains("/control")) {
            lines.push(nginx.log.recv_timeout(Duration::from_secs(20)).expect("a line"));
        }
        assert!(!lines.concat().contains("a-token"), "{heading}: {lines:#?}");
    }
}
