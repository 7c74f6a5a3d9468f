//! What a process of this machine has used: time of processors, and memory.
//!
//! The time comes from the clock that the kernel keeps of every process (`clock_getcpuclockid(3)`), with nanoseconds and with the
//! threads that have ended since; `/proc/PID/stat` counts in hundredths of a second, too coarse for a window of a few seconds.

use std::fs;
use std::io;
use std::time::Duration;

/// What a process has used, up to now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Time of processors, in user and system mode, since the process began.
    pub cpu: Duration,
    /// Resident memory.
    pub resident_bytes: u64,
}

/// Reads what process `pid` has used.
///
/// # Errors
/// When there is no such process, or this system does not tell.
pub fn usage(pid: u32) -> io::Result<Usage> {
    let statm = fs::read_to_string(format!("/proc/{pid}/statm"))?;
    let pages =
        resident_pages(&statm).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "statm cannot be read"))?;
    Ok(Usage { cpu: cpu_time(pid)?, resident_bytes: pages * page_bytes() })
}

/// The name that the process goes by, as in `ps`.
pub fn name(pid: u32) -> Option<String> {
    fs::read_to_string(format!("/proc/{pid}/comm")).ok().map(|name| name.trim_end().to_owned())
}

/// The second number of `statm`, `proc_pid_statm(5)`.
fn resident_pages(statm: &str) -> Option<u64> {
    statm.split(' ').nth(1)?.parse().ok()
}

fn page_bytes() -> u64 {
    // SAFETY: it takes no pointer and changes nothing.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u64::try_from(bytes).unwrap_or(4096)
}

fn cpu_time(pid: u32) -> io::Result<Duration> {
    let pid = libc::pid_t::try_from(pid).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    let mut clock: libc::clockid_t = 0;
    // SAFETY: it writes one clock id, to where there is one.
    let code = unsafe { libc::clock_getcpuclockid(pid, &raw mut clock) };
    if code != 0 {
        return Err(io::Error::from_raw_os_error(code));
    }
    read(clock)
}

/// How long the calling thread has worked.
///
/// # Errors
/// When this system does not tell.
pub fn thread_cpu() -> io::Result<Duration> {
    read(libc::CLOCK_THREAD_CPUTIME_ID)
}

fn read(clock: libc::clockid_t) -> io::Result<Duration> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: it writes one timespec, to where there is one.
    if unsafe { libc::clock_gettime(clock, &raw mut time) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_works_uses_time_and_has_memory() {
        let before = usage(std::process::id()).unwrap();
        assert!(before.resident_bytes > 1024 * 1024, "{before:?}");
        let mut sum = 0_u64;
        while usage(std::process::id()).unwrap().cpu <= before.cpu {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(name(std::process::id()).is_some());
    }

    #[test]
    fn a_process_that_is_not_there_is_an_error() {
        assert!(usage(u32::MAX).is_err());
        assert!(usage(i32::MAX as u32).is_err());
        assert_eq!(name(u32::MAX), None);
    }

    #[test]
    fn statm_that_says_nothing_is_none() {
        assert_eq!(resident_pages("10 7 3 1 0 2 0\n"), Some(7));
        assert_eq!(resident_pages(""), None);
        assert_eq!(resident_pages("10 x"), None);
    }
}
