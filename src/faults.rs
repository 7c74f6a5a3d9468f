//! A fault on demand: SIGUSR2 makes one shard panic, so that tests of the whole process see what a bug takes with it.
//!
//! Only a process that was started with [`VARIABLE`] in its environment listens to that signal; it is no part of the configuration.

#[cfg(unix)]
use crate::shard_thread::ShardThread;
#[cfg(unix)]
use anyhow::Context;

/// Names the shard that is to panic, by its index.
pub const VARIABLE: &str = "PARLOR_TEST_PANIC_SHARD";

/// Makes that shard panic at every SIGUSR2, for as long as it is polled.
///
/// # Errors
/// When there is no such shard, or the signal cannot be caught.
#[cfg(unix)]
pub(crate) fn arm(shards: &[ShardThread], index: &str) -> anyhow::Result<impl Future<Output = ()> + Send + use<>> {
    use tokio::signal::unix::{SignalKind, signal};
    let shard = index.parse().ok().and_then(|index: usize| shards.get(index));
    let panic = shard.with_context(|| format!("{VARIABLE} = {index:?} is not the index of a shard"))?.panic();
    let mut signals = signal(SignalKind::user_defined2()).context("cannot listen for SIGUSR2")?;
    tracing::warn!(shard = index, "SIGUSR2 makes this shard panic: {VARIABLE} is set, which is for tests alone");
    Ok(async move {
        while signals.recv().await.is_some() {
            panic();
        }
    })
}
