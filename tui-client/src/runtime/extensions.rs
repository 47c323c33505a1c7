//! Commands that the program adds to those of the app, and the hook that runs them.

use crate::app::Extension;

/// Runs a command that the program added, from its name and its checked argument.
pub type Hook = Box<dyn FnMut(&str, &str)>;

/// Commands that the program adds to those of the app.
pub struct Extensions {
    pub commands: &'static [Extension],
    pub hook: Hook,
}

impl Default for Extensions {
    /// No commands.
    fn default() -> Self {
        Self { commands: &[], hook: Box::new(|_, _| {}) }
    }
}
