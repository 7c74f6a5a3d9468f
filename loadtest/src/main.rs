//! The command: reads a plan from a TOML file, runs it, prints what was measured.

use parlor_loadtest::{Plan, run, target};
use std::io::Write;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let path = std::env::args().nth(1).ok_or_else(|| anyhow::anyhow!("usage: parlor-loadtest PLAN.toml"))?;
    let plan: Plan = toml::from_str(&std::fs::read_to_string(path)?)?;
    let target = target::connect(&plan)?;
    let stop = CancellationToken::new();
    let interrupted = stop.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            interrupted.cancel();
        }
    });
    let tally = run(&plan, target, Arc::new(()), stop).await?;
    writeln!(std::io::stdout(), "{tally:#?}")?;
    Ok(())
}
