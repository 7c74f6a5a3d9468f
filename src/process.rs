//! What the system says of this process, from `/proc` (proc(5)), nothing where there is none; and what it is asked for.

use crate::memory::page_size;
use std::fs;

/// See the module. What the system does not tell is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct ProcessStats {
    /// Seconds of processors, in user and system mode.
    pub(crate) cpu_seconds: Option<f64>,
    pub(crate) resident_bytes: Option<u64>,
    pub(crate) virtual_bytes: Option<u64>,
    pub(crate) threads: Option<u64>,
    pub(crate) open_fds: Option<u64>,
    /// The most that it may have.
    pub(crate) max_fds: Option<u64>,
    /// Seconds since 1970.
    pub(crate) started_at: Option<f64>,
}

impl ProcessStats {
    /// As things are now.
    pub(crate) fn read() -> Self {
        let file = |path| fs::read_to_string(path).unwrap_or_default();
        let fields = fields(&file("/proc/self/stat"));
        let ticks = ticks_per_second();
        let seconds = |ticks_since: u64| Some(ticks_since as f64 / ticks? as f64);
        let booted = number_after(&file("/proc/stat"), "btime");
        Self {
            cpu_seconds: fields.and_then(|fields| seconds(fields.cpu_ticks)),
            resident_bytes: fields.and_then(|fields| fields.resident_pages.checked_mul(page_size()?)),
            virtual_bytes: fields.map(|fields| fields.virtual_bytes),
            threads: fields.map(|fields| fields.threads),
            // The directory itself is open while it is read.
            open_fds: fs::read_dir("/proc/self/fd").ok().map(|fds| (fds.count() as u64).saturating_sub(1)),
            max_fds: number_after(&file("/proc/self/limits"), "Max open files"),
            started_at: fields.and_then(|fields| Some(booted? as f64 + seconds(fields.start_ticks)?)),
        }
    }
}

/// The nice value of threads that do not forward media: about a third of a shard's weight where they compete for a processor.
#[cfg(target_os = "linux")]
const CONTROL_NICE: libc::c_int = 5;

/// Lets shards run before the calling thread where both wait for a processor. Hundreds who join at once keep the control
/// threads busy, and media must not wait for them.
#[cfg(target_os = "linux")]
pub fn yield_to_media() {
    // To Linux a nice value is a thread's, 0 the calling one's (setpriority(2)).
    // SAFETY: the call has no other effect than on the thread's priority.
    let result = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, CONTROL_NICE) };
    if result != 0 {
        tracing::debug!(error = %std::io::Error::last_os_error(), "a control thread keeps its priority");
    }
}

/// Elsewhere priorities are a process's.
#[cfg(not(target_os = "linux"))]
pub fn yield_to_media() {}

/// What is used of `/proc/self/stat`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Fields {
    cpu_ticks: u64,
    threads: u64,
    /// Since the machine booted.
    start_ticks: u64,
    virtual_bytes: u64,
    resident_pages: u64,
}

fn fields(stat: &str) -> Option<Fields> {
    // The second field is the program's name, in parentheses, with any characters in it: what is counted follows the last one.
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    // Numbered as in proc(5), whose third field is the first here.
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    Some(Fields {
        cpu_ticks: field(14)?.checked_add(field(15)?)?,
        threads: field(20)?,
        start_ticks: field(22)?,
        virtual_bytes: field(23)?,
        resident_pages: field(24)?,
    })
}

/// The first number of the line that begins with `name`.
fn number_after(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

#[cfg(unix)]
fn ticks_per_second() -> Option<u64> {
    // SAFETY: sysconf takes a number, touches no memory of ours, and returns -1 for a name that it does not know.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    u64::try_from(ticks).ok().filter(|&ticks| ticks > 0)
}

#[cfg(not(unix))]
fn ticks_per_second() -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_numbers_are_read() {
        let stat = "42 (a ) name) S 1 42 42 0 -1 4194560 900 0 3 0 250 50 0 0 20 0 7 0 12345 81920000 4096 184467";
        let expected =
            Fields { cpu_ticks: 300, threads: 7, start_ticks: 12345, virtual_bytes: 81_920_000, resident_pages: 4096 };
        assert_eq!(fields(stat), Some(expected));
        assert_eq!(fields("42 (short) S 1"), None);
        assert_eq!(fields(""), None);
        let limits = "Limit                     Soft Limit           Hard Limit           Units\n\
                      Max open files            1024                 524288               files\n";
        assert_eq!(number_after(limits, "Max open files"), Some(1024));
        assert_eq!(number_after("Max open files            unlimited  unlimited  files\n", "Max open files"), None);
        assert_eq!(number_after("cpu 1 2\nbtime 1700000000\n", "btime"), Some(1_700_000_000));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_control_thread_has_less_weight_and_takes_no_other_along() {
        // SAFETY: the call changes nothing; 0 is the calling thread.
        let nice = || unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
        let before = nice();
        let control = std::thread::spawn(move || {
            yield_to_media();
            nice()
        });
        assert_eq!(control.join().unwrap(), before.max(CONTROL_NICE));
        assert_eq!(nice(), before);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_is_found() {
        use std::time::{SystemTime, UNIX_EPOCH};
        let opened = fs::File::open("/proc/self/stat").unwrap();
        let stats = ProcessStats::read();
        assert!(stats.cpu_seconds.unwrap() >= 0.0 && stats.threads.unwrap() >= 1);
        assert!(stats.virtual_bytes > stats.resident_bytes && stats.resident_bytes.unwrap() > 1 << 20);
        assert!((4..=stats.max_fds.unwrap()).contains(&stats.open_fds.unwrap()), "{stats:?}");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        assert!((0.0..86_400.0).contains(&(now - stats.started_at.unwrap())), "{stats:?} at {now}");
        drop(opened);
    }
}
