//! What is put under load: a server that runs already, or instances of one, with their Redis, that are started for each
//! scene and ended after it.

use std::net::{SocketAddr, ToSocketAddrs};
use std::str::FromStr;
use std::time::Duration;

use crate::dialect::Dialect;
use crate::ours::{self, Rooms};
use crate::process::{cpu_time, resident_kib};
use crate::redis::{self, Aof};
use crate::started::{HTTP, Started};

/// What stands for the URL of a Redis in a command.
const REDIS: &str = "{redis}";

/// A server to put under load.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) name: String,
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    Running {
        address: SocketAddr,
        path: String,
        pid: Option<u32>,
    },
    /// A program and its arguments, in which `{port}`, `{data}` and `{redis}` stand for what each start chooses.
    Started {
        command: Vec<String>,
        dialect: Dialect,
    },
}

/// How servers are started.
pub(crate) struct Setup<'a> {
    /// Instances of a server, on one Redis.
    pub(crate) instances: usize,
    pub(crate) redis: Option<Aof>,
    /// Where servers are pinned to.
    pub(crate) server_cores: Option<&'a str>,
    pub(crate) redis_cores: Option<&'a str>,
    /// What servers check tokens with.
    pub(crate) secret: &'a str,
}

/// The instances of a server that can be connected to; those that were started end with it.
pub(crate) struct Servers {
    pub(crate) dialect: Dialect,
    /// Path and query of the upgrade, without the token.
    pub(crate) path: String,
    addresses: Vec<SocketAddr>,
    pids: Vec<u32>,
    // In this order, in which they are ended.
    instances: Vec<Started>,
    redis: Option<Started>,
}

impl Target {
    /// Our own binary, with rooms in Redis, or else in memory.
    pub(crate) fn ours(redis: Option<Aof>, further_arguments: &[String]) -> Self {
        let rooms = redis.map_or(Rooms::Memory, |aof| Rooms::Redis { url: REDIS, aof });
        Self::our_binary("realtime", rooms, further_arguments)
    }

    /// The same with rooms in a file.
    pub(crate) fn durable(further_arguments: &[String]) -> Self {
        Self::our_binary("durable", Rooms::File, further_arguments)
    }

    fn our_binary(name: &str, rooms: Rooms<'_>, further_arguments: &[String]) -> Self {
        let command = ours::command(rooms, further_arguments);
        Self { name: name.to_owned(), kind: Kind::Started { command, dialect: Dialect::Base } }
    }

    pub(crate) fn running(name: &str, url: &str, pid: Option<u32>) -> Result<Self, String> {
        let rest = url.strip_prefix("ws://").ok_or_else(|| format!("{url}: not a ws:// URL"))?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let address = authority
            .to_socket_addrs()
            .map_err(|fault| format!("{url}: {fault}"))?
            .next()
            .ok_or_else(|| format!("{url}: no address"))?;
        let kind = Kind::Running { address, path: format!("/{path}"), pid };
        Ok(Self { name: name.to_owned(), kind })
    }

    /// Gets the server ready.
    pub(crate) fn open(&self, setup: &Setup<'_>) -> Result<Servers, String> {
        match &self.kind {
            Kind::Running { address, path, pid } => Ok(Servers {
                dialect: Dialect::Base,
                path: path.clone(),
                addresses: vec![*address],
                pids: pid.iter().copied().collect(),
                instances: Vec::new(),
                redis: None,
            }),
            Kind::Started { command, dialect } => Servers::start(command, *dialect, setup),
        }
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = "NAME=ws://…, NAME=cmd:… or NAME=socket.io:… expected";
        let (name, server) = text.split_once('=').ok_or(expected)?;
        for (scheme, dialect) in [("cmd:", Dialect::Base), ("socket.io:", Dialect::SocketIo)] {
            if let Some(command) = server.strip_prefix(scheme) {
                let command = ["sh", "-c", &format!("exec {command}")].map(str::to_owned).to_vec();
                return Ok(Self { name: name.to_owned(), kind: Kind::Started { command, dialect } });
            }
        }
        let (url, pid) = match server.split_once(",pid=") {
            Some((url, pid)) => (url, Some(pid.parse().map_err(|_| format!("{pid}: not a process id"))?)),
            None => (server, None),
        };
        Self::running(name, url, pid)
    }
}

impl Servers {
    fn start(command: &[String], dialect: Dialect, setup: &Setup<'_>) -> Result<Self, String> {
        let redis = setup.redis.map(|aof| redis::start(aof, setup.redis_cores)).transpose()?;
        let url = redis.as_ref().map(redis::url).unwrap_or_default();
        let command: Vec<String> = command.iter().map(|word| word.replace(REDIS, &url)).collect();
        let environment = [("REALTIME_JWT_SECRET", setup.secret)];
        let instances = (0..setup.instances)
            .map(|_| Started::run(&command, setup.server_cores, &environment, HTTP))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            dialect,
            path: dialect.path().to_owned(),
            addresses: instances.iter().map(|instance| instance.address).collect(),
            pids: instances.iter().map(Started::pid).collect(),
            instances,
            redis,
        })
    }

    /// The instance for a connection. Rooms begin with different ones, so that each instance has its share of senders.
    pub(crate) fn address(&self, room: usize, place: usize) -> SocketAddr {
        self.addresses[(room + place) % self.addresses.len()]
    }

    pub(crate) fn instances(&self) -> usize {
        self.addresses.len()
    }

    /// CPU time of all instances together, as far as their processes are known.
    pub(crate) fn cpu_time(&self) -> Option<Duration> {
        self.all(cpu_time).map(|times| times.iter().sum())
    }

    /// Resident memory of all instances together.
    pub(crate) fn resident_kib(&self) -> Option<u64> {
        self.all(resident_kib).map(|sizes| sizes.iter().sum())
    }

    pub(crate) fn redis_cpu_time(&self) -> Option<Duration> {
        cpu_time(self.redis.as_ref()?.pid())
    }

    /// What started servers have printed last.
    pub(crate) fn log_tail(&self) -> Option<String> {
        let logs: Vec<_> = self.instances.iter().map(Started::log_tail).collect();
        Some(logs.concat()).filter(|text| !text.is_empty())
    }

    fn all<T>(&self, figure: impl Fn(u32) -> Option<T>) -> Option<Vec<T>> {
        if self.pids.is_empty() {
            return None;
        }
        self.pids.iter().copied().map(figure).collect()
    }
}
