//! Commands that the program adds to those of the app.
//!
//! The app lists, completes and checks them. It runs none: [`super::Effect::Extension`] hands a checked one to the program.

/// A command that the program added.
#[derive(Debug, Clone, Copy)]
pub struct Extension {
    /// Its name, without the slash.
    pub name: &'static str,
    /// Its rows in the help and the palette, in the form of [`super::COMMANDS`]. None: it is not listed.
    pub rows: &'static [(&'static str, &'static str)],
    /// Checks an argument. Returns the note for the timeline, or a hint for the user.
    pub check: fn(&str) -> Result<String, String>,
}
