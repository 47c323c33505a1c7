//! Commands that the program adds to those of the app.
//!
//! The app lists, completes and checks them. It does not run them: [`super::Effect::Extension`] hands a checked
//! command to the program.

/// A command that the program added.
#[derive(Debug, Clone, Copy)]
pub struct Extension {
    /// Name without the slash.
    pub name: &'static str,
    /// Rows in the help and the palette, in the form of [`super::COMMANDS`]. Without rows the command is not listed.
    pub rows: &'static [(&'static str, &'static str)],
    /// Checks an argument. Returns a note for the timeline, or a hint for the user.
    pub check: fn(&str) -> Result<String, String>,
}
