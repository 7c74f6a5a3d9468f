//! The command line: a scenario with its flags, or a file that describes a run. What comes out is an [`Order`]: a checked plan, its
//! thresholds, and how to tell of it.
//!
//! Flags have the same bounds as the plan, so that an error names the flag; where a flag and a file say something different, the
//! flag holds.

mod file;
mod load;
#[cfg(test)]
mod tests;
mod values;

use crate::plan::{Plan, Scenario, TargetKind};
use crate::report::Checks;
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, ValueEnum};
use parlor_signaling::protocol::RoomCode;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;
use values::{microseconds, milliseconds, number, seconds, share, whole};

/// Where a credential comes from that is in no file: the list of processes shows flags to everybody.
const CREDENTIAL: &str = "PARLOR_LOADTEST_CREDENTIAL";

/// What is printed below the help.
const AFTER_HELP: &str = "\
Exit codes:
  0    it ran, and all thresholds are met
  1    a threshold is missed
  2    the command line or the file is not right
  3    it could not run: there is no such server, or nobody got in
  4    thresholds were asked for, and the tester itself was the bottleneck
  130  it was interrupted; the report tells what was measured until then

Examples:
  parlor-loadtest livestream --viewers 100 --video-bitrate 2.3M --floor 5s
  parlor-loadtest meeting --participants 10 --layers 3 --max-loss 0.1% --max-latency-p99 20ms
  parlor-loadtest audio --speakers 3 --listeners 500 --json > report.json
  parlor-loadtest livestream --viewers 50 --target janus
  parlor-loadtest run evening.toml --duration 5m";

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// The run. It is checked.
    pub plan: Plan,
    /// Its thresholds.
    pub checks: Checks,
    /// The server's process, where it is named.
    pub pid: Option<u32>,
    /// Where the server's metrics are, when it is named.
    pub metrics: Option<reqwest::Url>,
    /// Print JSON instead of a table.
    pub is_json: bool,
    /// Tell nothing while it runs.
    pub is_quiet: bool,
    /// How long to measure first what a packet takes at the least.
    pub floor: Option<Duration>,
}

/// Put a server under the load of real clients, and measure what it does
#[derive(Debug, Parser)]
#[command(name = "parlor-loadtest", version, after_help = AFTER_HELP, subcommand_required = true, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    load: load::Load,
    #[command(flatten)]
    common: Common,
}

/// Flags of every scenario. Those without a value leave it to the file, or to the plan's default.
#[derive(Args, Debug)]
struct Common {
    /// Where the server is: http:// or https:// for Parlor, ws:// for Janus [default: http://localhost:8080, ws://localhost:8188]
    #[arg(long, global = true, value_name = "URL", help_heading = "Server")]
    server: Option<String>,
    /// What kind of server it is [default: parlor]
    #[arg(long, global = true, value_name = "KIND", help_heading = "Server")]
    target: Option<TargetArg>,
    /// Take any certificate
    #[arg(long, global = true, help_heading = "Server")]
    insecure: bool,
    /// A file with a credential that may create rooms and sign tokens, for servers with keys; also PARLOR_LOADTEST_CREDENTIAL
    #[arg(long, global = true, value_name = "FILE", help_heading = "Server")]
    credential_file: Option<PathBuf>,
    /// A room that is there already, for everybody to join [default: rooms of the tester's own, which end with the run]
    #[arg(long, global = true, value_name = "ID", help_heading = "Server")]
    room: Option<String>,
    /// The server's process, on this machine [default: whoever listens on the server's port]
    #[arg(long, global = true, value_name = "PID", value_parser = whole::<u32>(1, 4_194_304), help_heading = "Server")]
    pid: Option<u32>,
    /// The server's metrics [default: /metrics of a Parlor server]
    #[arg(long, global = true, value_name = "URL", value_parser = metrics_url, help_heading = "Server")]
    metrics: Option<reqwest::Url>,

    /// How long everybody stays once all have joined and settled [default: 30s]
    #[arg(long, global = true, value_name = "TIME", value_parser = seconds(0.1, 604_800.0), help_heading = "Run")]
    duration: Option<f64>,
    /// How many join in a second until all are there [default: 50]
    #[arg(long, global = true, value_name = "JOINS", value_parser = number(0.1, 10_000.0), help_heading = "Run")]
    ramp: Option<f64>,
    /// How long a join may take [default: 15s]
    #[arg(long, global = true, value_name = "TIME", value_parser = seconds(0.1, 600.0), help_heading = "Run")]
    join_timeout: Option<f64>,
    /// What everything that looks random is drawn from [default: 1]
    #[arg(long, global = true, value_name = "NUMBER", help_heading = "Run")]
    seed: Option<u64>,
    /// Threads of the tester's that send and receive [default: 1]
    #[arg(long, global = true, value_name = "COUNT", value_parser = whole::<usize>(1, 256), help_heading = "Run")]
    threads: Option<usize>,
    /// Receivers that decrypt and check everything, and measure latency [default: 2]
    #[arg(long, global = true, value_name = "COUNT", value_parser = whole::<usize>(0, 100_000), help_heading = "Run")]
    witnesses: Option<usize>,
    /// Of how many packets one is looked at closely by the other receivers [default: 16]
    #[arg(long, global = true, value_name = "COUNT", value_parser = whole::<u32>(1, 1_000_000_000), help_heading = "Run")]
    sample_every: Option<u32>,

    /// First measure for so long what the same packets take at the least on this machine, with no server: its CPU per packet says more
    /// beside that
    #[arg(long, global = true, value_name = "TIME", value_parser = seconds(0.1, 600.0), help_heading = "Report")]
    floor: Option<f64>,
    /// Print the report as JSON
    #[arg(long, global = true, help_heading = "Report")]
    json: bool,
    /// Tell nothing while it runs
    #[arg(long, short, global = true, help_heading = "Report")]
    quiet: bool,

    #[command(flatten)]
    checks: CheckArgs,
}

/// Thresholds: with any of them the exit code says whether they are met.
#[derive(Args, Debug)]
#[command(next_help_heading = "Thresholds")]
struct CheckArgs {
    /// Media packets that may be lost
    #[arg(long, global = true, value_name = "SHARE", value_parser = share)]
    max_loss: Option<f64>,
    /// One-way latency, 99th percentile
    #[arg(long, global = true, value_name = "TIME", value_parser = milliseconds)]
    max_latency_p99: Option<f64>,
    /// Jitter, 99th percentile
    #[arg(long, global = true, value_name = "TIME", value_parser = milliseconds)]
    max_jitter_p99: Option<f64>,
    /// Time of a join, 95th percentile
    #[arg(long, global = true, value_name = "TIME", value_parser = milliseconds)]
    max_join_p95: Option<f64>,
    /// Time from the begin of a join to the first media packet, 95th percentile
    #[arg(long, global = true, value_name = "TIME", value_parser = milliseconds)]
    max_first_packet_p95: Option<f64>,
    /// Joins that may fail
    #[arg(long, global = true, value_name = "SHARE", value_parser = share)]
    max_join_failures: Option<f64>,
    /// Media packets that arrive in a second, at all receivers together
    #[arg(long, global = true, value_name = "COUNT", value_parser = number(0.0, 1e9))]
    min_packets_per_second: Option<f64>,
    /// The server's CPU time per forwarded packet, in microseconds
    #[arg(long, global = true, value_name = "MICROSECONDS", value_parser = microseconds)]
    max_cpu_per_packet: Option<f64>,
    /// The server's memory per participant, in KiB
    #[arg(long, global = true, value_name = "KIB", value_parser = number(0.0, 1e9))]
    max_memory_per_participant: Option<f64>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum TargetArg {
    /// Parlor, by /ws
    Parlor,
    /// Janus with its VideoRoom plugin, by its WebSocket API
    Janus,
}

impl Order {
    /// Reads the command line, the first of whose arguments is the program.
    ///
    /// # Errors
    /// Says what is wrong and what is allowed; also when help or the version is asked for ([`clap::Error::exit`] knows what to do).
    pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let Cli { load, common } = Cli::try_parse_from(arguments)?;
        let (mut plan, file_checks) = match load {
            load::Load::Run { file } => file::read(&file).map_err(|text| refused(&text))?,
            load::Load::Flags(flags) => (file::plan(vec![flags.scenario()]), Checks::default()),
        };
        common.override_plan(&mut plan).map_err(|text| refused(&text))?;
        plan.check().map_err(|text| refused(&text))?;
        check_server(&plan).map_err(|text| refused(&text))?;
        check_room(&plan).map_err(|text| refused(&text))?;
        let checks = file_checks.overridden_by(&common.checks.checks());
        Ok(Self {
            plan,
            checks,
            pid: common.pid,
            metrics: common.metrics,
            is_json: common.json,
            is_quiet: common.quiet,
            floor: common.floor.map(Duration::from_secs_f64),
        })
    }
}

impl Common {
    fn override_plan(&self, plan: &mut Plan) -> Result<(), String> {
        let set = |place: &mut f64, value: Option<f64>| *place = value.unwrap_or(*place);
        set(&mut plan.duration_seconds, self.duration);
        set(&mut plan.joins_per_second, self.ramp);
        set(&mut plan.join_timeout_seconds, self.join_timeout);
        plan.seed = self.seed.unwrap_or(plan.seed);
        plan.threads = self.threads.unwrap_or(plan.threads);
        plan.witnesses = self.witnesses.unwrap_or(plan.witnesses);
        plan.sample_every = self.sample_every.unwrap_or(plan.sample_every);
        plan.insecure |= self.insecure;
        if let Some(target) = self.target {
            plan.target = match target {
                TargetArg::Parlor => TargetKind::Parlor,
                TargetArg::Janus => TargetKind::Janus,
            };
        }
        if let Some(server) = &self.server {
            plan.server.clone_from(server);
        } else if plan.server.is_empty() {
            plan.server = plan.target.default_server().to_owned();
        }
        if self.room.is_some() {
            plan.room.clone_from(&self.room);
        }
        if let Some(credential) = self.credential()? {
            plan.credential = Some(credential);
        }
        Ok(())
    }

    fn credential(&self) -> Result<Option<String>, String> {
        let Some(path) = &self.credential_file else {
            return Ok(std::env::var(CREDENTIAL).ok().filter(|value| !value.is_empty()));
        };
        let text =
            std::fs::read_to_string(path).map_err(|error| format!("--credential-file {}: {error}", path.display()))?;
        Ok(Some(text.trim().to_owned()))
    }
}

impl CheckArgs {
    fn checks(&self) -> Checks {
        Checks {
            max_loss: self.max_loss,
            max_latency_p99_ms: self.max_latency_p99,
            max_jitter_p99_ms: self.max_jitter_p99,
            max_join_p95_ms: self.max_join_p95,
            max_first_packet_p95_ms: self.max_first_packet_p95,
            max_join_failures: self.max_join_failures,
            min_packets_per_second: self.min_packets_per_second,
            max_cpu_us_per_packet: self.max_cpu_per_packet,
            max_kib_per_participant: self.max_memory_per_participant,
        }
    }
}

/// Whether the server's URL is one of its kind of server.
fn check_server(plan: &Plan) -> Result<(), String> {
    let (schemes, example): (&[&str], _) = match plan.target {
        TargetKind::Parlor => (&["http", "https"], "http://localhost:8080"),
        TargetKind::Janus => (&["ws"], "ws://localhost:8188"),
    };
    let url = reqwest::Url::parse(&plan.server).ok().filter(|url| schemes.contains(&url.scheme()) && url.has_host());
    let kind = plan.target.name();
    url.map(drop).ok_or_else(|| {
        format!("the server (--server) is {:?}, allowed for {kind} is a URL such as {example}", plan.server)
    })
}

fn check_room(plan: &Plan) -> Result<(), String> {
    let Some(room) = &plan.room else { return Ok(()) };
    let (is_allowed, allowed) = match plan.target {
        TargetKind::Parlor => (RoomCode::parse(room).is_some(), "3 to 64 letters, digits, - and _"),
        TargetKind::Janus => (room.parse::<u64>().is_ok(), "a number"),
    };
    let kind = plan.target.name();
    if is_allowed { Ok(()) } else { Err(format!("the room (--room) is {room:?}, allowed for {kind} is {allowed}")) }
}

fn metrics_url(text: &str) -> Result<reqwest::Url, String> {
    let url = reqwest::Url::parse(text).ok().filter(|url| ["http", "https"].contains(&url.scheme()) && url.has_host());
    url.ok_or_else(|| "expected a URL such as http://localhost:9090/metrics".to_owned())
}

fn refused(text: &str) -> clap::Error {
    Cli::command().error(ErrorKind::ValueValidation, text)
}
