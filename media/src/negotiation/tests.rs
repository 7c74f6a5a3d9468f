//! Sessions with browsers as they were recorded, and what clients might do wrong.

mod hostile;
mod pool;
mod recorded;

use super::*;
use crate::formats::FormatId;
use crate::path::Protocol;

pub(super) const CHROMIUM: &str = include_str!("../sdp/testdata/chromium-simulcast.sdp");
pub(super) const CHROMIUM_DATA: &str = include_str!("../sdp/testdata/chromium-data.sdp");
pub(super) const FIREFOX: &str = include_str!("../sdp/testdata/firefox-simulcast.sdp");
pub(super) const AIORTC: &str = include_str!("../sdp/testdata/aiortc-sendrecv.sdp");

pub(super) fn ice() -> IceLocal {
    IceLocal { ufrag: "abcd".to_owned(), pwd: "0123456789012345678901".to_owned() }
}

pub(super) fn negotiator(follows_bindings: bool) -> Negotiator {
    let candidate = |protocol, address: &str| Candidate { protocol, address: address.parse().unwrap() };
    Negotiator::new(LocalParameters {
        fingerprint: Fingerprint([7; 32]),
        candidates: Arc::new([
            candidate(Protocol::Udp, "127.0.0.1:7900"),
            candidate(Protocol::Tcp, "127.0.0.1:7900"),
            candidate(Protocol::Udp, "[::1]:7900"),
        ]),
        follows_bindings,
        cname: "parlor".to_owned(),
        session_id: 4_611_731_400_430_051_336,
        seed: 1,
    })
}

pub(super) fn parse(sdp: &str) -> RemoteDescription {
    RemoteDescription::parse(sdp).expect("a good SDP")
}

/// The same offer with AV1 before the other formats.
fn prefers_av1(offer: &str) -> String {
    offer.replace("SAVPF 96 97 102 103", "SAVPF 45 46 96 97 102 103").replace(" 39 40 45 46 98", " 39 40 98")
}

/// A negotiator that has accepted an offer.
pub(super) fn accepted(follows_bindings: bool, offer: &str) -> Negotiator {
    let mut negotiator = negotiator(follows_bindings);
    negotiator.handle_offer(&parse(offer), &ice()).expect("a good offer");
    negotiator
}

pub(super) fn msid(name: &str, kind: MediaKind) -> Msid {
    let suffix = if kind == MediaKind::Audio { "a" } else { "v" };
    Msid { stream: format!("st-{name}"), track: format!("tr-{name}-{suffix}") }
}

pub(super) fn bind(negotiator: &mut Negotiator, kind: MediaKind, name: &str) -> LineIndex {
    negotiator.bind(kind, msid(name, kind)).expect("room for a line")
}

/// The server's offer as a willing client answers it: all that is offered is taken, and what it sends stays.
pub(super) fn willing_answer(offer: &str) -> String {
    let swap = |line: &str| match line {
        "a=sendonly" => "a=recvonly".to_owned(),
        "a=recvonly" => "a=sendonly".to_owned(),
        "a=setup:actpass" => "a=setup:active".to_owned(),
        "a=ice-lite" => "a=x-full".to_owned(),
        other => other.to_owned(),
    };
    offer.lines().map(|line| swap(line) + "\r\n").collect()
}

/// Offers what waits, and has it answered.
pub(super) fn settle(negotiator: &mut Negotiator) -> AcceptedAnswer {
    let (number, offer) = negotiator.create_offer(&ice()).expect("something to offer");
    let answer = as_client(&willing_answer(&offer), negotiator);
    negotiator.handle_answer(Some(number), &answer).expect("a good answer")
}

/// A description with the client's credentials and certificate in place of the server's.
pub(super) fn as_client(sdp: &str, negotiator: &Negotiator) -> RemoteDescription {
    let mut description = parse(sdp);
    let setup = description.transport.as_ref().map_or(crate::sdp::Setup::Active, |t| t.setup);
    description.transport.clone_from(&negotiator.agreement.remote);
    if let Some(transport) = &mut description.transport {
        transport.setup = setup;
    }
    description
}

/// The lines of one m-line's section.
pub(super) fn section(sdp: &str, index: usize) -> Vec<&str> {
    let (_, media) = sdp.split_once("\r\nm=").unwrap();
    media.split("\r\nm=").nth(index).unwrap().lines().collect()
}

#[test]
fn the_answer_keeps_the_clients_preference() {
    let swapped = CHROMIUM.replace("SAVPF 96 97 102 103", "SAVPF 102 103 96 97");
    let offer = negotiator(true).handle_offer(&parse(&swapped), &ice()).unwrap();
    assert!(section(&offer.sdp, 1)[0].starts_with("video 9 UDP/TLS/RTP/SAVPF 102 103 96 97 104"));
    assert_eq!(offer.receives[1].formats[0].format().name, "H264");
}

#[test]
fn the_dependency_descriptor_is_taken_where_av1_is_sent() {
    let answers = |offer: &str| {
        let answer = negotiator(true).handle_offer(&parse(offer), &ice()).unwrap().sdp;
        answer.contains("dependency-descriptor")
    };
    let av1_first =
        CHROMIUM.replace("SAVPF 96 97 102 103", "SAVPF 45 46 96 97 102 103").replace(" 39 40 45 46 98", " 39 40 98");
    assert_eq!([answers(CHROMIUM), answers(&av1_first)], [false, true]);
}

#[test]
fn an_answer_promises_no_feedback_that_was_not_offered() {
    let answer = negotiator(true).handle_offer(&parse(AIORTC), &ice()).unwrap().sdp;
    let video = section(&answer, 1);
    assert!(video.contains(&"a=rtcp-fb:97 nack pli") && !answer.contains("ccm fir") && !answer.contains("goog-remb"));
    assert!(!answer.contains("transport-cc") && !answer.contains("extmap-allow-mixed") && !answer.contains("rsize"));
    assert!(video.contains(&"a=recvonly"), "sendrecv is answered with recvonly: the server sends on its own m-lines");
}

#[test]
fn candidates_stand_on_the_first_bundled_m_line() {
    let offer = CHROMIUM.replace("m=audio 9 ", "m=audio 0 ");
    let answer = negotiator(true).handle_offer(&parse(&offer), &ice()).unwrap().sdp;
    assert!(answer.contains("a=group:BUNDLE 1 2\r\n"));
    assert!(section(&answer, 0)[0].starts_with("audio 0 ") && !section(&answer, 0).join("").contains("candidate"));
    assert!(section(&answer, 1).contains(&"a=candidate:1 1 udp 2130706431 127.0.0.1 7900 typ host"));
    assert!(section(&answer, 1).contains(&"a=end-of-candidates"));
    assert_eq!(answer.matches("a=candidate:").count(), 3);
}

#[test]
fn what_the_client_sends_is_described() {
    let offer = negotiator(true).handle_offer(&parse(FIREFOX), &ice()).unwrap();
    let [audio, video] = &offer.receives[..] else { panic!("two lines") };
    assert_eq!((audio.mid.as_str(), audio.formats.as_slice()), ("0", &[FormatId::OPUS][..]));
    assert_eq!(video.rids.iter().map(|r| r.as_str()).collect::<Vec<_>>(), ["q", "h", "f"]);
    assert_eq!((video.index, video.ssrcs.len(), video.feedback.pli), (1, 3, true));
    assert!(offer.remote.data && !offer.remote.ice_restart);
    assert_eq!(offer.remote.role, DtlsRole::Server);
}

#[test]
fn simulcast_without_the_rid_extension_is_not_accepted() {
    let offer = CHROMIUM.replace("a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\n", "");
    let accepted = negotiator(true).handle_offer(&parse(&offer), &ice()).unwrap();
    assert!(accepted.receives[1].rids.is_empty() && !accepted.sdp.contains("simulcast"));
}

#[test]
fn the_dtls_role_is_the_one_that_the_client_leaves() {
    let role = |setup: &str| {
        let offer = CHROMIUM.replace("a=setup:actpass", setup);
        let accepted = negotiator(true).handle_offer(&parse(&offer), &ice()).unwrap();
        (accepted.remote.role, accepted.sdp.contains("a=setup:passive"), accepted.sdp.contains("a=setup:active"))
    };
    assert_eq!(role("a=setup:actpass"), (DtlsRole::Server, true, false));
    assert_eq!(role("a=setup:active"), (DtlsRole::Server, true, false));
    assert_eq!(role("a=setup:passive"), (DtlsRole::Client, false, true));
}

#[test]
fn an_ice_restart_is_recognised_and_changes_nothing_else() {
    let mut negotiator = negotiator(true);
    let first = parse(CHROMIUM);
    assert!(negotiator.needs_new_credentials(&first));
    negotiator.handle_offer(&first, &ice()).unwrap();
    assert!(!negotiator.needs_new_credentials(&first));
    let restart = parse(&CHROMIUM.replace("a=ice-ufrag:KBnT", "a=ice-ufrag:KBnU"));
    assert!(negotiator.needs_new_credentials(&restart));
    let fresh = IceLocal { ufrag: "wxyz".to_owned(), ..ice() };
    let accepted = negotiator.handle_offer(&restart, &fresh).unwrap();
    assert!(accepted.remote.ice_restart && accepted.sdp.contains("a=ice-ufrag:wxyz"));
    assert_eq!(accepted.remote.ice.ufrag, "KBnU");
    assert!(!negotiator.handle_offer(&restart, &fresh).unwrap().remote.ice_restart);
}

#[test]
fn a_track_that_ends_is_no_longer_received() {
    let mut negotiator = accepted(true, CHROMIUM);
    let paused = CHROMIUM.replacen("a=sendonly", "a=inactive", 1);
    assert_eq!(negotiator.handle_offer(&parse(&paused), &ice()).unwrap().receives.len(), 1);
    assert_eq!(negotiator.handle_offer(&parse(CHROMIUM), &ice()).unwrap().receives.len(), 2);
    let stopped = CHROMIUM.replace("m=video 9 ", "m=video 0 ");
    let accepted = negotiator.handle_offer(&parse(&stopped), &ice()).unwrap();
    assert_eq!(accepted.receives.len(), 1);
    // The client may use a rejected m-line's place for something else.
    let recycled = CHROMIUM.replace("a=mid:1", "a=mid:7").replace("BUNDLE 0 1 2", "BUNDLE 0 7 2");
    let accepted = negotiator.handle_offer(&parse(&recycled), &ice()).unwrap();
    assert_eq!(accepted.receives[1].mid.as_str(), "7");
}

#[test]
fn the_plan_renumbers_from_publisher_to_subscriber() {
    let publisher = accepted(true, &prefers_av1(CHROMIUM));
    let mut subscriber = accepted(true, FIREFOX);
    let video = bind(&mut subscriber, MediaKind::Video, "A");
    let audio = bind(&mut subscriber, MediaKind::Audio, "A");
    settle(&mut subscriber);
    let plan = ForwardPlan::new(publisher.numbering(), subscriber.send_line(video).unwrap());
    assert_eq!((plan.media(FormatId::VP8), plan.rtx(FormatId::VP8)), (Some(120), Some(124)));
    let h264 = FormatId::from_sdp("H264/90000", "packetization-mode=1;profile-level-id=42e01f").unwrap();
    assert_eq!(plan.media(h264), None, "Firefox has not offered it");
    assert_eq!(plan.media(FormatId::OPUS), None, "audio does not go out on a video line");
    // The dependency descriptor is 12 with Chromium, 8 with Firefox; the mid's id 4 is this hop's alone.
    assert_eq!(
        (plan.extension(12), plan.extension(4), plan.extension(0), plan.extension(200)),
        (Some(8), None, None, None)
    );
    assert_eq!(plan.extension(5), Some(6), "playout delay");
    let plan = ForwardPlan::new(publisher.numbering(), subscriber.send_line(audio).unwrap());
    assert_eq!((plan.media(FormatId::OPUS), plan.rtx(FormatId::OPUS)), (Some(109), None));
    assert_eq!((plan.media(FormatId::RED), plan.extension(1)), (None, Some(1)));
    assert_eq!(plan.redundant(), None, "Firefox takes no RED");
}

#[test]
fn the_servers_own_red_names_the_subscribers_opus() {
    let publisher = accepted(true, FIREFOX);
    let mut subscriber = accepted(true, CHROMIUM);
    let audio = bind(&mut subscriber, MediaKind::Audio, "A");
    settle(&mut subscriber);
    let plan = ForwardPlan::new(publisher.numbering(), subscriber.send_line(audio).unwrap());
    assert_eq!(plan.media(FormatId::RED), None, "a publisher's would name another payload type");
    assert_eq!(plan.redundant(), Some(RedTypes { red: 63, opus: 111 }));
}
