//! RTCP and what it is made from: repair, reports, congestion feedback and keyframe requests.
//!
//! Each part keeps the state of one stream or one transport, is told of packets by `on_*`, and is asked with the time in
//! hand what to send. RTCP itself is read and written without allocation.

pub mod keyframe;
pub(crate) mod losses;
pub mod nack;
pub mod ntp;
pub mod reception;
pub mod rtcp;
pub mod rtcp_writer;
pub mod sending;
pub(crate) mod traffic;
pub mod transport_cc;
pub mod turns;
pub mod twcc;

/// An anchor for virtual time in tests; its value does not matter.
#[cfg(test)]
pub(crate) fn test_start() -> std::time::Instant {
    #[allow(clippy::disallowed_methods, reason = "virtual time needs an anchor, and Instant has no other constructor")]
    std::time::Instant::now()
}
