//! How busy this machine is as a whole: where the tester and the server share one, a machine without idle time says that they take
//! it from each other.

use std::fs;

/// Ticks of all processors since the machine began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    all: u64,
    idle: u64,
}

impl Machine {
    /// Reads it; `None` where the system does not tell.
    pub fn read() -> Option<Self> {
        Self::parse(&fs::read_to_string("/proc/stat").ok()?)
    }

    /// The first line of `/proc/stat`, `proc_stat(5)`: user, nice, system, idle, iowait, irq, softirq, steal.
    fn parse(stat: &str) -> Option<Self> {
        let line = stat.lines().next()?.strip_prefix("cpu ")?;
        let ticks: Vec<u64> = line.split_whitespace().take(8).map_while(|tick| tick.parse().ok()).collect();
        Some(Self { all: ticks.iter().sum(), idle: ticks.get(3)?.checked_add(*ticks.get(4)?)? })
    }

    /// The part of the time since `before` that the processors idled, 0 to 1; `None` when no tick has passed.
    pub fn idle_since(self, before: Self) -> Option<f64> {
        let all = self.all.checked_sub(before.all).filter(|all| *all > 0)?;
        Some(self.idle.saturating_sub(before.idle) as f64 / all as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_time_is_a_share_of_all_time() {
        let before = Machine::parse("cpu  10 0 10 60 20 0 0 0 5 5\ncpu0 1 1 1 1\n").unwrap();
        let now = Machine::parse("cpu  60 0 35 80 25 0 0 0 9 9\n").unwrap();
        assert_eq!(now.idle_since(before), Some(0.25));
        assert_eq!(before.idle_since(before), None);
        assert_eq!(before.idle_since(now), None);
    }

    #[test]
    fn a_table_that_says_nothing_is_none() {
        for stat in ["", "cpu  1 2 3\n", "intr 1 2 3 4 5\n"] {
            assert_eq!(Machine::parse(stat), None, "{stat}");
        }
        #[cfg(target_os = "linux")]
        assert!(Machine::read().is_some());
    }
}
