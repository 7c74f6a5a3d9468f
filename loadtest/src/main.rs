//! The command `parlor-loadtest`: reads the command line, runs what it orders, prints the report.

use parlor_loadtest::cli::Order;
use parlor_loadtest::command::{Exit, execute};
use parlor_loadtest::descriptors;
use std::io::Write;
use std::process::ExitCode;
use tokio_util::sync::CancellationToken;

fn main() -> ExitCode {
    let order = match Order::parse(std::env::args_os()) {
        Ok(order) => order,
        Err(error) => {
            // Nobody may read it any more.
            let _ = error.print();
            return ExitCode::from(if error.exit_code() == 0 { Exit::Done as u8 } else { Exit::Usage as u8 });
        }
    };
    // Fails if there is one already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    descriptors::raise_limit();
    ExitCode::from(match start(&order) {
        Ok(exit) => exit as u8,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "parlor-loadtest: it could not run: {error:#}");
            Exit::Failed as u8
        }
    })
}

fn start(order: &Order) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Runtime::new()?;
    let report = runtime.block_on(async {
        let stop = CancellationToken::new();
        tokio::spawn(interrupts(stop.clone()));
        execute(order, stop).await
    })?;
    let text = if order.is_json { report.to_json()? } else { report.to_table() };
    std::io::stdout().write_all(text.as_bytes())?;
    let exit = Exit::of(&report);
    if exit == Exit::Failed {
        let _ = writeln!(std::io::stderr(), "parlor-loadtest: nobody got in");
    }
    if order.is_json {
        for check in report.checks.iter().filter(|check| !check.passed) {
            let _ = writeln!(std::io::stderr(), "parlor-loadtest: {check}");
        }
        for reason in report.tester.bottlenecks {
            let _ = writeln!(std::io::stderr(), "parlor-loadtest: the tester was the bottleneck: {reason}");
        }
    }
    Ok(exit)
}

/// The first interrupt ends the run with a report, the second one ends it at once.
async fn interrupts(stop: CancellationToken) {
    if tokio::signal::ctrl_c().await.is_ok() {
        stop.cancel();
    }
    if tokio::signal::ctrl_c().await.is_ok() {
        std::process::exit(i32::from(Exit::Interrupted as u8));
    }
}
