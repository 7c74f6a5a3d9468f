//! What is told of the process as a whole. Names that begin with `process_` are those of every Prometheus client.

use super::{Label, Scrape, Values, metrics};
use crate::process::ProcessStats;
use std::env::consts::{ARCH, OS};

const VERSION: Label = Label { name: "version", values: Values::Open("as in `parlor --version`") };
const TARGET: Label = Label { name: "target", values: Values::Open("architecture and system, as `x86_64-linux`") };

metrics! {
    BUILD_INFO = Gauge "parlor_build_info" [VERSION, TARGET], "1; its labels tell what runs.";
    CPU = Counter "process_cpu_seconds_total", "Time of processors, in user and system mode.";
    RESIDENT = Gauge "process_resident_memory_bytes", "Resident memory.";
    VIRTUAL = Gauge "process_virtual_memory_bytes", "Virtual memory.";
    THREADS = Gauge "process_threads", "Threads.";
    OPEN_FDS = Gauge "process_open_fds", "Open file descriptors.";
    MAX_FDS = Gauge "process_max_fds", "The most file descriptors that may be open.";
    START_TIME = Gauge "process_start_time_seconds", "When the process started, in seconds since 1970.";
    CERTIFICATE_EXPIRY = Gauge "parlor_tls_certificate_expiry_seconds", "Unix time at which the certificate of the web server ends.";
    SHARDS = Gauge "parlor_shards", "Media threads.";
}

pub(in crate::metrics) fn read(scrape: &mut Scrape, process: &ProcessStats, shards: usize) {
    scrape.add(&BUILD_INFO, &[env!("CARGO_PKG_VERSION"), &format!("{ARCH}-{OS}")], 1);
    for (metric, number) in [
        (&RESIDENT, process.resident_bytes),
        (&VIRTUAL, process.virtual_bytes),
        (&THREADS, process.threads),
        (&OPEN_FDS, process.open_fds),
        (&MAX_FDS, process.max_fds),
    ] {
        if let Some(number) = number {
            scrape.add(metric, &[], number);
        }
    }
    for (metric, number) in [(&CPU, process.cpu_seconds), (&START_TIME, process.started_at)] {
        if let Some(number) = number {
            scrape.add_fraction(metric, &[], number);
        }
    }
    scrape.add(&SHARDS, &[], shards as u64);
}

/// `expires_at` is a Unix time in seconds.
pub(in crate::metrics) fn read_certificate(scrape: &mut Scrape, expires_at: i64) {
    // One that ended before 1970 is none that anybody has.
    scrape.add(&CERTIFICATE_EXPIRY, &[], u64::try_from(expires_at).unwrap_or_default());
}
