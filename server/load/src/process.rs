//! Figures and limits of processes: CPU time, memory, cores, open files.
//!
//! The figures exist on Linux only; elsewhere they are missing, and the load runs without them.

use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// `USER_HZ`, the unit of times in `/proc/PID/stat`: 100 on every architecture in use.
const TICK: Duration = Duration::from_millis(10);

/// User and system time of all threads of a process since its start.
#[must_use]
pub fn cpu_time(pid: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in brackets, which may hold anything; utime and stime are the
    // fourteenth and the fifteenth.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    Some(TICK * (user + system))
}

/// Resident memory in KiB.
#[must_use]
pub fn resident_kib(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

/// The system's TCP congestion control. It paces loopback as well: `bbr` costs more than others, and slows a
/// connection down for 200 ms every 10 s.
#[must_use]
pub fn congestion_control() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_congestion_control").ok()?;
    Some(name.trim().to_owned())
}

/// Raises the soft limit of open files to the hard limit, for this process and its children. Returns the limit.
#[must_use]
pub fn raise_open_files() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    }
    .unwrap_or(u64::MAX)
}

/// Makes sleeps of this thread, and of threads that it starts, end on time instead of up to 50 µs late.
pub fn sharpen_timers() {
    // Best effort: otherwise an open loop is a little less even.
    let _ = std::fs::write("/proc/self/timerslack_ns", "1");
}

/// True if processes can be pinned to cores: there are two cores, and the program `taskset`.
#[must_use]
pub fn can_pin() -> bool {
    std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1)
        && quiet("taskset").arg("--version").status().is_ok_and(|status| status.success())
}

/// Pins this process to `cores`, a list in the syntax of `taskset -c`.
pub fn pin_self(cores: &str) -> Result<(), String> {
    let pid = std::process::id().to_string();
    match quiet("taskset").args(["-a", "-p", "-c", cores, &pid]).status() {
        Ok(status) if status.success() => Ok(()),
        _ => Err(format!("cannot pin the load to cores {cores}")),
    }
}

fn quiet(program: &str) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}
