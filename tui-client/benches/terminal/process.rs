//! Resource use of a process with all its threads, read from the kernel.

use std::fs;
use std::time::Duration;

use crate::Failure;

/// Resource use at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// Resident memory, in bytes.
    pub(crate) resident: u64,
    /// Time on a processor.
    pub(crate) cpu: Duration,
    /// Voluntary and involuntary context switches.
    pub(crate) switches: u64,
}

impl Sample {
    pub(crate) fn of(pid: u32) -> Result<Self, Failure> {
        let mut sample = Self {
            resident: field(&fs::read_to_string(format!("/proc/{pid}/status"))?, "VmRSS:")? * 1024,
            cpu: Duration::ZERO,
            switches: 0,
        };
        for task in fs::read_dir(format!("/proc/{pid}/task"))? {
            let task = task?.path();
            let status = fs::read_to_string(task.join("status"))?;
            sample.switches += field(&status, "\nvoluntary_ctxt_switches:")?;
            sample.switches += field(&status, "nonvoluntary_ctxt_switches:")?;
            let schedule = fs::read_to_string(task.join("schedstat"))?;
            let nanoseconds = schedule.split(' ').next().unwrap_or_default().parse()?;
            sample.cpu += Duration::from_nanos(nanoseconds);
        }
        Ok(sample)
    }
}

fn field(text: &str, name: &str) -> Result<u64, Failure> {
    let rest = text.split_once(name).ok_or_else(|| format!("no {name} in /proc"))?.1;
    Ok(rest.split_whitespace().next().unwrap_or_default().parse()?)
}
