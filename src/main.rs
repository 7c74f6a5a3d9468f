//! The `parlor` command: reads the configuration, and does what is asked: to serve, it starts the server, gives it the configuration
//! anew on SIGHUP, and ends it when signals ask for that.

use anyhow::Context;
use parlor::cli::{CliError, Invocation, invocation};
use parlor::faults;
use parlor::logging::Level;
use parlor::server::{Reloader, Server};
use parlor::signals::{Request, Signals};
use parlor::traces::Traces;
use parlor_config::Config;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    let result = match asked() {
        Ok(Invocation::Print(text)) => print(&text).map(|()| ExitCode::SUCCESS),
        Ok(Invocation::Health(probe)) => {
            probe.ask().map_err(Into::into).and_then(|answer| print(&answer)).map(|()| ExitCode::SUCCESS)
        }
        Ok(Invocation::Refuse(problems)) => {
            problems.iter().for_each(|problem| complain(problem));
            Ok(ExitCode::FAILURE)
        }
        Ok(Invocation::Examine { config, json }) => examine(&config, json),
        Ok(Invocation::Serve(config)) => serve(&config),
        Err(error) => Err(error.into()),
    };
    result.unwrap_or_else(|error| {
        complain(&format!("{error:#}"));
        ExitCode::FAILURE
    })
}

/// What command line, environment and configuration file ask for now.
fn asked() -> Result<Invocation, CliError> {
    let mut environment: Vec<_> = std::env::vars_os()
        .map(|(name, text)| (name.to_string_lossy().into_owned(), text.to_string_lossy().into_owned()))
        .collect();
    // It is no part of the configuration.
    environment.retain(|(name, _)| name != faults::VARIABLE);
    invocation(std::env::args_os(), environment)
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

/// Serves to the end; the code tells whether calls were cut.
fn serve(config: &Config) -> anyhow::Result<ExitCode> {
    // Before there are threads.
    parlor::memory::share_one_heap();
    parlor_signaling::install_cryptography();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_name("control")
        .on_thread_start(parlor::process::yield_to_media)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let traces = Traces::start(&config.traces, runtime.handle())?;
    let level = parlor::logging::start(&config.log, traces.as_ref());
    let result = runtime.block_on(run(config, level));
    if let Some(traces) = traces {
        traces.stop();
    }
    result
}

async fn run(config: &Config, level: Level) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::catch().context("cannot listen for signals")?;
    // A start may wait for its database.
    let mut server = tokio::select! {
        server = Server::start(config) => server?,
        () = end(&mut signals) => return Ok(ExitCode::SUCCESS),
    };
    arm_fault(&mut server)?;
    print(&server.greeting(io::stdout().is_terminal()))?;
    parlor::systemd::tell_ready();
    let mut reloader = server.reloader(level);
    let requests = signals.into_requests(move || reload(&mut reloader));
    let ending = server.run(requests).await.context("the web server failed")?;
    Ok(ExitCode::from(ending.exit_code()))
}

/// Done when the process is asked to end, one way or the other.
async fn end(signals: &mut Signals) {
    while signals.next().await == Request::Reload {}
}

/// Gives a server what is asked for now, or says why not.
fn reload(reloader: &mut Reloader) {
    let reloaded = match asked() {
        Ok(Invocation::Serve(config)) => reloader.reload(*config).map_err(anyhow::Error::from),
        // The command line is the one that asked to serve.
        Ok(_) => return,
        Err(error) => Err(error.into()),
    };
    match reloaded {
        Ok(reloaded) => reloaded.log(),
        Err(error) => tracing::error!("nothing was reloaded: {error:#}"),
    }
}

/// Makes the server ready for the fault that a test wants of it, if there is one.
fn arm_fault(server: &mut Server) -> anyhow::Result<()> {
    #[cfg(unix)]
    if let Some(shard) = std::env::var_os(faults::VARIABLE) {
        server.arm_fault(&shard.to_string_lossy())?;
    }
    Ok(())
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
