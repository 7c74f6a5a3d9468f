//! The `parlor` command: reads the configuration, and does what is asked: to serve, it starts the server, and stops it on SIGINT
//! or SIGTERM.

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
        Ok(Invocation::Print(text)) => print(&text).map(|()| ExitCode::SUCCESS),
        Ok(Invocation::Refuse(problems)) => {
            problems.iter().for_each(|problem| complain(problem));
            Ok(ExitCode::FAILURE)
        }
        Ok(Invocation::Examine { config, json }) => examine(&config, json),
        Ok(Invocation::Serve(config)) => serve(&config).map(|()| ExitCode::SUCCESS),
        Err(error) => Err(error.into()),
    };
    result.unwrap_or_else(|error| {
        complain(&format!("{error:#}"));
        ExitCode::FAILURE
    })
}

/// The one line that a failed start leaves, also when logs go elsewhere. Nothing can be done if it fails.
fn complain(line: &str) {
    let _ = writeln!(io::stderr(), "parlor: {line}");
}

/// `parlor doctor`.
fn examine(config: &Config, json: bool) -> anyhow::Result<ExitCode> {
    parlor_signaling::install_cryptography();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let report = runtime.context("cannot start the runtime")?.block_on(parlor::doctor::examine(config));
    print(&if json { format!("{:#}\n", report.json()) } else { report.text() })?;
    Ok(if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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
