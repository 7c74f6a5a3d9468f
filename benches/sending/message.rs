//! Messages for `sendmsg` and `sendmmsg`, whose parts live as long as they do.

use socket2::SockAddr;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV6};

/// One message: an address, its datagrams, and control messages.
pub(crate) struct Message {
    pub(crate) address: Box<SockAddr>,
    vectors: Box<[libc::iovec]>,
    control: Box<Control>,
    control_len: usize,
}

#[repr(C, align(8))]
struct Control([u8; 128]);

/// What a message says beside its bytes.
#[derive(Clone, Copy, Default)]
pub(crate) struct Extras {
    /// The source address.
    pub(crate) source: Option<Ipv4Addr>,
    /// The socket speaks IPv6, and IPv4 by mapped addresses.
    pub(crate) mapped: bool,
    /// The size to which the kernel cuts the message.
    pub(crate) segment: Option<u16>,
}

/// `address` as a socket of the family takes it.
pub(crate) fn wire(address: SocketAddr, mapped: bool) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) if mapped => SocketAddrV6::new(v4.ip().to_ipv6_mapped(), v4.port(), 0, 0).into(),
        other => other,
    }
}

impl Message {
    /// A message of datagrams that outlive it.
    pub(crate) fn new(to: SocketAddr, datagrams: &'static [&'static [u8]], extras: Extras) -> Self {
        let vectors = datagrams
            .iter()
            .map(|bytes| libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() })
            .collect();
        let mut message = Self {
            address: Box::new(wire(to, extras.mapped).into()),
            vectors,
            control: Box::new(Control([0; 128])),
            control_len: 0,
        };
        if let Some(source) = extras.source {
            if extras.mapped {
                let ipi6_addr = libc::in6_addr { s6_addr: source.to_ipv6_mapped().octets() };
                let info = libc::in6_pktinfo { ipi6_addr, ipi6_ifindex: 0 };
                message.push(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info);
            } else {
                let ipi_spec_dst = libc::in_addr { s_addr: u32::from_ne_bytes(source.octets()) };
                let info = libc::in_pktinfo { ipi_ifindex: 0, ipi_spec_dst, ipi_addr: libc::in_addr { s_addr: 0 } };
                message.push(libc::IPPROTO_IP, libc::IP_PKTINFO, info);
            }
        }
        if let Some(segment) = extras.segment {
            message.push(libc::SOL_UDP, libc::UDP_SEGMENT, segment);
        }
        message
    }

    fn push<T>(&mut self, level: libc::c_int, kind: libc::c_int, value: T) {
        // SAFETY: CMSG_SPACE and CMSG_LEN only compute.
        let (space, len) = unsafe {
            (libc::CMSG_SPACE(size_of::<T>() as u32) as usize, libc::CMSG_LEN(size_of::<T>() as u32) as usize)
        };
        let room = &mut self.control.0[self.control_len..self.control_len + space];
        let header: *mut libc::cmsghdr = room.as_mut_ptr().cast();
        // SAFETY: `room` holds the header and a T behind it, aligned as every CMSG_SPACE keeps it.
        unsafe {
            (*header).cmsg_len = len as _;
            (*header).cmsg_level = level;
            (*header).cmsg_type = kind;
            std::ptr::write_unaligned(libc::CMSG_DATA(header).cast::<T>(), value);
        }
        self.control_len += space;
    }

    /// As the kernel wants it. Points into `self`, which must outlive its use.
    pub(crate) fn header(&mut self) -> libc::msghdr {
        // SAFETY: a plain C structure, for which zeros are valid.
        let mut header = unsafe { std::mem::zeroed::<libc::msghdr>() };
        header.msg_name = self.address.as_ptr().cast_mut().cast();
        header.msg_namelen = self.address.len();
        header.msg_iov = self.vectors.as_mut_ptr();
        header.msg_iovlen = self.vectors.len() as _;
        if self.control_len > 0 {
            header.msg_control = self.control.0.as_mut_ptr().cast();
            header.msg_controllen = self.control_len as _;
        }
        header
    }
}
