//! The `parlor` command: reads the configuration, starts the server, and stops it on SIGINT or SIGTERM.

use anyhow::Context;
use parlor::cli::{Invocation, invocation};
use parlor::server::Server;
use parlor::signals::{Request, Signals};
use parlor_config::Config;
use std::io::{self, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    let environment = std::env::vars_os()
        .map(|(name, text)| (name.to_string_lossy().into_owned(), text.to_string_lossy().into_owned()))
        .collect();
    let result = match invocation(std::env::args_os(), environment) {
        Ok(Invocation::Print(text)) => print(&text),
        Ok(Invocation::Serve(config)) => serve(&config),
        Err(error) => Err(error.into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The one line that a failed start leaves, also when logs go elsewhere. Nothing can be done if it fails.
            let _ = writeln!(io::stderr(), "parlor: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn serve(config: &Config) -> anyhow::Result<()> {
    parlor::logging::start(&config.log);
    parlor_signaling::install_cryptography();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_name("control")
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(async {
        let mut signals = Signals::catch().context("cannot listen for signals")?;
        // A start may wait for its database.
        let server = tokio::select! {
            server = Server::start(config) => server?,
            () = stop(&mut signals) => return Ok(()),
        };
        print(&format!("Parlor is ready: open {}\n", server.url()))?;
        server.run(stop(&mut signals)).await.context("the web server failed")
    })
}

/// Done when the process is asked to end.
async fn stop(signals: &mut Signals) {
    while signals.next().await == Request::Reload {}
}

/// Prints to standard output. A reader that went away is no failure.
fn print(text: &str) -> anyhow::Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        _ => Ok(()),
    }
}
