use super::network::{Call, path};
use super::scenarios::rtp;
use crate::allocations::allocations_of;
use crate::drop_reason::DropReason;
use crate::transport::test_client::ClientOptions;
use crate::transport::{SRTCP_OVERHEAD, SRTP_TAG};

/// A receiver report of nothing.
const REPORT: [u8; 8] = [0x80, 201, 0, 1, 0, 0, 0, 1];

#[test]
fn media_and_reports_are_unprotected_and_protected_without_allocation() {
    let mut call = Call::connected(&ClientOptions::default());
    let mut datagrams: Vec<Vec<u8>> = (0..100)
        .map(|n| {
            call.client.send_rtp(&rtp(1, 10 * n));
            call.client.poll_transmit().unwrap()
        })
        .collect();
    // A stream's first packet may make its place.
    let first = datagrams.remove(0);
    assert_eq!(call.deliver(&path(1000), &first), Ok(()));
    let mut reports: Vec<Vec<u8>> = (0..100)
        .map(|_| {
            call.client.send_rtcp(&REPORT);
            call.client.poll_transmit().unwrap()
        })
        .collect();
    assert_eq!(call.deliver(&path(1000), &reports.remove(0)), Ok(()));
    let mut forged = datagrams.pop().unwrap();
    forged[20] ^= 1;
    let mut replayed = first;
    let mut buffer = [0; 1500];
    let plain = rtp(2, 1000);
    let (from, server, outbox) = (path(1000), &mut call.server, &mut call.outbox);
    let count = allocations_of(|| {
        for datagram in &mut datagrams {
            assert!(server.unprotect_rtp(&from, datagram).is_ok());
        }
        assert_eq!(server.unprotect_rtp(&from, &mut forged), Err(DropReason::ForgedRtp));
        assert_eq!(server.unprotect_rtp(&from, &mut replayed), Err(DropReason::ReplayedRtp));
        for report in &mut reports {
            assert_eq!(server.unprotect_rtcp(&from, report), Ok(REPORT.len()));
            buffer[..REPORT.len()].copy_from_slice(&REPORT);
            assert_eq!(server.protect_rtcp(&mut buffer, REPORT.len()), Some(REPORT.len() + SRTCP_OVERHEAD));
        }
        for index in 0..100u16 {
            buffer[..plain.len()].copy_from_slice(&plain);
            buffer[2..4].copy_from_slice(&index.to_be_bytes());
            let protected = server.protect_rtp(&mut buffer, plain.len(), u64::from(index));
            assert_eq!(protected, Some(plain.len() + SRTP_TAG));
        }
    });
    assert_eq!(count, 0);
    assert!(outbox.is_empty());
}
