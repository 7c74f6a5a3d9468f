//! What browsers and others really send, and what an attacker might.

use super::*;
use crate::command::{MediaKind, Rid};
use crate::formats::{Extension, FormatId};
use proptest::prelude::*;

const CHROMIUM: &str = include_str!("testdata/chromium-simulcast.sdp");
const FIREFOX: &str = include_str!("testdata/firefox-simulcast.sdp");
const AIORTC: &str = include_str!("testdata/aiortc-sendrecv.sdp");
pub(super) const ALL: [&str; 7] = [
    CHROMIUM,
    FIREFOX,
    AIORTC,
    include_str!("testdata/chromium-sendrecv.sdp"),
    include_str!("testdata/chromium-data.sdp"),
    include_str!("testdata/firefox-sendrecv.sdp"),
    include_str!("testdata/firefox-data.sdp"),
];

fn parse(sdp: &str) -> RemoteDescription {
    RemoteDescription::parse(sdp).expect("a real SDP")
}

fn refusal(sdp: &str) -> String {
    RemoteDescription::parse(sdp).expect_err("must be refused").0
}

fn types(media: &RemoteMedia) -> Vec<(&'static str, u8, Option<u8>)> {
    media.formats.iter().map(|f| (f.id.format().name, f.payload_type, f.rtx)).collect()
}

fn rids(names: &[&str]) -> Vec<Rid> {
    names.iter().filter_map(|name| Rid::new(name)).collect()
}

#[test]
fn chromium_simulcast_is_understood() {
    let sdp = parse(CHROMIUM);
    let transport = sdp.transport.as_ref().unwrap();
    assert_eq!((transport.ice.ufrag.as_str(), transport.ice.pwd.len()), ("KBnT", 24));
    assert_eq!(transport.setup, Setup::ActPass);
    assert!(transport.fingerprints[0].to_string().starts_with("D1:38:68:6B"));
    assert!(sdp.extmap_allow_mixed && !sdp.ice_lite);
    assert_eq!(sdp.bundle, ["0", "1", "2"].map(|m| Mid::new(m).unwrap()));
    let [audio, video, data] = &sdp.media[..] else { panic!("three m-lines") };
    assert_eq!(audio.kind, SectionKind::Media(MediaKind::Audio));
    assert_eq!(types(audio), [("opus", 111, None), ("red", 63, None)]);
    assert_eq!(audio.ssrcs, [SsrcPair { media: 482_928_862, rtx: None }]);
    assert_eq!(audio.direction, Direction::SendOnly);
    assert_eq!(types(video)[0], ("VP8", 96, Some(97)));
    assert_eq!(
        video.formats[0].feedback,
        Feedback { transport_cc: true, fir: true, nack: true, pli: true, remb: true }
    );
    assert!(types(video).contains(&("AV1", 45, Some(46))));
    assert_eq!(video.rids, rids(&["q", "h", "f"]));
    assert!(video.extensions.iter().any(|e| e.extension == Extension::RepairedRid && e.id == 11));
    assert_eq!(video.msid.as_ref().unwrap().0, "9b87b11c-2652-4301-a93b-42c9550794e5");
    assert!(video.payload_types & 1 << 120 != 0, "ulpfec is not known, but its number is taken");
    assert_eq!((data.kind, data.sctp_port, data.max_message_size), (SectionKind::Data, Some(5000), 262_144));
}

#[test]
fn firefox_simulcast_is_understood() {
    let sdp = parse(FIREFOX);
    assert_eq!(sdp.transport.as_ref().unwrap().fingerprints.len(), 1, "the fingerprint stands at session level");
    let [audio, video, _] = &sdp.media[..] else { panic!("three m-lines") };
    assert_eq!(audio.formats[0].fmtp, "maxplaybackrate=48000;stereo=1;useinbandfec=1");
    assert_eq!(types(video), [("VP8", 120, Some(124)), ("VP9", 121, Some(125)), ("AV1", 99, Some(100))]);
    assert_eq!(video.rids, rids(&["q", "h", "f"]));
    assert_eq!(video.ssrcs.len(), 3);
    assert_eq!(video.ssrcs[0], SsrcPair { media: 1_677_795_371, rtx: Some(2_548_227_027) });
    let playout = video.extensions.iter().find(|e| e.extension == Extension::PlayoutDelay).unwrap();
    assert_eq!((playout.id, playout.direction), (6, Some(Direction::RecvOnly)));
    assert_eq!(video.msid.as_ref().unwrap().0, "{17b30664-2fa7-44f6-adf3-ecd78dc09316}");
}

#[test]
fn a_stack_without_session_level_attributes_and_with_other_hashes_is_understood() {
    let sdp = parse(AIORTC);
    assert_eq!(sdp.transport.as_ref().unwrap().fingerprints.len(), 1, "sha-384 and sha-512 are passed over");
    let video = &sdp.media[1];
    assert_eq!(video.ssrcs, [SsrcPair { media: 3_558_235_557, rtx: Some(3_730_867_532) }]);
    assert!(video.rids.is_empty() && !video.rtcp_rsize && video.rtcp_mux);
    assert_eq!(video.direction, Direction::SendRecv);
}

#[test]
fn session_level_attributes_are_defaults() {
    let text = FIREFOX
        .replace("a=setup:actpass\r\n", "")
        .replace("a=sendrecv\r\na=fing", "a=inactive\r\na=setup:active\r\na=fing");
    let text = text.replacen("a=sendonly\r\n", "", 1);
    let sdp = parse(&text);
    assert_eq!(sdp.transport.unwrap().setup, Setup::Active);
    assert_eq!(sdp.media[0].direction, Direction::Inactive);
    assert_eq!(sdp.media[1].direction, Direction::SendOnly);
}

#[test]
fn simulcast_has_pauses_and_alternatives() {
    let with = |simulcast: &str| {
        let sdp = parse(&CHROMIUM.replace("a=simulcast:send q;h;f", simulcast));
        (sdp.media[1].rids.clone(), sdp.media[1].paused.clone())
    };
    assert_eq!(with("a=simulcast:send f;~h,q"), (rids(&["f", "h"]), rids(&["h"])));
    assert_eq!(with("a=simulcast:recv q send h;x;h;;f"), (rids(&["h", "f"]), vec![]));
    assert_eq!(with("a=simulcast:recv q;h"), (rids(&["q", "h", "f"]), vec![]), "a=rid alone counts");
    assert_eq!(with("a=simulcast:"), (rids(&["q", "h", "f"]), vec![]));
}

#[test]
fn red_needs_the_opus_of_its_m_line() {
    for fmtp in ["a=fmtp:63 111/0\r\n", ""] {
        let sdp = parse(&CHROMIUM.replace("a=fmtp:63 111/111\r\n", fmtp));
        assert_eq!(types(&sdp.media[0]), [("opus", 111, None)]);
    }
    assert!(parse(CHROMIUM).media[0].formats.iter().any(|f| f.id == FormatId::RED));
}

#[test]
fn a_rejected_m_line_is_told_from_a_bundled_one() {
    let stopped = parse(&CHROMIUM.replace("m=video 9 ", "m=video 0 "));
    assert!(stopped.media[1].rejected);
    let bundled = CHROMIUM.replace("m=video 9 ", "m=video 0 ").replace("a=mid:1", "a=bundle-only\r\na=mid:1");
    assert!(!parse(&bundled).media[1].rejected);
    let nothing = parse(&CHROMIUM.replace(" 9 UDP", " 0 UDP"));
    assert_eq!(nothing.transport, None);
}

#[test]
fn without_a_group_only_the_first_m_line_has_the_transport() {
    let sdp = parse(&CHROMIUM.replace("a=group:BUNDLE 0 1 2\r\n", ""));
    assert_eq!([0, 1, 2, 3].map(|i| sdp.is_bundled(i)), [true, false, false, false]);
    let sdp = parse(&CHROMIUM.replace("a=group:BUNDLE 0 1 2", "a=group:BUNDLE 0 2"));
    assert_eq!([0, 1, 2].map(|i| sdp.is_bundled(i)), [true, false, true]);
}

#[test]
fn refusals_name_what_was_wrong_and_what_is_allowed() {
    let cut = |from: &str, to: &str| refusal(&AIORTC.replace(from, to));
    let no_fingerprint: String =
        AIORTC.lines().filter(|l| !l.contains("sha-256")).map(|l| format!("{l}\r\n")).collect();
    assert!(refusal(&no_fingerprint).contains("a=fingerprint with sha-256 is missing"));
    let digest = AIORTC.lines().find_map(|l| l.strip_prefix("a=fingerprint:sha-256 ")).unwrap();
    for wrong in ["", "36:14", &format!("{digest}:00"), &digest.replace("36:", "+6:")] {
        assert!(cut(digest, wrong).contains("32 hexadecimal bytes"), "{wrong}");
    }
    assert!(cut("a=ice-ufrag:d4tY", "a=ice-ufrag:d4t").contains("a=ice-ufrag must be 4 to 256"));
    assert!(cut("a=ice-ufrag:d4tY", "a=ice-ufrag:d4tY:x").contains("a=ice-ufrag must be"));
    assert!(cut("a=ice-ufrag:d4tY", &format!("a=ice-ufrag:{}", "a".repeat(257))).contains("a=ice-ufrag must be"));
    assert!(cut("a=ice-ufrag:d4tY\r\n", "").contains("a=ice-ufrag is missing"));
    let short = cut("fbNysCLntQnp5CpKdcmSn5", "fbNysCLntQnp5CpKdcmSn");
    assert!(short.contains("a=ice-pwd must be 22 to 256") && !short.contains("fbNys"), "secrets stay out of errors");
    assert!(cut("a=setup:actpass", "a=setup:holdconn").contains("actpass, active and passive"));
    assert!(cut("SAVPF 97 ", "SAVPF 128 ").contains("m-line 1: payload type 128 is not a number from 0 to 127"));
    assert!(cut("SAVPF 97 ", "SAVPF -1 ").contains("payload type -1"));
    assert!(cut("a=mid:1", "a=mid:0").contains("a=mid:0 is used twice"));
    assert!(cut("a=mid:1", "a=mid:12345678901234567").contains("1 to 16 token characters"));
    assert!(cut("a=mid:1\r\n", "").contains("m-line 1: a=mid is missing"));
    assert!(refusal("").contains("not an SDP"));
}

/// That many lines of some text, counted from 0, in place of the first mid's line.
fn with_lines(count: usize, line: impl Fn(usize) -> String) -> String {
    let lines: String = (0..count).map(|i| format!("{}\r\n", line(i))).collect();
    CHROMIUM.replacen("a=mid:0\r\n", &format!("a=mid:0\r\n{lines}"), 1)
}

#[test]
fn every_bound_is_reached_and_held() {
    let m_lines = |count: usize| {
        let line = |i| format!("m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:x{i}\r\n");
        CHROMIUM.to_owned() + &(3..count).map(line).collect::<String>()
    };
    assert_eq!(parse(&m_lines(MAX_MEDIA)).media.len(), MAX_MEDIA);
    assert!(refusal(&m_lines(MAX_MEDIA + 1)).contains("at most 128"));
    assert!(refusal(&m_lines(1000)).contains("1000 m-lines; at most 128 are allowed"));
    assert!(refusal(&m_lines(1000).replace("\r\nm=", "\n\r\r\rm=")).contains("1000 m-lines"));

    let long = |bytes: usize| CHROMIUM.replace("a=mid:0\r\n", &format!("a=mid:0\r\na=x:{}\n", "y".repeat(bytes - 4)));
    parse(&long(MAX_LINE_BYTES));
    assert!(refusal(&long(MAX_LINE_BYTES + 1)).contains("at most 8192 are allowed"));
    assert!(refusal(&long(65_536)).contains("65536 bytes"));

    assert!(refusal(&with_lines(MAX_LINES, |_| "a=x".to_owned())).contains("lines; at most 16384"));
    assert!(refusal(&with_lines(1000, |_| format!("a=x:{}", "y".repeat(1000)))).contains("bytes; at most 393216"));
    let session =
        CHROMIUM.replace("s=-\r\nt=0 0\r\n", &format!("s=-\r\nt=0 0\r\n{}", "a=x\r\n".repeat(MAX_SESSION_LINES)));
    assert!(refusal(&session).contains("before the first m-line"));

    parse(&with_lines(super::media::MAX_RIDS, |i| format!("a=rid:r{i} send")));
    assert!(
        refusal(&with_lines(super::media::MAX_RIDS + 1, |i| format!("a=rid:r{i} send"))).contains("more than 8 a=rid")
    );
    // One SSRC is there already.
    parse(&with_lines(super::media::MAX_SSRCS - 1, |i| format!("a=ssrc:{i} cname:x")));
    assert!(
        refusal(&with_lines(super::media::MAX_SSRCS, |i| format!("a=ssrc:{i} cname:x"))).contains("more than 24 SSRCs")
    );
    let fingerprints = with_lines(8, |_| "a=fingerprint:sha-1 00".to_owned());
    assert!(refusal(&fingerprints).contains("9 a=fingerprint lines; at most 8"));
}

/// A change that keeps most of an SDP intact, so that the damage reaches the inner parsers.
#[derive(Clone, Debug)]
enum Damage {
    Delete(usize, usize),
    Insert(usize, String),
    Repeat(usize, usize),
    Swap(usize, usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = any::<usize>;
    let word = prop_oneof![
        Just("~".to_owned()),
        Just("/".to_owned()),
        Just(" 65536".to_owned()),
        Just("-1".to_owned()),
        Just("\r\nm=".to_owned()),
        Just("\r\na=rid:".to_owned()),
        Just("\r\na=simulcast:send ".to_owned()),
        Just("\r\na=ssrc-group:FID 1".to_owned()),
        Just("\r\nr=1 9d".to_owned()),
        ".{0,8}",
    ];
    prop_oneof![
        (at(), 0_usize..40).prop_map(|(i, n)| Damage::Delete(i, n)),
        (at(), word).prop_map(|(i, text)| Damage::Insert(i, text)),
        (at(), 0_usize..4).prop_map(|(i, n)| Damage::Repeat(i, n)),
        (at(), at()).prop_map(|(i, j)| Damage::Swap(i, j)),
    ]
}

fn apply(sdp: &str, damage: &Damage) -> String {
    let mut chars: Vec<char> = sdp.chars().collect();
    let mut lines: Vec<&str> = sdp.split_inclusive('\n').collect();
    match damage {
        _ if chars.is_empty() => String::new(),
        Damage::Delete(at, count) => {
            let from = at % chars.len();
            chars.drain(from..(from + count).min(chars.len()));
            chars.into_iter().collect()
        }
        Damage::Insert(at, text) => {
            let at = at % chars.len();
            chars.splice(at..at, text.chars());
            chars.into_iter().collect()
        }
        Damage::Repeat(at, count) => {
            let at = at % lines.len();
            let line = lines[at];
            lines.splice(at..at, std::iter::repeat_n(line, *count));
            lines.concat()
        }
        Damage::Swap(a, b) => {
            let count = lines.len();
            lines.swap(a % count, b % count);
            lines.concat()
        }
    }
}

/// A real SDP, damaged a few times.
pub(crate) fn damaged() -> impl Strategy<Value = String> {
    (prop::sample::select(&ALL[..]), prop::collection::vec(damage(), 1..12))
        .prop_map(|(sdp, damages)| damages.iter().fold(sdp.to_owned(), |sdp, damage| apply(&sdp, damage)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_descriptions_never_panic_and_stay_bounded(sdp in damaged()) {
        if let Ok(sdp) = RemoteDescription::parse(&sdp) {
            prop_assert!(sdp.media.len() <= MAX_MEDIA);
            for media in &sdp.media {
                prop_assert!(media.rids.len() <= super::media::MAX_RIDS && media.ssrcs.len() <= super::media::MAX_SSRCS);
                prop_assert!(media.rejected || media.mid.is_some());
            }
            prop_assert!(sdp.transport.is_none_or(|t| !t.fingerprints.is_empty() && t.ice.pwd.len() >= 22));
        }
    }

    #[test]
    fn arbitrary_text_never_panics(text in "(v=0\r\n)?(o=- 1 1 IN IP4 0\r\n)?(s=-\r\n)?(t=0 0\r\n)?([a-z]=.{0,20}\r\n){0,20}") {
        let _ = RemoteDescription::parse(&text);
    }
}
