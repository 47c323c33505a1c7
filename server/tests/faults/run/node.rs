//! One server of a run: its site, its process, and the proxy for its clients.

use crate::history::{Instance, Usage};
use crate::proxy::Proxy;
use crate::recorder::Stuck;
use crate::server::{Process, Site};

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

    /// Restarts the server on the same directory after its process has ended.
    pub(super) async fn restart(&mut self) -> Result<(), Stuck> {
        self.process = self.site.try_start().await?;
        self.began = self.process.usage().await;
        self.proxy.set_target(self.process.address());
        Ok(())
    }
}
