//! The system calls of sending, which tests replace.

use crate::net::udp::UdpEndpoint;
use std::io;
use std::os::fd::AsRawFd;

/// What takes messages.
pub(crate) trait Kernel {
    /// Hands messages over, without waiting; how many were taken, at least one.
    ///
    /// # Safety
    /// Name, vectors and control of every header must point at memory that stays readable and unchanged during the call.
    unsafe fn send(&mut self, endpoint: &UdpEndpoint, headers: &mut [libc::mmsghdr]) -> io::Result<usize>;
}

/// The real one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct System;

impl Kernel for System {
    unsafe fn send(&mut self, endpoint: &UdpEndpoint, headers: &mut [libc::mmsghdr]) -> io::Result<usize> {
        // SAFETY: the caller vouches for what the headers point at, through which the kernel only reads; the descriptor is
        // open as long as `endpoint` lives.
        let sent = unsafe {
            libc::sendmmsg(
                endpoint.socket.as_raw_fd(),
                headers.as_mut_ptr(),
                headers.len() as libc::c_uint,
                (libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) as _,
            )
        };
        if sent <= 0 { Err(io::Error::last_os_error()) } else { Ok((sent as usize).min(headers.len())) }
    }
}

/// Whether the kernel knows the socket option, which came with the feature (Linux 4.18).
pub(super) fn has_gso(endpoint: &UdpEndpoint) -> bool {
    let mut value: libc::c_int = 0;
    let mut len = size_of_val(&value) as libc::socklen_t;
    // SAFETY: the descriptor is open as long as `endpoint` lives; value and length outlive the call.
    let result = unsafe {
        libc::getsockopt(
            endpoint.socket.as_raw_fd(),
            libc::SOL_UDP,
            libc::UDP_SEGMENT,
            (&raw mut value).cast(),
            &raw mut len,
        )
    };
    result == 0
}
