//! One participant's SRTP and SRTCP, both ways, once DTLS has agreed on keys.

use super::identity::Identity;
use super::srtp::{GcmReceiver, GcmSender, TAG, sealing};
use super::srtp_fallback::{FALLBACK_TAG, FallbackReceiver, RtcpReceiver, SrtpKeys, protect_fallback, sending_context};
use crate::drop_reason::DropReason;
use bytes::BytesMut;
use rtc::srtp::context::Context;
use rtc::srtp::protection_profile::ProtectionProfile;
use std::ops::Range;
use std::sync::Arc;

/// How media is protected.
#[allow(clippy::large_enum_variant, reason = "nearly everybody has AES-GCM, and its keys are read for every packet")]
enum Media {
    Gcm { sender: GcmSender, receiver: GcmReceiver },
    Fallback { sender: Context, receiver: Box<FallbackReceiver> },
}

/// See the module's text.
pub(super) struct SrtpSession {
    media: Media,
    rtcp_sender: Context,
    rtcp_receiver: RtcpReceiver,
}

impl SrtpSession {
    /// `None` if the library refuses the keys, which it has itself negotiated.
    pub(super) fn new(identity: &Arc<Identity>, keys: &SrtpKeys) -> Option<Self> {
        let media = if matches!(keys.profile, ProtectionProfile::AeadAes128Gcm) {
            let crypto = identity.crypto();
            Media::Gcm {
                sender: GcmSender::new(crypto, &keys.local.key, &keys.local.salt)?,
                receiver: GcmReceiver::new(crypto, &keys.remote.key, &keys.remote.salt)?,
            }
        } else {
            Media::Fallback {
                sender: sending_context(identity, keys).ok()?,
                receiver: Box::new(FallbackReceiver::new(identity, keys).ok()?),
            }
        };
        Some(Self {
            media,
            rtcp_sender: sending_context(identity, keys).ok()?,
            rtcp_receiver: RtcpReceiver::new(identity, keys).ok()?,
        })
    }

    pub(super) fn protect_rtp(&mut self, buffer: &mut [u8], len: usize, index: u64) -> Option<usize> {
        match &mut self.media {
            Media::Gcm { sender, .. } => sender.protect(buffer, len, index),
            Media::Fallback { sender, .. } => protect_fallback(sender, buffer, len),
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
        match &mut self.media {
            Media::Gcm { sender, .. } => sender.seal(buffer, payload, shared, ssrc, index),
            Media::Fallback { sender, .. } => {
                sealing::join(buffer.get_mut(payload.clone())?, shared)?;
                protect_fallback(sender, buffer, payload.end)
            }
        }
    }

    /// Bytes that [`Self::protect_rtp`] adds.
    #[inline]
    pub(super) fn rtp_overhead(&self) -> usize {
        match &self.media {
            Media::Gcm { .. } => TAG,
            Media::Fallback { .. } => FALLBACK_TAG,
        }
    }

    pub(super) fn unprotect_rtp(&mut self, packet: &mut [u8]) -> Result<usize, DropReason> {
        match &mut self.media {
            Media::Gcm { receiver, .. } => receiver.unprotect(packet),
            Media::Fallback { receiver, .. } => receiver.unprotect(packet),
        }
    }

    pub(super) fn forget_ssrc(&mut self, ssrc: u32) {
        match &mut self.media {
            Media::Gcm { receiver, .. } => receiver.forget(ssrc),
            Media::Fallback { receiver, .. } => receiver.forget(ssrc),
        }
        self.rtcp_receiver.forget(ssrc);
    }

    pub(super) fn protect_rtcp(&mut self, packet: &[u8]) -> Option<BytesMut> {
        self.rtcp_sender.encrypt_rtcp(packet).ok()
    }

    pub(super) fn unprotect_rtcp(&mut self, packet: &[u8]) -> Result<BytesMut, DropReason> {
        self.rtcp_receiver.unprotect(packet)
    }
}
