//! What is compared.

use crate::message::Extras;
use crate::ring;
use crate::ways::{self, Way, set, socket};
use std::net::{Ipv4Addr, SocketAddr};

/// A sealed packet of 160 bytes of audio.
const AUDIO: &[u8] = &[7; 188];
/// A sealed packet of 1,200 bytes of video.
const VIDEO: &[u8] = &[7; 1_228];

static ONE: [&[u8]; 1] = [AUDIO];
static TWO: [&[u8]; 2] = [AUDIO; 2];
static FRAME: [&[u8]; 8] = [VIDEO; 8];
static FRAME_AND_ONE: [&[u8]; 9] = [VIDEO, VIDEO, VIDEO, VIDEO, VIDEO, VIDEO, VIDEO, VIDEO, AUDIO];

/// A way of sending.
pub(crate) struct Candidate {
    pub(crate) name: &'static str,
    /// To each destination.
    pub(crate) datagrams: usize,
    pub(crate) way: Way,
}

/// All of them, from `source` where they name it.
pub(crate) fn candidates(to: &[SocketAddr], source: Ipv4Addr) -> Vec<Candidate> {
    let v4 = Extras::default();
    let v6 = Extras { mapped: true, ..v4 };
    let (v4_info, v6_info) = (Extras { source: Some(source), ..v4 }, Extras { source: Some(source), ..v6 });
    let cut = |extras: Extras, size: &[u8]| Extras { segment: Some(size.len() as u16), ..extras };
    let with = |level, name, value| {
        let socket = socket(false);
        set(&socket, level, name, value);
        socket
    };
    let probing = with(libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_PROBE);
    let unchecked = with(libc::SOL_SOCKET, libc::SO_NO_CHECK, 1);
    let small = with(libc::SOL_SOCKET, libc::SO_SNDBUF, 100_000);
    let plain = |mapped| ways::sendto(socket(mapped), to, mapped, AUDIO, 0);
    let each = |datagrams, extras: Extras| ways::sendmsg(socket(extras.mapped), to, datagrams, extras);
    let all = |datagrams, extras: Extras| ways::sendmmsg(socket(extras.mapped), to, datagrams, extras);
    let list: Vec<(&'static str, usize, Way)> = vec![
        ("`sendto`, IPv4 socket", 1, plain(false)),
        ("`sendto`, dual-stack socket", 1, plain(true)),
        ("`sendto`, `IP_MTU_DISCOVER` = `PROBE`", 1, ways::sendto(probing, to, false, AUDIO, 0)),
        ("`sendto`, `SO_NO_CHECK`", 1, ways::sendto(unchecked, to, false, AUDIO, 0)),
        ("`sendto`, small `SO_SNDBUF`", 1, ways::sendto(small, to, false, AUDIO, 0)),
        ("`sendto`, `MSG_CONFIRM`", 1, ways::sendto(socket(false), to, false, AUDIO, libc::MSG_CONFIRM)),
        ("`sendto`, `MSG_ZEROCOPY`", 1, ways::zero_copy(to, AUDIO)),
        ("`sendmsg`, IPv4 socket", 1, each(&ONE, v4)),
        ("`sendmsg`, IPv4 socket, source named", 1, each(&ONE, v4_info)),
        ("`sendmsg`, dual-stack socket, source named", 1, each(&ONE, v6_info)),
        ("`sendmmsg`, IPv4 socket", 1, all(&ONE, v4)),
        ("`sendmmsg`, IPv4 socket, source named", 1, all(&ONE, v4_info)),
        ("`sendmmsg`, dual-stack socket", 1, all(&ONE, v6)),
        ("`sendmmsg`, dual-stack socket, source named", 1, all(&ONE, v6_info)),
        ("`send`, a connected socket each", 1, ways::connected(to, AUDIO)),
        ("io_uring `SEND`, IPv4 socket", 1, ring::send(to, false, AUDIO)),
        ("io_uring `SEND`, a connected socket each", 1, ring::send_connected(to, AUDIO)),
        ("io_uring `SENDMSG`, IPv4 socket, source named", 1, ring::sendmsg(to, &ONE, v4_info)),
        ("io_uring `SEND_ZC`, IPv4 socket", 1, ring::send_zero_copy(to, AUDIO)),
        ("two of audio by GSO: `sendmmsg`, dual-stack", 2, all(&TWO, cut(v6, AUDIO))),
        ("a frame of 8 by GSO: `sendmsg`, IPv4", 8, each(&FRAME, cut(v4, VIDEO))),
        ("a frame of 8 by GSO: `sendmmsg`, IPv4", 8, all(&FRAME, cut(v4, VIDEO))),
        ("a frame of 8 by GSO: `sendmmsg`, dual-stack", 8, all(&FRAME, cut(v6, VIDEO))),
        ("a frame of 8 by GSO: `sendmmsg`, dual-stack, source named", 8, all(&FRAME, cut(v6_info, VIDEO))),
        ("the frame with audio as its last datagram: `sendmmsg`, dual-stack", 9, all(&FRAME_AND_ONE, cut(v6, VIDEO))),
    ];
    list.into_iter().map(|(name, datagrams, way)| Candidate { name, datagrams, way }).collect()
}
