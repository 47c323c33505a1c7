//! The load generator of `realtime-load`, with the server of this build.

use std::process::ExitCode;

fn main() -> ExitCode {
    realtime_load::main(env!("CARGO_BIN_EXE_realtime-server"))
}
