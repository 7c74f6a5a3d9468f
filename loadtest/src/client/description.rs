//! What a description (RFC 8866) says about packets: payload types, extension ids, retransmission SSRCs.

use crate::light::streams::Kind;
use std::collections::HashMap;

/// The extension of draft-holmer-rmcat-transport-wide-cc-extensions-01.
pub const TRANSPORT_SEQUENCE: &str = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
/// RFC 8843 section 15.
pub const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
/// RFC 8852.
pub const RID: &str = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id";
/// RFC 8852.
pub const REPAIRED_RID: &str = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id";
/// RFC 6464.
pub const AUDIO_LEVEL: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";

/// The most retransmission SSRCs that are kept; as many as streams that are followed.
const MAX_REPAIRS: usize = crate::light::streams::MAX_STREAMS;

/// The meaning of numbers in packets, as descriptions of both sides have settled it. Numbers of a bundle mean the same
/// in all its m-lines.
#[derive(Clone, Debug)]
pub struct Numbers {
    kinds: [Option<Kind>; 128],
    /// Of the transport-wide sequence number; 0 when it is not negotiated.
    pub transport_sequence: u8,
    /// Of the m-line's name; 0 when it is not negotiated.
    pub mid: u8,
    /// Of the layer's name; 0 when it is not negotiated.
    pub rid: u8,
    /// Of the repaired layer's name; 0 when it is not negotiated.
    pub repaired_rid: u8,
    /// Of the audio level; 0 when it is not negotiated.
    pub audio_level: u8,
    /// Payload types to send by: VP8, its retransmission, Opus.
    pub vp8: Option<u8>,
    /// See [`Self::vp8`].
    pub rtx: Option<u8>,
    /// See [`Self::vp8`].
    pub opus: Option<u8>,
    repairs: HashMap<u32, u32>,
}

impl Default for Numbers {
    fn default() -> Self {
        Self {
            kinds: [None; 128],
            transport_sequence: 0,
            mid: 0,
            rid: 0,
            repaired_rid: 0,
            audio_level: 0,
            vp8: None,
            rtx: None,
            opus: None,
            repairs: HashMap::new(),
        }
    }
}

impl Numbers {
    /// What packets of a payload type carry.
    #[must_use]
    pub fn kind(&self, payload_type: u8) -> Option<Kind> {
        self.kinds.get(usize::from(payload_type)).copied().flatten()
    }

    /// The stream that a retransmission SSRC repairs, if the server has said so.
    #[must_use]
    pub fn repaired_by(&self, ssrc: u32) -> Option<u32> {
        self.repairs.get(&ssrc).copied()
    }

    /// Learns from the server's description. Lines that make no sense are skipped.
    pub fn learn(&mut self, sdp: &str) {
        let mut video = false;
        for line in sdp.lines() {
            if let Some(media) = line.strip_prefix("m=") {
                video = media.starts_with("video");
            } else if let Some(map) = line.strip_prefix("a=rtpmap:") {
                self.learn_codec(map, video);
            } else if let Some(map) = line.strip_prefix("a=extmap:") {
                self.learn_extension(map);
            } else if let Some(group) = line.strip_prefix("a=ssrc-group:FID ") {
                let mut ssrcs = group.split_whitespace().map(str::parse);
                if let (Some(Ok(primary)), Some(Ok(repair))) = (ssrcs.next(), ssrcs.next())
                    && self.repairs.len() < MAX_REPAIRS
                {
                    self.repairs.insert(repair, primary);
                }
            }
        }
    }

    fn learn_codec(&mut self, map: &str, video: bool) {
        let Some((number, codec)) = map.split_once(' ') else { return };
        let Ok(number) = number.parse::<u8>() else { return };
        let name = codec.split('/').next().unwrap_or_default().to_ascii_lowercase();
        let kind = match (name.as_str(), video) {
            ("rtx", _) => Kind::Retransmission,
            (_, true) => Kind::Video,
            (_, false) => Kind::Audio,
        };
        let Some(place) = self.kinds.get_mut(usize::from(number)) else { return };
        *place = Some(kind);
        let payload_type = match name.as_str() {
            "vp8" => &mut self.vp8,
            "rtx" => &mut self.rtx,
            "opus" => &mut self.opus,
            _ => return,
        };
        payload_type.get_or_insert(number);
    }

    fn learn_extension(&mut self, map: &str) {
        let mut words = map.split_whitespace();
        let (Some(id), Some(uri)) = (words.next(), words.next()) else { return };
        // A direction may follow the id.
        let Ok(id @ 1..=14) = id.split('/').next().unwrap_or_default().parse::<u8>() else { return };
        let place = match uri {
            TRANSPORT_SEQUENCE => &mut self.transport_sequence,
            MID => &mut self.mid,
            RID => &mut self.rid,
            REPAIRED_RID => &mut self.repaired_rid,
            AUDIO_LEVEL => &mut self.audio_level,
            _ => return,
        };
        *place = id;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_learnt_and_nonsense_is_skipped() {
        let mut numbers = Numbers::default();
        numbers.learn(&format!(
            "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 109\r\na=rtpmap:109 opus/48000/2\r\na=extmap:1 {AUDIO_LEVEL}\r\n\
             a=extmap:3/sendonly {TRANSPORT_SEQUENCE}\r\na=extmap:99 {MID}\r\na=extmap:x\r\na=rtpmap:300 VP8/90000\r\n\
             m=video 9 UDP/TLS/RTP/SAVPF 120 124\r\na=rtpmap:120 VP8/90000\r\na=rtpmap:124 rtx/90000\r\n\
             a=rtpmap:130 VP8/90000\r\na=ssrc-group:FID 10 11\r\na=ssrc-group:FID 12\r\na=extmap:4 {RID}\r\n"
        ));
        assert_eq!((numbers.opus, numbers.vp8, numbers.rtx), (Some(109), Some(120), Some(124)));
        assert_eq!((numbers.transport_sequence, numbers.audio_level, numbers.mid, numbers.rid), (3, 1, 0, 4));
        assert_eq!(numbers.kind(109), Some(Kind::Audio));
        assert_eq!(numbers.kind(120), Some(Kind::Video));
        assert_eq!(numbers.kind(124), Some(Kind::Retransmission));
        assert_eq!((numbers.kind(1), numbers.kind(200)), (None, None));
        assert_eq!((numbers.repaired_by(11), numbers.repaired_by(12)), (Some(10), None));
    }

    #[test]
    fn retransmission_ssrcs_are_bounded() {
        let mut numbers = Numbers::default();
        for n in 0..3 * MAX_REPAIRS {
            numbers.learn(&format!("a=ssrc-group:FID {n} {}", 1_000_000 + n));
        }
        assert_eq!(numbers.repairs.len(), MAX_REPAIRS);
    }
}
