//! Lua scripts, which Redis executes as one step.
//!
//! Each connection loads all scripts when it opens, so they are called by their digest. A restarted Redis has forgotten
//! them, but its connections have ended too.
//!
//! To add a script:
//! 1. A file in `scripts/`. Its head names KEYS, ARGV and the result. All keys have one hash tag. Everything that may
//!    fail comes before the first write: a script that fails half-way is not rolled back.
//!    A script that reads entries of a log begins with `entries.lua`, and reads them with the functions of `open_log` only.
//! 2. A line in `scripts!` below, in alphabetical order.
//! 3. The call in the owner (`log` or `presence`), by [`Lua::on`], and a function that reads the answer. Numbers in an
//!    answer may have any value: they are parsed as `u64` and added with checks.
//! 4. For new keys: a function and a row of the table in [`keys`](super::keys). For new announcements:
//!    [`wire`](super::wire).
//! 5. For commands that no script used before: the ACL rule in the server's README. A test of `tests/cli/redis.rs`
//!    compares the rule with the words in capitals in this directory.
//! 6. A test in `broker/redis/tests/`, and one for a Redis that refuses the script.

use std::borrow::Cow;
use std::sync::LazyLock;

use ::redis::{Cmd, Pipeline, Script, ToRedisArgs, cmd};

use crate::faults::{self, Fault};

/// A script, by its digest.
pub(crate) struct Lua {
    code: &'static str,
    hash: LazyLock<String>,
}

macro_rules! scripts {
    ($($name:ident = $($file:literal)&+),* $(,)?) => {
        $(pub(crate) static $name: Lua = {
            const CODE: &str = concat!($(include_str!(concat!("scripts/", $file))),+);
            Lua { code: CODE, hash: LazyLock::new(|| Script::new(&text(CODE)).get_hash().to_owned()) }
        };)*
        static ALL: &[&Lua] = &[$(&$name),*];
    };
}

scripts! {
    ADOPT = "entries.lua" & "adopt.lua",
    APPEND = "entries.lua" & "append.lua",
    BEAT = "beat.lua",
    CLAIM = "claim.lua",
    CONNECT = "connect.lua",
    ENTER = "enter.lua",
    FIND = "find.lua",
    LEAVE = "leave.lua",
    LOOK = "entries.lua" & "look.lua",
    MEASURE = "entries.lua" & "measure.lua",
    MESSAGES = "entries.lua" & "messages.lua",
    OLDEST = "entries.lua" & "oldest.lua",
    PROBE = "probe.lua",
    RECOUNT = "recount.lua",
    RELIST = "relist.lua",
    REMOVE = "entries.lua" & "remove.lua",
    RENEW = "renew.lua",
    REPLACE = "replace.lua",
    REPLACED = "entries.lua" & "replaced.lua",
    SWEEP = "entries.lua" & "sweep.lua",
}

impl Lua {
    /// A call with these keys, to which arguments are added.
    pub(crate) fn on<K: ToRedisArgs>(&self, keys: &[K]) -> Cmd {
        let mut call = cmd("EVALSHA");
        call.arg(self.hash.as_str()).arg(keys.len());
        for key in keys {
            call.arg(key);
        }
        call
    }
}

/// The part of `append.lua` that keeps an entry that a deletion moves out of the stream.
const KEEPS: &str = "redis.call('ZADD', room_log.key('moved'), seq, table.concat({seq, fields";

/// The text of a script that is loaded.
fn text(code: &'static str) -> Cow<'static, str> {
    if faults::breaks(Fault::NoTombstone) {
        return code.replace(KEEPS, &format!("local _ = not frame and {KEEPS}")).into();
    }
    code.into()
}

/// The commands that load all scripts.
pub(crate) fn load() -> Pipeline {
    let mut pipeline = Pipeline::with_capacity(ALL.len());
    for lua in ALL {
        pipeline.cmd("SCRIPT").arg("LOAD").arg(&*text(lua.code));
    }
    pipeline
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::{DEDUP_ENTRIES, DEDUP_WINDOW, ENTRIES_PER_MESSAGE};

    #[test]
    fn the_dedup_window_is_that_of_the_other_engines() {
        let line = APPEND.code.lines().find(|line| line.starts_with("local WINDOW")).expect("the constants");
        let constants = format!(" = {}, {DEDUP_ENTRIES}, ", DEDUP_WINDOW.as_millis());
        assert!(line.contains(&constants), "{line}");
    }

    #[test]
    fn the_append_script_has_the_part_that_a_fault_removes() {
        assert_eq!(APPEND.code.matches(KEEPS).count(), 1);
    }

    #[test]
    fn the_retention_of_entries_is_that_of_the_other_engines() {
        let constants = format!("local ENTRIES_PER_MESSAGE = {ENTRIES_PER_MESSAGE}\n");
        assert!(OLDEST.code.contains(&constants));
    }
}
