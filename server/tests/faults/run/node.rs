//! One server of a run: its site, its process, and the proxy for its clients.

use serde::Deserialize;

use crate::history::{Entry, Instance, Name, Served, Usage};
use crate::proxy::Proxy;
use crate::recorder::{Recorder, Stuck};
use crate::server::{Process, Site};

/// A line of an export.
#[derive(Deserialize)]
#[serde(untagged)]
enum Exported {
    Entry(Entry),
    Room { room: Name, epoch: Name },
}

pub(crate) struct Node {
    pub(crate) instance: Instance,
    pub(crate) process: Process,
    pub(crate) proxy: Proxy,
    site: Site,
    /// Resources of the process before the first client.
    pub(super) began: Option<Usage>,
}

impl Node {
    pub(super) async fn start(instance: Instance, site: Site) -> Self {
        let process = site.start().await;
        let began = process.usage().await;
        let proxy = Proxy::start(process.address()).await;
        Self { instance, process, proxy, site, began }
    }

    /// The logs of all rooms in the store; none if they are in memory.
    pub(super) async fn export(&self, recorder: &Recorder) -> Result<Vec<Served>, Stuck> {
        let mut logs: Vec<Served> = Vec::new();
        for line in self.site.export().await?.unwrap_or_default().lines() {
            let fault = |fault| Stuck { awaited: format!("an export without {fault}: {line}") };
            match serde_json::from_str(line).map_err(fault)? {
                Exported::Entry(entry) => {
                    let log = logs.last_mut().expect("the header of a room comes first");
                    log.entries.push(recorder.intern(entry));
                }
                Exported::Room { room, epoch } => {
                    logs.push(Served { instance: None, room, epoch: Some(epoch), entries: Vec::new() });
                }
            }
        }
        Ok(logs)
    }

    /// Restarts the server on the same directory after its process has ended.
    pub(super) async fn restart(&mut self) -> Result<(), Stuck> {
        self.process = self.site.try_start().await?;
        self.began = self.process.usage().await;
        self.proxy.set_target(self.process.address());
        Ok(())
    }
}
