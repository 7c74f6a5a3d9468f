//! The `parlor` command: reads the configuration, starts the server, reads it again on SIGHUP, and
//! stops it on SIGINT or SIGTERM.

use anyhow::Context;
use parlor::cli::{CliError, Invocation, invocation};
use parlor::server::{Reloader, Server};
use parlor::signals::{Request, Signals};
use parlor_config::Config;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    let result = match asked() {
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

/// What command line, environment and configuration file ask for now.
fn asked() -> Result<Invocation, CliError> {
    let environment = std::env::vars_os()
        .map(|(name, text)| (name.to_string_lossy().into_owned(), text.to_string_lossy().into_owned()))
        .collect();
    invocation(std::env::args_os(), environment)
}

fn serve(config: &Config) -> anyhow::Result<()> {
    let level = parlor::logging::start(&config.log);
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
            () = stop(&mut signals, || ()) => return Ok(()),
        };
        print(&server.greeting(io::stdout().is_terminal()))?;
        let mut reloader = server.reloader(level);
        let stop = stop(&mut signals, || reload(&mut reloader));
        server.run(stop).await.context("the web server failed")
    })
}

/// Done when the process is asked to end; what it is asked to read again, `reload` reads.
async fn stop(signals: &mut Signals, mut reload: impl FnMut()) {
    while signals.next().await == Request::Reload {
        reload();
    }
}

/// Gives a server what is asked for now, or says why not.
fn reload(reloader: &mut Reloader) {
    let reloaded = match asked() {
        Ok(Invocation::Serve(config)) => reloader.reload(*config).map_err(anyhow::Error::from),
        // The command line is the one that asked to serve.
        Ok(Invocation::Print(_)) => return,
        Err(error) => Err(error.into()),
    };
    match reloaded {
        Ok(reloaded) => reloaded.log(),
        Err(error) => tracing::error!("nothing was reloaded: {error:#}"),
    }
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
