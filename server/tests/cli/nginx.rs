//! Two servers behind nginx, with the configuration that the README has.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

use crate::program::{Home, Served, next};
use crate::redis_server::Redis;

/// For nginx to take connections.
const PATIENCE: Duration = Duration::from_secs(10);

/// An nginx that runs; it ends with this.
struct Nginx {
    process: Child,
    address: SocketAddr,
}

impl Nginx {
    /// With the README's configuration, but for the ports of the servers and its own.
    fn start(home: &Home, servers: &[SocketAddr; 2]) -> Self {
        let readme = include_str!("../../README.md");
        let block = readme.split("```nginx\n").nth(1).expect("a configuration").split("```").next();
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = free.local_addr().expect("an address");
        drop(free);
        let mut site = block.expect("its end").to_owned();
        for (written, meant) in [
            ("10.0.0.1:8000", servers[0].to_string()),
            ("10.0.0.2:8000", servers[1].to_string()),
            ("listen 80;", format!("listen {address};")),
        ] {
            assert!(site.contains(written), "no {written} in\n{site}");
            site = site.replace(written, &meant);
        }
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|what| format!("{what}_temp_path {what};\n"))
            .concat();
        let all = format!(
            "daemon off;\nmaster_process off;\npid nginx.pid;\nerror_log stderr warn;\nevents {{}}\nhttp {{\naccess_log off;\n{temporary}{site}}}\n"
        );
        home.file("nginx.conf", &all);
        let process = start(home.path());
        let nginx = Self { process, address };
        let until = Instant::now() + PATIENCE;
        // It says nothing when it is ready.
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < until, "nginx does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        nginx
    }

    fn connect(&self, token: &str) -> WebSocket<TcpStream> {
        let stream = TcpStream::connect(self.address).expect("it listens");
        let url = format!("ws://{}/api/v1/ws?token={token}", self.address);
        let mut socket = tungstenite::client(url, stream).expect("an upgrade").0;
        wait_for(&mut socket, "welcome");
        socket.send(Message::text(json!({"type": "join_room", "room": "lobby"}).to_string())).expect("sent");
        wait_for(&mut socket, "joined");
        socket
    }

    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.address).expect("it listens");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: chat\r\nConnection: close\r\n\r\n").expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    }
}

fn start(directory: &Path) -> Child {
    let directory = directory.to_str().expect("a path");
    // Debian has it where only root looks.
    let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
    Command::new("nginx")
        .env("PATH", path)
        .args(["-p", directory, "-c", "nginx.conf"])
        .stdin(Stdio::null())
        .stderr(fs::File::create(format!("{directory}/nginx.log")).expect("a file"))
        .spawn()
        .expect("nginx is not there: apt-get install nginx-light")
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Waits for a frame of that type or event.
#[track_caller]
fn wait_for(socket: &mut WebSocket<TcpStream>, what: &str) -> Value {
    loop {
        let frame: Value = serde_json::from_str(&next(socket).expect("an open connection")).expect("JSON");
        if frame["type"] == what || frame["event"] == what {
            return frame;
        }
    }
}

/// How many connections a server has.
fn connections(served: &Served) -> u64 {
    let mut stream = TcpStream::connect(served.address()).expect("it listens");
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let line = answer.lines().find_map(|line| line.strip_prefix("realtime_connections "));
    line.expect("told").parse().expect("a number")
}

#[test]
fn two_servers_behind_nginx_are_one_chat() {
    let (home, redis) = (Home::new(), Redis::start());
    let flags = ["--redis-url", &redis.url(), "--max-connections-per-address", "0"];
    let (one, other) = (home.serve(&flags), home.serve(&flags));
    let nginx = Nginx::start(&home, &[one.address(), other.address()]);
    let (mut alice, mut bob) = (nginx.connect(&home.token("alice")), nginx.connect(&home.token("bob")));
    assert_eq!((connections(&one), connections(&other)), (1, 1), "they are dealt out");
    for (from, to) in [(true, "hello, Bob"), (false, "hello, Alice")] {
        let (sender, reader) = if from { (&mut alice, &mut bob) } else { (&mut bob, &mut alice) };
        let frame = json!({"type": "message", "room": "lobby", "text": to});
        sender.send(Message::text(frame.to_string())).expect("sent");
        for socket in [sender, reader] {
            assert_eq!(wait_for(socket, "message")["text"], to);
        }
    }
    for closed in ["/metrics", "/readyz"] {
        assert!(nginx.get(closed).starts_with("HTTP/1.1 404"), "{closed} is not for the public");
    }

    // One of them ends: whoever comes back is let in by the other.
    one.signal(Signal::TERM);
    one.ended();
    for user in ["alice", "bob"] {
        let mut back = nginx.connect(&home.token(user));
        let frame = json!({"type": "message", "room": "lobby", "text": "back"});
        back.send(Message::text(frame.to_string())).expect("sent");
        assert_eq!(wait_for(&mut back, "message")["text"], "back");
    }
}
