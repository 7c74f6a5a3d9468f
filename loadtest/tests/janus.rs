//! A livestream on the real Janus, with the configuration of `loadtest/janus` on another port. Where `janus` is not installed the test
//! says that it is skipped; `REQUIRE_JANUS=1` makes that a failure.
#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

use parlor_loadtest::cli::Order;
use parlor_loadtest::command::{Exit, execute};
use parlor_loadtest::report::Source;
use std::ffi::OsString;
use std::io::Write;
use std::net::{IpAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// For Janus to listen.
const PATIENCE: Duration = Duration::from_secs(30);

struct Janus {
    process: Child,
    port: u16,
    _configuration: tempfile::TempDir,
}

impl Janus {
    /// `None` where it is not installed, or where this machine has no address for its media.
    fn start() -> Option<Self> {
        let address = media_address()?;
        let configuration = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("janus");
        for entry in std::fs::read_dir(source).unwrap().flatten() {
            let text =
                std::fs::read_to_string(entry.path()).unwrap().replace("ws_port = 8188", &format!("ws_port = {port}"));
            std::fs::write(configuration.path().join(entry.file_name()), text).unwrap();
        }
        let mut command = Command::new("janus");
        command.arg("-F").arg(configuration.path()).arg("-E").arg(address.to_string());
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
        let janus = Self { process, port, _configuration: configuration };
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(began.elapsed() < PATIENCE, "Janus does not listen");
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(janus)
    }
}

impl Drop for Janus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// An address of this machine other than loopback, which libnice does not use. Connecting a UDP socket sends nothing.
fn media_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    socket.local_addr().ok().map(|address| address.ip()).filter(|ip| !ip.is_loopback() && !ip.is_unspecified())
}

fn order(line: &str) -> Order {
    Order::parse(["parlor-loadtest"].into_iter().chain(line.split_whitespace()).map(OsString::from)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn real_clients_watch_a_livestream_on_janus() {
    let Some(janus) = Janus::start() else {
        assert!(std::env::var_os("REQUIRE_JANUS").is_none(), "janus cannot be started");
        writeln!(std::io::stderr(), "skipped: janus is not installed, or there is no network").unwrap();
        return;
    };
    let _ = rustls::crypto::ring::default_provider().install_default();
    let server = format!("ws://127.0.0.1:{}", janus.port);
    let line =
        format!("livestream --viewers 3 --target janus --server {server} --duration 4s --video-bitrate 500k --quiet");
    let report = execute(&order(&line), CancellationToken::new()).await.unwrap();
    let table = report.to_table();
    assert_eq!((report.total.joins.succeeded, report.total.leaves.succeeded), (4, 4), "{table}");
    assert_eq!(Exit::of(&report), Exit::Done, "{table}");
    let received = &report.total.received;
    assert!(received.video.packets > 0 && received.audio.packets > 0, "{table}");
    // Both of the witnesses read all that they got.
    assert!(report.total.witnesses.packets > 0, "{table}");
    assert_eq!((report.total.witnesses.undecryptable, report.total.witnesses.wrong_content), (0, 0), "{table}");
    assert_eq!(
        (report.server.process.as_deref(), report.server.pid),
        (Some("janus"), Some(janus.process.id())),
        "{table}"
    );
    assert_eq!(
        (report.server.cpu_from, report.server.packets_from),
        (Some(Source::Proc), Some(Source::Received)),
        "{table}"
    );
    assert!(report.server.cpu_us_per_packet.is_some_and(|time| time > 0.0), "{table}");
}
