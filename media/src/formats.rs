//! The codecs and RTP header extensions that Parlor forwards, as small numbers instead of strings.

use crate::command::MediaKind;
use H264Profile::{Baseline, ConstrainedBaseline, High, Main};

/// A codec, as far as forwarding must look into its packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// RFC 7587
    Opus,
    /// Redundant audio, RFC 2198, over Opus.
    Red,
    /// RFC 7741
    Vp8,
    /// RFC 9628
    Vp9,
    /// RFC 6184
    H264,
    /// RFC 7798
    H265,
    /// AV1 RTP payload format 1.0
    Av1,
}

/// H.264 profiles that are told apart (RFC 6184 section 8.1, table 5), in rising order of what a decoder must do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum H264Profile {
    /// Constrained Baseline
    ConstrainedBaseline,
    /// Baseline
    Baseline,
    /// Main
    Main,
    /// High, and Constrained High
    High,
}

/// An encoded form that SDP can name: a codec with those parameters that decide whether a decoder understands it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// The codec.
    pub codec: Codec,
    /// The encoding name of `a=rtpmap`, compared without case.
    pub name: &'static str,
    /// Clock rate in Hz.
    pub clock_rate: u32,
    /// Audio channels; 0 for video.
    pub channels: u8,
    /// The `a=fmtp` parameters that the server's own offers state. `{opus}` stands for Opus's payload type.
    pub fmtp: &'static str,
    /// Payload type in offers to a client that has named none of its own.
    pub default_payload_type: u8,
    /// Payload type of its retransmissions (RFC 4588) there; 0 for audio, which is not retransmitted through RTX.
    pub default_rtx_payload_type: u8,
    /// What `fmtp` says of H.264, read.
    h264: Option<H264>,
}

/// What decides whether a decoder of H.264 understands a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct H264 {
    /// The packetization mode.
    mode: u8,
    profile: H264Profile,
}

impl H264 {
    /// `None` for a profile that is not told apart.
    fn read(fmtp: &str) -> Option<Self> {
        Some(Self { mode: mode(fmtp), profile: h264_profile(fmtp)? })
    }
}

/// An index into [`FORMATS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FormatId(u8);

const fn video(codec: Codec, name: &'static str, fmtp: &'static str, payload_type: u8) -> Format {
    Format {
        codec,
        name,
        clock_rate: 90_000,
        channels: 0,
        fmtp,
        default_payload_type: payload_type,
        default_rtx_payload_type: payload_type + 1,
        h264: None,
    }
}

const fn h264(mode: u8, profile: H264Profile, fmtp: &'static str, payload_type: u8) -> Format {
    Format { h264: Some(H264 { mode, profile }), ..video(Codec::H264, "H264", fmtp, payload_type) }
}

const fn audio(codec: Codec, name: &'static str, fmtp: &'static str, payload_type: u8) -> Format {
    Format {
        codec,
        name,
        clock_rate: 48_000,
        channels: 2,
        fmtp,
        default_payload_type: payload_type,
        default_rtx_payload_type: 0,
        h264: None,
    }
}

/// How many formats there are.
pub const FORMAT_COUNT: usize = 14;

/// Every format that Parlor forwards, in its own order of preference. Others in a client's SDP are left out of the answer.
pub const FORMATS: [Format; FORMAT_COUNT] = [
    audio(Codec::Opus, "opus", "minptime=10;useinbandfec=1", 111),
    audio(Codec::Red, "red", "{opus}/{opus}", 63),
    video(Codec::Vp8, "VP8", "", 96),
    video(Codec::Vp9, "VP9", "profile-id=0", 98),
    video(Codec::Vp9, "VP9", "profile-id=2", 100),
    h264(1, ConstrainedBaseline, "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f", 102),
    h264(1, Baseline, "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f", 104),
    h264(1, Main, "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=4d001f", 106),
    h264(1, High, "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=64001f", 108),
    h264(0, ConstrainedBaseline, "level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42e01f", 112),
    h264(0, Baseline, "level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42001f", 114),
    video(Codec::Av1, "AV1", "profile=0;level-idx=5;tier=0", 116),
    video(Codec::H265, "H265", "profile-id=1;tier-flag=0;level-id=93;tx-mode=SRST", 118),
    video(Codec::H265, "H265", "profile-id=2;tier-flag=0;level-id=93;tx-mode=SRST", 120),
];

impl FormatId {
    /// Opus.
    pub const OPUS: Self = Self(0);
    /// RED over Opus.
    pub const RED: Self = Self(1);
    /// VP8.
    pub const VP8: Self = Self(2);

    /// All of them.
    pub fn all() -> impl DoubleEndedIterator<Item = Self> {
        (0..FORMAT_COUNT as u8).map(Self)
    }

    /// Those of one kind.
    pub fn of_kind(kind: MediaKind) -> impl Iterator<Item = Self> {
        Self::all().filter(move |id| id.kind() == kind)
    }

    /// Position in [`FORMATS`].
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// The format itself.
    #[must_use]
    pub const fn format(self) -> &'static Format {
        &FORMATS[self.0 as usize]
    }

    /// Audio or video.
    #[must_use]
    pub const fn kind(self) -> MediaKind {
        if self.format().channels > 0 { MediaKind::Audio } else { MediaKind::Video }
    }

    /// The format that a client's `a=rtpmap` and `a=fmtp` mean; `None` for one that Parlor does not forward.
    ///
    /// `encoding` is the rtpmap's value after the payload type, such as `VP8/90000`.
    #[must_use]
    pub fn from_sdp(encoding: &str, fmtp: &str) -> Option<Self> {
        let mut parts = encoding.split('/');
        let name = parts.next()?;
        let clock_rate: u32 = parts.next()?.parse().ok()?;
        let channels: u8 = parts.next().map_or(Some(1), |c| c.parse().ok())?;
        let h264 = name.eq_ignore_ascii_case("H264").then(|| H264::read(fmtp)).flatten();
        Self::all().find(|id| {
            let format = id.format();
            format.name.eq_ignore_ascii_case(name)
                && format.clock_rate == clock_rate
                && (format.channels == 0 || format.channels == channels)
                && same_parameters(format, fmtp, h264)
        })
    }

    /// The formats of a subscriber that can carry this one, best first: the same, then for H.264 the higher profiles
    /// of the same packetization mode, whose decoders understand this one.
    pub fn accepted_as(self) -> impl Iterator<Item = Self> {
        let own = self.format().h264;
        let higher = Self::all().filter(move |id| {
            let pair = own.zip(id.format().h264);
            pair.is_some_and(|(own, other)| other.mode == own.mode && other.profile > own.profile)
        });
        std::iter::once(self).chain(higher)
    }
}

/// A parameter's value in a semicolon-separated `a=fmtp` list.
fn parameter<'a>(fmtp: &'a str, key: &str) -> Option<&'a str> {
    fmtp.split(';').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case(key).then(|| value.trim())
    })
}

fn mode(fmtp: &str) -> u8 {
    parameter(fmtp, "packetization-mode").and_then(|m| m.parse().ok()).unwrap_or(0)
}

/// RFC 6184 section 8.1: profile_idc, then the constraint flags that narrow it. Without the parameter it is Baseline.
fn h264_profile(fmtp: &str) -> Option<H264Profile> {
    let Some(text) = parameter(fmtp, "profile-level-id") else {
        return Some(H264Profile::Baseline);
    };
    let value = u32::from_str_radix(text, 16).ok().filter(|_| text.len() == 6)?;
    let (idc, flags) = (value >> 16, value >> 8 & 0xff);
    match idc {
        0x42 if flags & 0x40 != 0 => Some(H264Profile::ConstrainedBaseline),
        0x42 => Some(H264Profile::Baseline),
        0x4d if flags & 0x80 != 0 => Some(H264Profile::ConstrainedBaseline),
        0x4d => Some(H264Profile::Main),
        0x64 => Some(H264Profile::High),
        _ => None,
    }
}

/// Whether a client's parameters, `h264` being what they say of H.264, describe the same format for a decoder.
fn same_parameters(format: &Format, fmtp: &str, h264: Option<H264>) -> bool {
    let same = |key: &str, default: &str| {
        parameter(format.fmtp, key).unwrap_or(default) == parameter(fmtp, key).unwrap_or(default)
    };
    match format.codec {
        Codec::Opus | Codec::Red | Codec::Vp8 => true,
        Codec::Vp9 => same("profile-id", "0"),
        Codec::Av1 => same("profile", "0"),
        Codec::H265 => same("profile-id", "1"),
        Codec::H264 => h264.is_some() && format.h264 == h264,
    }
}

/// An RTP header extension that Parlor knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Extension {
    /// The m-line's identification (RFC 9143). Read on the way in, never forwarded.
    Mid,
    /// RFC 8852. Read, never forwarded.
    Rid,
    /// The rid that a retransmission repairs (RFC 8852). Read, never forwarded.
    RepairedRid,
    /// Transport-wide sequence number. Read, never forwarded: it counts packets of one hop, and each hop writes its own.
    TransportCc,
    /// Audio level (RFC 6464).
    AudioLevel,
    /// Coordination of video orientation (3GPP TS 26.114): turns a phone's picture.
    VideoOrientation,
    /// Minimum and maximum playout delay.
    PlayoutDelay,
    /// Absolute capture time.
    AbsCaptureTime,
    /// AV1's dependency descriptor, also used with VP8, VP9 and H.264.
    DependencyDescriptor,
    /// Camera or screen content.
    VideoContentType,
    /// HDR and colour metadata on key frames.
    ColorSpace,
}

/// How many extensions there are.
pub const EXTENSION_COUNT: usize = 11;

impl Extension {
    /// All of them, in the order of their default ids, which start at 1.
    pub const ALL: [Self; EXTENSION_COUNT] = [
        Self::Mid,
        Self::Rid,
        Self::RepairedRid,
        Self::TransportCc,
        Self::AudioLevel,
        Self::VideoOrientation,
        Self::PlayoutDelay,
        Self::AbsCaptureTime,
        Self::DependencyDescriptor,
        Self::VideoContentType,
        Self::ColorSpace,
    ];

    /// The URI in `a=extmap`.
    #[must_use]
    pub const fn uri(self) -> &'static str {
        match self {
            Self::Mid => "urn:ietf:params:rtp-hdrext:sdes:mid",
            Self::Rid => "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
            Self::RepairedRid => "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
            Self::TransportCc => "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
            Self::AudioLevel => "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
            Self::VideoOrientation => "urn:3gpp:video-orientation",
            Self::PlayoutDelay => "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
            Self::AbsCaptureTime => "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time",
            Self::DependencyDescriptor => {
                "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"
            }
            Self::VideoContentType => "http://www.webrtc.org/experiments/rtp-hdrext/video-content-type",
            Self::ColorSpace => "http://www.webrtc.org/experiments/rtp-hdrext/color-space",
        }
    }

    /// The extension of that URI.
    #[must_use]
    pub fn from_uri(uri: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|extension| extension.uri() == uri)
    }

    /// Whether it makes sense on m-lines of that kind. What is estimated is what is left for video, so audio has no transport-wide numbers.
    /// With those libwebrtc takes the little that a microphone sends for all that the path carries, and tells of what it receives half as
    /// often: its feedback takes 5 % of that.
    #[must_use]
    pub const fn applies_to(self, kind: MediaKind) -> bool {
        match self {
            Self::Mid | Self::AbsCaptureTime => true,
            Self::AudioLevel => matches!(kind, MediaKind::Audio),
            _ => matches!(kind, MediaKind::Video),
        }
    }

    /// Whether packets to a subscriber of that kind of media carry it: what is forwarded, and what the server writes itself.
    #[must_use]
    pub const fn is_sent(self, kind: MediaKind) -> bool {
        self.applies_to(kind) && (self.is_forwarded() || matches!(self, Self::TransportCc))
    }

    /// Whether its value means the same to a subscriber, and so is forwarded.
    #[must_use]
    pub const fn is_forwarded(self) -> bool {
        !matches!(self, Self::Mid | Self::Rid | Self::RepairedRid | Self::TransportCc)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_found_by_what_a_decoder_must_understand() {
        let find = |encoding, fmtp| FormatId::from_sdp(encoding, fmtp).map(|id| id.format().default_payload_type);
        assert_eq!(find("opus/48000/2", "minptime=10"), Some(111));
        assert_eq!(find("OPUS/48000/2", ""), Some(111));
        assert_eq!(find("opus/48000", ""), None);
        assert_eq!(find("VP9/90000", ""), Some(98));
        assert_eq!(find("VP9/90000", "profile-id=2"), Some(100));
        assert_eq!(find("H264/90000", "packetization-mode=1;profile-level-id=42e034"), Some(102));
        assert_eq!(find("H264/90000", "profile-level-id=42001f; packetization-mode=0"), Some(114));
        assert_eq!(find("H264/90000", "packetization-mode=1;profile-level-id=640c1f"), Some(108));
        assert_eq!(find("H264/90000", "packetization-mode=1;profile-level-id=f4001f"), None);
        assert_eq!(find("H264/90000", "packetization-mode=1;profile-level-id=é"), None);
        assert_eq!(find("PCMU/8000", ""), None);
    }

    #[test]
    fn what_is_known_of_h264_is_what_is_offered() {
        for format in FORMATS {
            assert_eq!(format.h264, (format.codec == Codec::H264).then(|| H264::read(format.fmtp)).flatten());
        }
    }

    #[test]
    fn a_higher_h264_profile_accepts_a_lower_one() {
        let id = |fmtp| FormatId::from_sdp("H264/90000", fmtp).expect("known");
        let baseline = id("packetization-mode=1;profile-level-id=42e01f");
        let high = id("packetization-mode=1;profile-level-id=64001f");
        assert!(baseline.accepted_as().any(|f| f == high));
        assert!(!high.accepted_as().any(|f| f == baseline));
        assert_eq!(FormatId::VP8.accepted_as().collect::<Vec<_>>(), [FormatId::VP8]);
    }

    #[test]
    fn default_payload_types_do_not_collide() {
        let mut taken = std::collections::BTreeSet::new();
        for format in FORMATS {
            assert!(taken.insert(format.default_payload_type));
            assert!(format.default_rtx_payload_type == 0 || taken.insert(format.default_rtx_payload_type));
        }
    }
}
