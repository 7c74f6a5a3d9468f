//! Socket options and control messages of Linux.

use mio::net::UdpSocket;
use std::io;
use std::os::fd::AsRawFd;

/// Room for a segment size and a time, each with its header, and for what a kernel may add.
const BYTES: usize = 128;

/// A control buffer, aligned as `cmsghdr` must be.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
pub(super) struct Control([u8; BYTES]);

impl Control {
    pub(super) const fn new() -> Self {
        Self([0; BYTES])
    }

    /// Points `header` at the whole buffer, for the kernel to fill.
    pub(super) fn attach(&mut self, header: &mut libc::msghdr) {
        header.msg_control = self.0.as_mut_ptr().cast();
        header.msg_controllen = BYTES as _;
    }

    /// Has the kernel cut the message of `header` into datagrams of so many bytes.
    pub(super) fn attach_segment_size(&mut self, header: &mut libc::msghdr, bytes: u16) {
        // SAFETY: CMSG_SPACE and CMSG_LEN only compute.
        let (space, len) = unsafe { (libc::CMSG_SPACE(2) as usize, libc::CMSG_LEN(2) as usize) };
        let head: *mut libc::cmsghdr = self.0.as_mut_ptr().cast();
        // SAFETY: the buffer is larger than one header with two bytes and aligned for `cmsghdr`; the value is written
        // without assuming alignment.
        unsafe {
            (*head).cmsg_len = len as _;
            (*head).cmsg_level = libc::SOL_UDP;
            (*head).cmsg_type = libc::UDP_SEGMENT;
            std::ptr::write_unaligned(libc::CMSG_DATA(head).cast::<u16>(), bytes);
        }
        header.msg_control = self.0.as_mut_ptr().cast();
        header.msg_controllen = space as _;
    }
}

/// What the kernel says of a received message.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Notes {
    /// The size of the datagrams that it was joined from; the last may be shorter.
    pub(super) segment: Option<usize>,
    /// When it arrived, in nanoseconds of the wall clock.
    pub(super) stamp: Option<i128>,
}

/// Reads the control messages of a received message.
///
/// # Safety
/// `header` must be as `recvmmsg` left it, its control buffer still alive.
pub(super) unsafe fn notes(header: &libc::msghdr) -> Notes {
    let mut notes = Notes::default();
    // SAFETY: as promised by the caller, the control buffer is readable and holds what the kernel wrote; the CMSG
    // functions stay within `msg_controllen`.
    let mut message = unsafe { libc::CMSG_FIRSTHDR(header) };
    while !message.is_null() {
        // SAFETY: `message` is a whole header within the buffer. The kernel writes the full value for these types, and
        // they are read without assuming alignment.
        unsafe {
            match ((*message).cmsg_level, (*message).cmsg_type) {
                (libc::SOL_UDP, libc::UDP_GRO) => {
                    let size = std::ptr::read_unaligned(libc::CMSG_DATA(message).cast::<libc::c_int>());
                    notes.segment = usize::try_from(size).ok().filter(|size| *size > 0);
                }
                (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => {
                    let time = std::ptr::read_unaligned(libc::CMSG_DATA(message).cast::<libc::timespec>());
                    notes.stamp = Some(i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec));
                }
                _ => {}
            }
            message = libc::CMSG_NXTHDR(header, message);
        }
    }
    notes
}

/// Has the kernel join datagrams of one sender.
pub(super) fn request_joined_datagrams(socket: &impl AsRawFd) -> io::Result<()> {
    set_option(socket, libc::SOL_UDP, libc::UDP_GRO)
}

/// Has the kernel tell when something arrived.
pub(super) fn request_stamps(socket: &impl AsRawFd) -> io::Result<()> {
    set_option(socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS)
}

fn set_option(socket: &impl AsRawFd, level: libc::c_int, name: libc::c_int) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the descriptor is open as long as `socket` lives, and the option's value is a c_int that outlives the call.
    let result = unsafe {
        libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const on).cast(), size_of_val(&on) as libc::socklen_t)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The place in `SO_MEMINFO` of the number of datagrams dropped before they were received.
const DROPS: usize = libc::SK_MEMINFO_DROPS as usize;

/// How many datagrams the kernel has dropped since the socket's beginning, nearly all for a full buffer. It wraps.
pub fn kernel_drops(socket: &UdpSocket) -> Option<u32> {
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
