//! Commands that the program adds to those of the app, and the hook that runs them.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::app::Extension;

/// Runs a command that the program added, from its name and its checked argument.
pub type Hook = Box<dyn FnMut(&str, &str)>;

/// Commands that the program adds to those of the app.
pub struct Extensions {
    pub commands: &'static [Extension],
    pub hook: Hook,
    /// Notified when the network works again.
    pub network_up: Arc<Notify>,
}

impl Default for Extensions {
    /// No commands, and no notice of the network.
    fn default() -> Self {
        Self { commands: &[], hook: Box::new(|_, _| {}), network_up: Arc::default() }
    }
}
