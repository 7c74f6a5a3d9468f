//! Telling systemd that the service is up, where systemd asks for it (`Type=notify`; sd_notify(3)).

use std::ffi::OsStr;
use std::io;

/// The variable that names the socket to tell it on.
const SOCKET: &str = "NOTIFY_SOCKET";

/// Says that the server serves. Without systemd nothing happens; a failure is logged, since systemd then gives up on the service.
pub fn tell_ready() {
    let Some(socket) = std::env::var_os(SOCKET) else { return };
    if let Err(error) = tell(&socket, b"READY=1") {
        tracing::warn!(%error, "cannot tell systemd that the server is ready ({SOCKET})");
    }
}

#[cfg(target_os = "linux")]
fn tell(socket: &OsStr, state: &[u8]) -> io::Result<()> {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};

    // An @ stands for the zero byte of an abstract name.
    let address = match socket.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(socket)?,
    };
    UnixDatagram::unbound()?.send_to_addr(state, &address).map(drop)
}

#[cfg(not(target_os = "linux"))]
fn tell(_: &OsStr, _: &[u8]) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(target_os = "linux")]
#[cfg(test)]
mod tests {
    use super::*;
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};

    fn heard(socket: &UnixDatagram) -> Vec<u8> {
        let mut state = [0; 64];
        let length = socket.recv(&mut state).unwrap();
        state[..length].to_vec()
    }

    #[test]
    fn systemd_is_told_by_path_and_by_abstract_name() {
        let path = std::env::temp_dir().join(format!("parlor-notify-{}", std::process::id()));
        let socket = UnixDatagram::bind(&path).unwrap();
        tell(path.as_os_str(), b"READY=1").unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(heard(&socket), b"READY=1");

        let name = format!("parlor-notify-{}", std::process::id());
        let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        tell(format!("@{name}").as_ref(), b"READY=1").unwrap();
        assert_eq!(heard(&socket), b"READY=1");
    }

    #[test]
    fn a_socket_that_is_not_there_is_an_error() {
        assert!(tell("/nonexistent/notify".as_ref(), b"READY=1").is_err());
    }
}
