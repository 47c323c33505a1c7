//! What happens in one step: scripts that Redis runs, and nothing else meanwhile.
//!
//! Each connection loads all of them at its beginning, so they are called by their digest: a Redis that was started
//! anew has forgotten them, and its connections have ended.
//!
//! To add one: a file in `scripts`, whose head says what it takes and returns, and a line below.

use std::sync::LazyLock;

use ::redis::{Cmd, Pipeline, Script, ToRedisArgs, cmd};

/// A script, by its digest.
pub(crate) struct Lua {
    code: &'static str,
    hash: LazyLock<String>,
}

macro_rules! scripts {
    ($($name:ident = $file:literal),* $(,)?) => {
        $(pub(crate) static $name: Lua = {
            const CODE: &str = include_str!(concat!("scripts/", $file));
            Lua { code: CODE, hash: LazyLock::new(|| Script::new(CODE).get_hash().to_owned()) }
        };)*
        static ALL: &[&Lua] = &[$(&$name),*];
    };
}

scripts! {
    APPEND = "append.lua",
    BEAT = "beat.lua",
    CLAIM = "claim.lua",
    CONNECT = "connect.lua",
    ENTER = "enter.lua",
    FORGET = "forget.lua",
    LEAVE = "leave.lua",
    LOOK = "look.lua",
    PROBE = "probe.lua",
    REPLACE = "replace.lua",
    SWEEP = "sweep.lua",
}

impl Lua {
    /// A call with these keys, to which the arguments are added.
    pub(crate) fn on<K: ToRedisArgs>(&self, keys: &[K]) -> Cmd {
        let mut call = cmd("EVALSHA");
        call.arg(self.hash.as_str()).arg(keys.len());
        for key in keys {
            call.arg(key);
        }
        call
    }
}

/// Loads all of them.
pub(crate) fn load() -> Pipeline {
    let mut pipeline = Pipeline::with_capacity(ALL.len());
    for lua in ALL {
        pipeline.cmd("SCRIPT").arg("LOAD").arg(lua.code);
    }
    pipeline
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::{DEDUP_ENTRIES, DEDUP_WINDOW};

    #[test]
    fn what_is_known_is_known_for_as_long_as_elsewhere() {
        let line = APPEND.code.lines().find(|line| line.starts_with("local WINDOW")).expect("the constants");
        let said = format!(" = {}, {DEDUP_ENTRIES}, ", DEDUP_WINDOW.as_millis());
        assert!(line.contains(&said), "{line}");
    }
}
