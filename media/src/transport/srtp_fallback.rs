//! rtc-srtp's contexts, made safe against strangers: SRTP and SRTCP with AES_CM_128_HMAC_SHA1_80, for clients without AES-GCM.
//!
//! rtc-srtp creates a stream's state before it authenticates the first packet. Here a stream is admitted to the lasting
//! context only after a throw-away one, renewed every [`PROBES`] attempts, has verified a packet of it.

use super::identity::Identity;
use super::srtp::{header_len, sequence_and_ssrc};
use crate::drop_reason::DropReason;
use bytes::BytesMut;
use rtc::shared::error::{Error, Result as RtcResult};
use rtc::srtp::context::Context;
use rtc::srtp::option::{srtcp_replay_protection, srtp_replay_protection};
use rtc::srtp::protection_profile::ProtectionProfile;
use std::collections::VecDeque;
use std::sync::Arc;

/// Bytes that protection adds to a packet: an HMAC-SHA1 of 80 bits.
pub(super) const FALLBACK_TAG: usize = 10;

/// Streams per context, see [`super::srtp::MAX_SSRCS`].
pub(super) const MAX_STREAMS: usize = super::srtp::MAX_SSRCS;

/// Unauthentic packets of unknown streams until the throw-away context is renewed, and with it what they left behind.
const PROBES: u32 = 64;

const REPLAY_WINDOW: usize = 128;

/// One direction's master key and salt.
#[derive(Clone)]
pub(super) struct MasterKeys {
    pub(super) key: Vec<u8>,
    pub(super) salt: Vec<u8>,
}

/// What DTLS-SRTP negotiated (RFC 5764).
#[derive(Clone)]
pub(super) struct SrtpKeys {
    pub(super) profile: ProtectionProfile,
    pub(super) local: MasterKeys,
    pub(super) remote: MasterKeys,
}

/// A context for receiving that holds state of authentic streams only.
struct GatedContext {
    identity: Arc<Identity>,
    profile: ProtectionProfile,
    keys: MasterKeys,
    context: Context,
    admitted: Vec<u32>,
    /// Those of `admitted` that have ended, the first first.
    ended: VecDeque<u32>,
    probe: Context,
    probes: u32,
}

impl GatedContext {
    fn new(identity: &Arc<Identity>, keys: &SrtpKeys) -> RtcResult<Self> {
        let (srtp, srtcp) = (srtp_replay_protection(REPLAY_WINDOW), srtcp_replay_protection(REPLAY_WINDOW));
        let remote = &keys.remote;
        Ok(Self {
            context: Context::new(&remote.key, &remote.salt, keys.profile, Some(srtp), Some(srtcp), identity.crypto())?,
            probe: Self::fresh_probe(identity, keys.profile, remote)?,
            identity: Arc::clone(identity),
            profile: keys.profile,
            keys: keys.remote.clone(),
            admitted: Vec::new(),
            ended: VecDeque::new(),
            probes: 0,
        })
    }

    /// Without replay protection: rtc-srtp's would learn where a stream starts from a packet that nobody has verified.
    fn fresh_probe(identity: &Identity, profile: ProtectionProfile, keys: &MasterKeys) -> RtcResult<Context> {
        Context::new(&keys.key, &keys.salt, profile, None, None, identity.crypto())
    }

    /// A stream has ended: its place is given up when another one needs it. The client may go on with it until then.
    fn forget(&mut self, ssrc: u32) {
        if self.admitted.contains(&ssrc) && !self.ended.contains(&ssrc) {
            self.ended.push_back(ssrc);
        }
    }

    /// Runs `decrypt` on the lasting context, if `ssrc` belongs there.
    fn decrypt(
        &mut self,
        ssrc: u32,
        decrypt: impl Fn(&mut Context) -> RtcResult<BytesMut>,
    ) -> Result<RtcResult<BytesMut>, DropReason> {
        if self.admitted.contains(&ssrc) {
            let decrypted = decrypt(&mut self.context);
            if decrypted.is_ok() {
                self.ended.retain(|ended| *ended != ssrc);
            }
            return Ok(decrypted);
        }
        if self.admitted.len() >= MAX_STREAMS && self.ended.is_empty() {
            return Err(DropReason::TooManySsrcs);
        }
        if self.probes >= PROBES {
            match Self::fresh_probe(&self.identity, self.profile, &self.keys) {
                Ok(fresh) => self.probe = fresh,
                Err(error) => return Ok(Err(error)),
            }
            self.probes = 0;
        }
        self.probes += 1;
        if let Err(error) = decrypt(&mut self.probe) {
            return Ok(Err(error));
        }
        if self.admitted.len() >= MAX_STREAMS
            && let Some(ended) = self.ended.pop_front()
        {
            self.admitted.retain(|known| *known != ended);
        }
        self.admitted.push(ssrc);
        Ok(decrypt(&mut self.context))
    }
}

/// See the module's text.
pub(super) struct Fallback {
    /// The library counts SRTCP indices per SSRC; streams that are sent are our own, so they need no bound.
    sender: Context,
    rtp: GatedContext,
    rtcp: GatedContext,
}

impl Fallback {
    pub(super) fn new(identity: &Arc<Identity>, keys: &SrtpKeys) -> RtcResult<Self> {
        let local = &keys.local;
        Ok(Self {
            sender: Context::new(&local.key, &local.salt, keys.profile, None, None, identity.crypto())?,
            rtp: GatedContext::new(identity, keys)?,
            rtcp: GatedContext::new(identity, keys)?,
        })
    }

    /// Encrypts media: `buffer[..len]` becomes the protected packet, whose length is returned.
    pub(super) fn protect_rtp(&mut self, buffer: &mut [u8], len: usize) -> Option<usize> {
        let packet = buffer.get(..len)?;
        let header = measured_header(packet)?;
        let protected = self.sender.encrypt_rtp_with_header(packet, &header).ok()?;
        place(buffer, &protected)
    }

    /// The same for a compound packet.
    pub(super) fn protect_rtcp(&mut self, buffer: &mut [u8], len: usize) -> Option<usize> {
        let protected = self.sender.encrypt_rtcp(buffer.get(..len)?).ok()?;
        place(buffer, &protected)
    }

    /// Decrypts media in place; returns the packet's length without the tag.
    pub(super) fn unprotect_rtp(&mut self, packet: &mut [u8]) -> Result<usize, DropReason> {
        let header = measured_header(packet).ok_or(DropReason::MalformedRtp)?;
        let encrypted = &*packet;
        let decrypt = |context: &mut Context| context.decrypt_rtp_with_header(encrypted, &header);
        let plain = self.rtp.decrypt(header.ssrc, decrypt)?.map_err(|error| match error {
            Error::SrtpSsrcDuplicated(..) => DropReason::ReplayedRtp,
            Error::ErrTooShortRtp => DropReason::MalformedRtp,
            _ => DropReason::ForgedRtp,
        })?;
        place(packet, &plain).ok_or(DropReason::MalformedRtp)
    }

    /// The same for a compound packet. Nothing of one that fails is ever handed out.
    pub(super) fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, DropReason> {
        let fixed = packet.first_chunk::<8>().ok_or(DropReason::MalformedRtcp)?;
        let ssrc = u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]);
        let encrypted = &*packet;
        let plain =
            self.rtcp.decrypt(ssrc, |context| context.decrypt_rtcp(encrypted))?.map_err(|error| match error {
                Error::ErrTooShortRtcp | Error::PacketTooShort | Error::BadVersion => DropReason::MalformedRtcp,
                _ => DropReason::ForgedRtcp,
            })?;
        place(packet, &plain).ok_or(DropReason::MalformedRtcp)
    }

    /// See [`GatedContext::forget`].
    pub(super) fn forget_ssrc(&mut self, ssrc: u32) {
        self.rtp.forget(ssrc);
        self.rtcp.forget(ssrc);
    }
}

/// Copies what the library has made to the beginning of a buffer; its length.
fn place(buffer: &mut [u8], made: &[u8]) -> Option<usize> {
    buffer.get_mut(..made.len())?.copy_from_slice(made);
    Some(made.len())
}

/// The header as rtc-srtp needs it: its numbers, and exactly its length in the packet.
///
/// The parser of rtc-rtp is not used, because it forgets extension padding: the length it writes back can differ from
/// the one it read, and the payload would be encrypted from the wrong byte on. A length beyond the packet makes it panic.
fn measured_header(packet: &[u8]) -> Option<rtp::Header> {
    let len = header_len(packet)?;
    let (sequence_number, ssrc) = sequence_and_ssrc(packet)?;
    let mut header = rtp::Header { version: 2, sequence_number, ssrc, ..Default::default() };
    if len > 12 {
        header.extension = true;
        header.extensions_padding = len - 16;
    }
    Some(header)
}

#[cfg(test)]
mod tests;
