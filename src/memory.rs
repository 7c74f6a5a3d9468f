//! How much memory the process uses, and whether that is all it may.
//!
//! Once a second the resident set is compared with the limit. While it is above, nobody new is let in; who is there goes on.
//! All threads share one heap, and now and then the allocator returns to the system what it keeps of those who have left.

use parlor_config::LimitsConfig;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};

/// Between looks.
const INTERVAL: Duration = Duration::from_secs(1);

/// Looks between which the allocator keeps what is freed: half a minute.
const LOOKS_BETWEEN_TRIMS: u32 = 30;

/// Looks for as long as it is polled; `pressure` is `true` while there is too much. Where the system does not tell, there is
/// never too much.
pub(crate) async fn watch(limits: watch::Receiver<LimitsConfig>, pressure: Arc<AtomicBool>) {
    let mut looks = interval(INTERVAL);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for look in 1_u32.. {
        looks.tick().await;
        if look.is_multiple_of(LOOKS_BETWEEN_TRIMS) {
            // It may take some milliseconds, and fails only with the runtime.
            let _ = spawn_blocking(trim).await;
        }
        let limit_mib = limits.borrow().max_memory_mib;
        let (Some(used), Some(limit)) = (resident(), limit(limit_mib)) else { return };
        let is_too_much = used > limit;
        if pressure.swap(is_too_much, Ordering::Relaxed) != is_too_much {
            let (used_mib, limit_mib) = (used >> 20, limit >> 20);
            if is_too_much {
                tracing::warn!(
                    used_mib,
                    limit_mib,
                    "no memory for more: newcomers are refused (limits.max_memory_mib)"
                );
            } else {
                tracing::info!(used_mib, limit_mib, "memory for more again");
            }
        }
    }
}

/// Has all threads that are started from now on share one heap, where glibc gives each its own. When hundreds have come and gone,
/// each heap keeps pages for the sake of a few bytes. Threads seldom wait for each other: what is small each takes from a cache
/// of its own, and forwarding takes nothing.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn share_one_heap() {
    // SAFETY: mallopt(3) sets a parameter of the allocator, under its lock.
    let is_set = unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) } == 1;
    debug_assert!(is_set, "the allocator knows its parameter and takes any number");
}

/// Other allocators have ways of their own.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn share_one_heap() {}

/// Returns free memory to the system. The allocator of glibc does so by itself only with the end of its heap, above which
/// somebody always lives: ten thousand joins, most of them gone, would keep a third more than one thousand.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn trim() {
    // SAFETY: malloc_trim(3) takes the allocator's own locks and may be called by any thread at any time.
    let returned = unsafe { libc::malloc_trim(0) };
    tracing::trace!(returned, "free memory given back");
}

/// Other allocators do so by themselves.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn trim() {}

/// In bytes; 0 takes nine tenths of what the container or the machine has.
fn limit(limit_mib: u32) -> Option<u64> {
    match limit_mib {
        0 => available().map(|bytes| bytes / 10 * 9),
        mib => Some(u64::from(mib) << 20),
    }
}

/// Bytes that this process keeps in memory.
fn resident() -> Option<u64> {
    pages(&fs::read_to_string("/proc/self/statm").ok()?)?.checked_mul(page_size()?)
}

/// The resident pages of `/proc/self/statm` (proc(5): size resident shared …).
fn pages(statm: &str) -> Option<u64> {
    statm.split_whitespace().nth(1)?.parse().ok()
}

/// Bytes of a page.
#[cfg(unix)]
pub(crate) fn page_size() -> Option<u64> {
    // SAFETY: sysconf takes a number, touches no memory of ours, and returns -1 for a name that it does not know.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u64::try_from(bytes).ok().filter(|&bytes| bytes > 0)
}

#[cfg(not(unix))]
pub(crate) fn page_size() -> Option<u64> {
    None
}

/// Bytes of the container, if it has a limit (cgroup 2, cgroup 1), or of the machine.
pub(crate) fn available() -> Option<u64> {
    let number = |path| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| total(&text));
    let groups = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    groups.into_iter().filter_map(number).chain(machine).min()
}

/// The machine's memory, of `/proc/meminfo`.
fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_numbers_are_read() {
        assert_eq!(pages("81920 4096 512 1 0 9000 0\n"), Some(4096));
        assert_eq!(pages(""), None);
        assert_eq!(total("MemTotal:       16384 kB\nMemFree: 1 kB\n"), Some(16 << 20));
        assert_eq!(total("MemFree: 1 kB\n"), None);
    }

    #[cfg(target_os = "linux")]
    #[tokio::test(start_paused = true)]
    async fn pressure_follows_the_limit() {
        let (limits, receiver) = watch::channel(LimitsConfig::default());
        let pressure = Arc::new(AtomicBool::new(false));
        tokio::spawn(super::watch(receiver, Arc::clone(&pressure)));
        let is_pressed_under = async |limit_mib| {
            limits.send_modify(|limits| limits.max_memory_mib = limit_mib);
            tokio::time::sleep(INTERVAL * 2).await;
            pressure.load(Ordering::Relaxed)
        };
        assert!(is_pressed_under(1).await, "a test takes more than a mebibyte");
        assert!(!is_pressed_under(u32::MAX).await);
        assert!(available().unwrap() > 1 << 20);
    }
}
