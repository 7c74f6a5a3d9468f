//! One participant's SRTP and SRTCP, both ways, once DTLS has agreed on keys.

use super::identity::Identity;
use super::srtp::srtcp::{GcmRtcpReceiver, GcmRtcpSender};
use super::srtp::{GcmReceiver, GcmSender, TAG, sealing};
use super::srtp_fallback::{FALLBACK_TAG, Fallback, SrtpKeys};
use crate::cache::prefetch;
use crate::drop_reason::DropReason;
use rtc::srtp::protection_profile::ProtectionProfile;
use std::ops::Range;
use std::sync::Arc;

/// See the module's text.
#[allow(clippy::large_enum_variant, reason = "nearly everybody has AES-GCM, and its keys are read for every packet")]
pub(super) enum SrtpSession {
    Gcm(Gcm),
    Fallback(Box<Fallback>),
}

/// By AES-128-GCM, in place.
pub(super) struct Gcm {
    sender: GcmSender,
    receiver: GcmReceiver,
    /// On its own, since it is used seldom, and a participant has room for the others before there are keys.
    rtcp: Box<GcmRtcp>,
}

/// The same for RTCP.
struct GcmRtcp {
    sender: GcmRtcpSender,
    receiver: GcmRtcpReceiver,
}

impl SrtpSession {
    /// `None` if the keys are refused, which DTLS has itself negotiated.
    pub(super) fn new(identity: &Arc<Identity>, keys: &SrtpKeys) -> Option<Self> {
        if !matches!(keys.profile, ProtectionProfile::AeadAes128Gcm) {
            return Some(Self::Fallback(Box::new(Fallback::new(identity, keys).ok()?)));
        }
        let (crypto, local, remote) = (identity.crypto(), &keys.local, &keys.remote);
        Some(Self::Gcm(Gcm {
            sender: GcmSender::new(crypto, &local.key, &local.salt)?,
            receiver: GcmReceiver::new(crypto, &remote.key, &remote.salt)?,
            rtcp: Box::new(GcmRtcp {
                sender: GcmRtcpSender::new(crypto, &local.key, &local.salt)?,
                receiver: GcmRtcpReceiver::new(crypto, &remote.key, &remote.salt)?,
            }),
        }))
    }

    /// Asks for the key that is sent with.
    #[inline]
    pub(super) fn prefetch_sending(&self) {
        if let Self::Gcm(gcm) = self {
            prefetch(&gcm.sender);
        }
    }

    /// Asks for the key of the RTCP that is received.
    #[inline]
    pub(super) fn prefetch_rtcp(&self) {
        if let Self::Gcm(gcm) = self {
            prefetch(&gcm.rtcp.receiver);
        }
    }

    pub(super) fn protect_rtp(&mut self, buffer: &mut [u8], len: usize, index: u64) -> Option<usize> {
        match self {
            Self::Gcm(gcm) => gcm.sender.protect(buffer, len, index),
            Self::Fallback(fallback) => fallback.protect_rtp(buffer, len),
        }
    }

    #[inline]
    pub(super) fn seal_rtp(
        &mut self,
        buffer: &mut [u8],
        payload: Range<usize>,
        shared: &[u8],
        ssrc: u32,
        index: u64,
    ) -> Option<usize> {
        match self {
            Self::Gcm(gcm) => gcm.sender.seal(buffer, payload, shared, ssrc, index),
            Self::Fallback(fallback) => {
                sealing::join(buffer.get_mut(payload.clone())?, shared)?;
                fallback.protect_rtp(buffer, payload.end)
            }
        }
    }

    /// Bytes that [`Self::protect_rtp`] adds.
    #[inline]
    pub(super) fn rtp_overhead(&self) -> usize {
        match self {
            Self::Gcm(_) => TAG,
            Self::Fallback(_) => FALLBACK_TAG,
        }
    }

    pub(super) fn unprotect_rtp(&mut self, packet: &mut [u8]) -> Result<usize, DropReason> {
        match self {
            Self::Gcm(gcm) => gcm.receiver.unprotect(packet),
            Self::Fallback(fallback) => fallback.unprotect_rtp(packet),
        }
    }

    pub(super) fn forget_ssrc(&mut self, ssrc: u32) {
        match self {
            Self::Gcm(gcm) => {
                gcm.receiver.forget(ssrc);
                gcm.rtcp.receiver.forget(ssrc);
            }
            Self::Fallback(fallback) => fallback.forget_ssrc(ssrc),
        }
    }

    pub(super) fn protect_rtcp(&mut self, buffer: &mut [u8], len: usize) -> Option<usize> {
        match self {
            Self::Gcm(gcm) => gcm.rtcp.sender.protect(buffer, len),
            Self::Fallback(fallback) => fallback.protect_rtcp(buffer, len),
        }
    }

    pub(super) fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, DropReason> {
        match self {
            Self::Gcm(gcm) => gcm.rtcp.receiver.unprotect(packet),
            Self::Fallback(fallback) => fallback.unprotect_rtcp(packet),
        }
    }
}
