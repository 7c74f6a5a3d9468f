//! Who receives: a socket for each destination, emptied between the turns.

use socket2::SockRef;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

/// Each holds many turns' datagrams.
const BUFFER_BYTES: usize = 1 << 20;

/// Sockets on loopback that take joined datagrams.
pub(crate) struct Receivers {
    sockets: Vec<UdpSocket>,
    buffer: Box<[u8]>,
}

impl Receivers {
    /// That many.
    pub(crate) fn new(count: usize) -> Self {
        let sockets = (0..count).map(|_| {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
            socket.set_nonblocking(true).expect("non-blocking");
            SockRef::from(&socket).set_recv_buffer_size(BUFFER_BYTES).expect("a buffer");
            #[cfg(target_os = "linux")]
            take_joined(&socket);
            socket
        });
        Self { sockets: sockets.collect(), buffer: vec![0; 1 << 16].into_boxed_slice() }
    }

    /// Where they are.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.sockets.iter().map(|socket| socket.local_addr().expect("bound")).collect()
    }

    /// Takes everything that has come; how many bytes that was.
    pub(crate) fn drain(&mut self) -> usize {
        let mut bytes = 0;
        for socket in &self.sockets {
            while let Ok(len) = socket.recv(&mut self.buffer) {
                bytes += len;
            }
        }
        bytes
    }
}

/// Keeps GSO messages whole on loopback, as a network device would on the way out.
#[cfg(target_os = "linux")]
fn take_joined(socket: &UdpSocket) {
    use std::os::fd::AsRawFd;
    let on: libc::c_int = 1;
    let len = size_of_val(&on) as libc::socklen_t;
    // SAFETY: the descriptor is open, and the value outlives the call.
    let result =
        unsafe { libc::setsockopt(socket.as_raw_fd(), libc::SOL_UDP, libc::UDP_GRO, (&raw const on).cast(), len) };
    assert_eq!(result, 0, "UDP_GRO: {}", std::io::Error::last_os_error());
}
