//! A real mongod for tests, of the tests' own, which is gone when the process is: `scripts/mongod.sh` watches over it.
//!
//! One standalone server and one replica set of a single member serve a whole test binary, started when the first test needs
//! them; each test has a database of its own. With `MONGODB_URI` that server is used in their place. Where there is no mongod
//! the tests say that they are skipped, and with `REQUIRE_MONGO=1` they fail.

use super::MongoStore;
use mongodb::bson::doc;
use mongodb::options::ClientOptions;
use mongodb::{Client, Database};
use std::env;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::runtime::Handle;

/// What a start may take on a machine that builds at the same time.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// What a call may take on such a machine, where how long it takes is not what is tested.
const PATIENCE: Duration = Duration::from_secs(120);

/// A mongod that runs for as long as this value, or the process, lives.
pub(crate) struct Mongod {
    /// Holds the pipe whose end is the server's end.
    shell: Child,
    pid: u32,
    port: u16,
}

/// Kinds of servers on which the store must work alike.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Standalone,
    ReplicaSet,
}

/// A database of a test's own, dropped at its end.
pub(crate) struct Lent {
    pub(crate) url: String,
    /// To look at what is really there.
    pub(crate) database: Database,
}

impl Mongod {
    /// Starts one over the database in `folder`; `None`: over one that is removed afterwards. `None` when there is no mongod.
    pub(crate) fn start(folder: Option<&Path>, port: u16, arguments: &[&str]) -> Option<Self> {
        let mut shell = Command::new(script())
            .arg("serve")
            .arg(folder.unwrap_or(Path::new("-")))
            .arg(port.to_string())
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(shell.stdout.take().unwrap()).read_line(&mut line).unwrap();
        match line.trim().parse() {
            Ok(pid) => Some(Self { shell, pid, port }),
            Err(_) => {
                // It has said why, and ended.
                shell.wait().unwrap();
                None
            }
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("mongodb://127.0.0.1:{}/", self.port)
    }

    /// The URL whose client soon sees that the server is away.
    pub(crate) fn watched_url(&self) -> String {
        format!("{}?serverSelectionTimeoutMS=1000&connectTimeoutMS=1000&heartbeatFrequencyMS=500", self.url())
    }

    /// Sends a signal: `-STOP`.
    pub(crate) fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([name, &self.pid.to_string()]).status().unwrap().success());
    }

    /// kill -9. What it has not written by then it never will.
    pub(crate) fn kill(self) {
        self.signal("-9");
    }

    /// Waits until the server answers.
    pub(crate) async fn is_up(&self) {
        let mut options = ClientOptions::parse(self.url()).await.unwrap();
        options.direct_connection = Some(true);
        options.server_selection_timeout = Some(START_TIMEOUT);
        let client = Client::with_options(options).unwrap();
        client.database("admin").run_command(doc! { "ping": 1 }).await.unwrap();
    }

    fn end(&mut self) {
        drop(self.shell.stdin.take());
        self.shell.wait().unwrap();
    }
}

impl Drop for Mongod {
    fn drop(&mut self) {
        self.end();
    }
}

impl Lent {
    /// A store over a new database, or `None` (said aloud) where there is no mongod.
    pub(crate) async fn with_store(kind: Kind) -> Option<(MongoStore, Self)> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let server = shared(kind).await?;
        let name = format!("parlor_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let mut options = ClientOptions::parse(&server).await.unwrap();
        options.server_selection_timeout = Some(START_TIMEOUT);
        let database = Client::with_options(options).unwrap().database(&name);
        // Once it answers as the primary; a new replica set elects itself after a moment.
        database.run_command(doc! { "ping": 1 }).await.unwrap();
        let url = in_database(&server, &name);
        Some((MongoStore::open_with_patience(&url, PATIENCE).await.unwrap(), Self { url, database }))
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        // Also when the test has failed. It needs a runtime of several threads.
        let dropped = tokio::task::block_in_place(|| Handle::current().block_on(self.database.drop().into_future()));
        if let Err(error) = dropped {
            let _ = writeln!(std::io::stderr(), "the database {} was not dropped: {error}", self.database.name());
        }
    }
}

/// The same server's URL with another database.
fn in_database(server: &str, name: &str) -> String {
    let (scheme, rest) = server.split_once("://").unwrap();
    let (rest, query) = rest.split_once('?').map_or((rest, ""), |(rest, query)| (rest, query));
    let hosts = rest.split('/').next().unwrap();
    format!("{scheme}://{hosts}/{name}?{query}")
}

/// The URL of the server that all tests of this process share.
async fn shared(kind: Kind) -> Option<String> {
    static SERVERS: [OnceLock<Option<Mongod>>; 2] = [OnceLock::new(), OnceLock::new()];
    if let Ok(url) = env::var("MONGODB_URI") {
        return Some(url);
    }
    let arguments: &[&str] = match kind {
        Kind::Standalone => &[],
        Kind::ReplicaSet => &["--replSet", "rs0", "--oplogSize", "32"],
    };
    let server = SERVERS[kind as usize].get_or_init(|| found(Mongod::start(None, free_port(), arguments)));
    let server = server.as_ref()?;
    server.is_up().await;
    match kind {
        Kind::Standalone => Some(server.url()),
        Kind::ReplicaSet => {
            initiate(server).await;
            Some(format!("{}?replicaSet=rs0", server.url()))
        }
    }
}

/// Makes the server a replica set of itself, unless it is one.
async fn initiate(server: &Mongod) {
    let client = Client::with_uri_str(format!("{}?directConnection=true", server.url())).await.unwrap();
    let member = doc! { "_id": 0, "host": format!("127.0.0.1:{}", server.port) };
    let command = doc! { "replSetInitiate": { "_id": "rs0", "members": [member] } };
    // Of several tests that come at a time one does it.
    drop(client.database("admin").run_command(command).await);
}

/// What there is, or a loud word that there is nothing.
pub(crate) fn found<T>(server: Option<T>) -> Option<T> {
    if server.is_none() {
        assert!(env::var("REQUIRE_MONGO").as_deref() != Ok("1"), "there is no mongod, and REQUIRE_MONGO is set");
        // Past the test harness, which shows nothing of tests that pass.
        let _ =
            writeln!(std::io::stderr(), "SKIPPED: tests of MongoDB, for want of a mongod: run scripts/mongod.sh path");
    }
    server
}

/// A port that nobody listens on now.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/mongod.sh")
}
