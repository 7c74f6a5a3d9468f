//! Control messages: the local address of a datagram both ways, and the segment size of a joined message both ways. And the options of sockets
//! that ask for them, and for more.

use socket2::Socket;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsRawFd;

/// Room for an `in6_pktinfo` (40 bytes with its header on 64 bits) and a segment size (24), and for what a kernel may add.
const CONTROL_BYTES: usize = 128;

/// A control buffer, aligned as `cmsghdr` must be.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
pub(crate) struct Control {
    bytes: [u8; CONTROL_BYTES],
    used: usize,
}

impl Control {
    pub(crate) const fn new() -> Self {
        Self { bytes: [0; CONTROL_BYTES], used: 0 }
    }

    /// Points `header` at what was pushed.
    pub(crate) fn attach(&mut self, header: &mut libc::msghdr) {
        header.msg_control = if self.used == 0 { std::ptr::null_mut() } else { self.bytes.as_mut_ptr().cast() };
        header.msg_controllen = self.used as _;
    }

    /// Points `header` at the whole buffer, for the kernel to fill.
    pub(crate) fn attach_empty(&mut self, header: &mut libc::msghdr) {
        header.msg_control = self.bytes.as_mut_ptr().cast();
        header.msg_controllen = CONTROL_BYTES as _;
    }

    pub(crate) fn clear(&mut self) {
        self.used = 0;
    }

    /// Asks for `local` as the datagram's source address. An unspecified one is left to the routing table.
    pub(crate) fn push_source(&mut self, local: IpAddr, dual_stack: bool) {
        let mapped = match local {
            local if local.is_unspecified() => return,
            IpAddr::V4(v4) if !dual_stack => {
                let spec_dst = libc::in_addr { s_addr: u32::from_ne_bytes(v4.octets()) };
                let info =
                    libc::in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: spec_dst, ipi_addr: libc::in_addr { s_addr: 0 } };
                return self.push(libc::IPPROTO_IP, libc::IP_PKTINFO, info);
            }
            IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            IpAddr::V6(v6) => v6,
        };
        let info = libc::in6_pktinfo { ipi6_addr: libc::in6_addr { s6_addr: mapped.octets() }, ipi6_ifindex: 0 };
        self.push(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info);
    }

    /// Makes the kernel cut the message into datagrams of `bytes`.
    pub(crate) fn push_segment_size(&mut self, bytes: u16) {
        self.push(libc::SOL_UDP, libc::UDP_SEGMENT, bytes);
    }

    fn push<T: Copy>(&mut self, level: libc::c_int, kind: libc::c_int, value: T) {
        // SAFETY: CMSG_SPACE and CMSG_LEN only compute.
        let (space, len) = unsafe {
            (libc::CMSG_SPACE(size_of::<T>() as u32) as usize, libc::CMSG_LEN(size_of::<T>() as u32) as usize)
        };
        let Some(room) = self.bytes.get_mut(self.used..self.used + space) else {
            debug_assert!(false, "CONTROL_BYTES is too small");
            return;
        };
        let header: *mut libc::cmsghdr = room.as_mut_ptr().cast();
        // SAFETY: `room` holds CMSG_SPACE bytes for the header and a T. It is aligned for `cmsghdr`, since the buffer is
        // and every CMSG_SPACE is a multiple of that alignment; the value is written without assuming alignment.
        unsafe {
            (*header).cmsg_len = len as _;
            (*header).cmsg_level = level;
            (*header).cmsg_type = kind;
            std::ptr::write_unaligned(libc::CMSG_DATA(header).cast::<T>(), value);
        }
        self.used += space;
    }
}

/// What the kernel tells of a received message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// The address it was sent to; unspecified if the kernel did not tell.
    pub(crate) local: IpAddr,
    /// The size of the datagrams that it was joined from, of which the last may be shorter.
    pub(crate) segment: Option<usize>,
}

/// Reads the control messages of a received message.
///
/// # Safety
/// `header` must be as `recvmsg` or `recvmmsg` left it, its control buffer still alive.
pub(crate) unsafe fn told(header: &libc::msghdr) -> Told {
    let mut told = Told { local: Ipv6Addr::UNSPECIFIED.into(), segment: None };
    // SAFETY: as promised by the caller, the control buffer is readable and holds what the kernel wrote; the CMSG
    // functions stay within `msg_controllen`.
    let mut message = unsafe { libc::CMSG_FIRSTHDR(header) };
    while !message.is_null() {
        // SAFETY: `message` is a whole header within the buffer. The kernel writes the full structure for these types,
        // and they are read without assuming alignment.
        unsafe {
            match ((*message).cmsg_level, (*message).cmsg_type) {
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    let info = std::ptr::read_unaligned(libc::CMSG_DATA(message).cast::<libc::in6_pktinfo>());
                    told.local = Ipv6Addr::from(info.ipi6_addr.s6_addr).into();
                }
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                    let info = std::ptr::read_unaligned(libc::CMSG_DATA(message).cast::<libc::in_pktinfo>());
                    told.local = Ipv4Addr::from(info.ipi_addr.s_addr.to_ne_bytes()).into();
                }
                (libc::SOL_UDP, libc::UDP_GRO) => {
                    let size = std::ptr::read_unaligned(libc::CMSG_DATA(message).cast::<libc::c_int>());
                    told.segment = usize::try_from(size).ok().filter(|size| *size > 0);
                }
                _ => {}
            }
            message = libc::CMSG_NXTHDR(header, message);
        }
    }
    told
}

/// Has the kernel report the local address of every datagram.
pub(crate) fn request_local_address(socket: &Socket, dual_stack: bool) -> io::Result<()> {
    if dual_stack {
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, &ON)
    } else {
        set_option(socket, libc::IPPROTO_IP, libc::IP_PKTINFO, &ON)
    }
}

/// The place in `SO_MEMINFO` of the number of datagrams dropped before they were received.
const DROPS: usize = libc::SK_MEMINFO_DROPS as usize;

/// How many datagrams the kernel has dropped since the socket's beginning, nearly all for a full buffer. `None` before Linux 4.12.
pub(crate) fn kernel_drops(socket: &impl AsRawFd) -> Option<u32> {
    let mut memory = [0_u32; DROPS + 1];
    let mut len = size_of_val(&memory) as libc::socklen_t;
    // SAFETY: the descriptor is open as long as `socket` lives; the kernel writes at most `len` bytes into the array.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            memory.as_mut_ptr().cast(),
            &raw mut len,
        )
    };
    (result == 0 && len as usize == size_of_val(&memory)).then_some(memory[DROPS])
}

/// Has the kernel give datagrams of whose first 16 bits those of a mask have some value to the second of the sockets that share a port,
/// and all others to the first, which this is.
pub(crate) fn divert_to_second(socket: &Socket, (mask, bits): (u16, u16)) -> io::Result<()> {
    let instruction = |code: u32, jt, jf, k| libc::sock_filter { code: code as u16, jt, jf, k };
    let mut program = [
        // What is shorter ends the program with 0.
        instruction(libc::BPF_LD | libc::BPF_H | libc::BPF_ABS, 0, 0, 0),
        instruction(libc::BPF_ALU | libc::BPF_AND, 0, 0, mask.into()),
        instruction(libc::BPF_JMP | libc::BPF_JEQ, 0, 1, bits.into()),
        instruction(libc::BPF_RET, 0, 0, 1),
        instruction(libc::BPF_RET, 0, 0, 0),
    ];
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // The kernel copies the instructions.
    set_option(socket, libc::SOL_SOCKET, libc::SO_ATTACH_REUSEPORT_CBPF, &program)
}

/// Has the kernel join datagrams of one sender (GRO).
pub(crate) fn request_joined_datagrams(socket: &Socket) -> io::Result<()> {
    set_option(socket, libc::SOL_UDP, libc::UDP_GRO, &ON)
}

/// The value of an option that is switched on.
const ON: libc::c_int = 1;

fn set_option<T>(socket: &Socket, level: libc::c_int, name: libc::c_int, value: &T) -> io::Result<()> {
    let len = size_of::<T>() as libc::socklen_t;
    // SAFETY: the descriptor is open as long as `socket` lives. The kernel reads `len` bytes of the value, and what it points to if it is a
    // program, both of which outlive the call.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, std::ptr::from_ref(value).cast(), len) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
