//! Whole sessions with Chromium 156 and Firefox ESR 153: each server description below was accepted by the browser, and
//! each client description is what it said; transport-wide numbers on the server's lines of video were written into both afterwards,
//! and taken out of both of audio.
//! The server must still say the same.

use super::*;

macro_rules! session {
    ($browser:literal) => {
        [
            [
                include_str!(concat!("../testdata/", $browser, "/1-client-offer.sdp")),
                include_str!(concat!("../testdata/", $browser, "/1-server-answer.sdp")),
            ],
            [
                include_str!(concat!("../testdata/", $browser, "/2-server-offer.sdp")),
                include_str!(concat!("../testdata/", $browser, "/2-client-answer.sdp")),
            ],
            [
                include_str!(concat!("../testdata/", $browser, "/3-server-offer.sdp")),
                include_str!(concat!("../testdata/", $browser, "/3-client-answer.sdp")),
            ],
            [
                include_str!(concat!("../testdata/", $browser, "/4-server-offer.sdp")),
                include_str!(concat!("../testdata/", $browser, "/4-client-answer.sdp")),
            ],
            [
                include_str!(concat!("../testdata/", $browser, "/5-server-offer.sdp")),
                include_str!(concat!("../testdata/", $browser, "/5-client-answer.sdp")),
            ],
            [
                include_str!(concat!("../testdata/", $browser, "/6-server-offer.sdp")),
                include_str!(concat!("../testdata/", $browser, "/6-client-answer.sdp")),
            ],
            [
                include_str!(concat!("../testdata/", $browser, "/7-client-offer.sdp")),
                include_str!(concat!("../testdata/", $browser, "/7-server-answer.sdp")),
            ],
        ]
    };
}

fn client_offers(negotiator: &mut Negotiator, [offer, answer]: [&str; 2]) -> AcceptedOffer {
    let accepted = negotiator.handle_offer(&parse(offer), &ice()).unwrap();
    assert_eq!(accepted.sdp, answer);
    accepted
}

fn server_offers(negotiator: &mut Negotiator, [offer, answer]: [&str; 2]) -> AcceptedAnswer {
    let (number, sdp) = negotiator.create_offer(&ice()).unwrap();
    assert_eq!(sdp, offer);
    let accepted = negotiator.handle_answer(Some(number), &parse(answer)).unwrap();
    assert_eq!((&accepted.refused, accepted.remote.ice_restart), (&vec![], false));
    assert!(!negotiator.needs_offer());
    accepted
}

/// A client that knows nothing of bindings: join, two tracks of A, two of B, A leaves, C takes the lines, D replaces
/// C's audio at once, and the client publishes more.
fn replay(steps: [[&str; 2]; 7]) {
    let mut negotiator = negotiator(false);
    let received = client_offers(&mut negotiator, steps[0]).receives.len();
    let audio = bind(&mut negotiator, MediaKind::Audio, "A");
    let video = bind(&mut negotiator, MediaKind::Video, "A");
    assert_eq!(server_offers(&mut negotiator, steps[1]).lines.len(), 2);
    bind(&mut negotiator, MediaKind::Audio, "B");
    bind(&mut negotiator, MediaKind::Video, "B");
    assert_eq!(server_offers(&mut negotiator, steps[2]).lines.len(), 4);
    negotiator.unbind(audio);
    negotiator.unbind(video);
    assert_eq!(server_offers(&mut negotiator, steps[3]).lines.len(), 2);
    assert_eq!(negotiator.send_line(audio), None);
    assert_eq!(bind(&mut negotiator, MediaKind::Audio, "C"), audio);
    assert_eq!(bind(&mut negotiator, MediaKind::Video, "C"), video);
    assert_eq!(server_offers(&mut negotiator, steps[4]).lines.len(), 4);
    negotiator.unbind(audio);
    assert_eq!(bind(&mut negotiator, MediaKind::Audio, "D"), audio);
    assert_eq!(negotiator.send_line(audio), None, "the client still takes it for C's");
    let accepted = server_offers(&mut negotiator, steps[5]);
    assert_eq!((accepted.lines.len(), accepted.receives.len()), (4, received));
    assert!(negotiator.send_line(audio).is_some());
    assert_eq!(client_offers(&mut negotiator, steps[6]).receives.len(), received + 2);
    assert!(!negotiator.needs_offer());
}

#[test]
fn chromium() {
    replay(session!("chromium"));
}

#[test]
fn firefox() {
    replay(session!("firefox"));
}

/// A Firefox that joins without media is offered the server's default numbers, and later names others for its own
/// tracks, such as 99 for AV1 where the server's m-lines have it for RTX.
#[test]
fn firefox_that_publishes_late() {
    macro_rules! recorded {
        ($name:literal) => {
            include_str!(concat!("../testdata/firefox-late/", $name, ".sdp"))
        };
    }
    let mut negotiator = negotiator(true);
    client_offers(&mut negotiator, [recorded!("1-client-offer"), recorded!("1-server-answer")]);
    let audio = bind(&mut negotiator, MediaKind::Audio, "A");
    let video = bind(&mut negotiator, MediaKind::Video, "A");
    server_offers(&mut negotiator, [recorded!("2-server-offer"), recorded!("2-client-answer")]);
    for name in ["B", "C"] {
        bind(&mut negotiator, MediaKind::Audio, name);
        bind(&mut negotiator, MediaKind::Video, name);
    }
    // The recorded session had by then given A's lines to D and C, and B the lines next to them.
    let lines = [(audio, MediaKind::Audio, "D"), (video, MediaKind::Video, "C")];
    for (line, kind, name) in lines {
        negotiator.unbind(line);
        assert_eq!(bind(&mut negotiator, kind, name), line);
    }
    for kind in [MediaKind::Audio, MediaKind::Video] {
        let c = negotiator.agreement.lines.iter().rfind(|line| line.kind == kind).map(|line| line.index).unwrap();
        negotiator.unbind(c);
    }
    let accepted = client_offers(&mut negotiator, [recorded!("3-client-offer"), recorded!("3-server-answer")]);
    assert_eq!(accepted.receives.len(), 2);
    let formats: Vec<_> = accepted.receives[0].formats.iter().map(|f| f.format().name).collect();
    assert_eq!(formats, ["VP8", "VP9", "AV1"]);
    let ingress = negotiator.numbering().types(FormatId::VP8).unwrap();
    let egress = negotiator.send_line(video).unwrap().types(FormatId::VP8).unwrap();
    assert_eq!((ingress.media, egress.media), (120, 96));
}
