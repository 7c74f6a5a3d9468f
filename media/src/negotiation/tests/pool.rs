//! The pool of sending m-lines.

use super::*;
use crate::command::MediaKind::{Audio, Video};
use crate::formats::Extension;
use crate::sdp::Direction;

#[test]
fn nothing_is_offered_before_the_client_has_offered() {
    let mut negotiator = negotiator(true);
    bind(&mut negotiator, Audio, "A");
    assert!(!negotiator.needs_offer());
    assert_eq!(negotiator.create_offer(&ice()), None);
    negotiator.handle_offer(&parse(CHROMIUM_DATA), &ice()).unwrap();
    assert!(negotiator.needs_offer());
}

#[test]
fn the_pool_grows_in_batches_and_joins_within_them_cost_nothing() {
    let mut negotiator = accepted(true, CHROMIUM);
    let first = bind(&mut negotiator, Video, "A");
    assert_eq!(settle(&mut negotiator).lines.len(), 1 + SPARE_LINES);
    let others = ["B", "C"].map(|name| bind(&mut negotiator, Video, name));
    assert!(!negotiator.needs_offer() && negotiator.create_offer(&ice()).is_none());
    assert!(others.iter().all(|line| negotiator.send_line(*line).is_some()));
    negotiator.unbind(first);
    assert!(!negotiator.needs_offer());
    assert_eq!(bind(&mut negotiator, Video, "D"), first, "a freed line is used again");
    assert!(!negotiator.needs_offer() && negotiator.send_line(first).is_some());
    bind(&mut negotiator, Video, "E");
    assert!(negotiator.needs_offer());
}

#[test]
fn a_line_keeps_its_ssrcs_and_mid_for_life() {
    let mut negotiator = accepted(true, CHROMIUM);
    let line = bind(&mut negotiator, Video, "A");
    settle(&mut negotiator);
    let before = negotiator.send_line(line).cloned().unwrap();
    negotiator.unbind(line);
    for name in ["B", "C", "D", "E", "F"] {
        bind(&mut negotiator, Video, name);
    }
    let (_, offer) = negotiator.create_offer(&ice()).unwrap();
    let group = format!("a=ssrc-group:FID {} {}\r\n", before.ssrc, before.rtx_ssrc.unwrap());
    let media = format!("{group}a=ssrc:{} cname:parlor\r\n", before.ssrc);
    assert!(offer.contains(&media), "the media's SSRC comes first");
    let answer = as_client(&willing_answer(&offer), &negotiator);
    negotiator.handle_answer(None, &answer).unwrap();
    assert_eq!(negotiator.send_line(line), Some(&before));
    let ssrcs = negotiator.agreement.lines.iter().flat_map(|l| [Some(l.ssrc), l.rtx_ssrc]).flatten();
    let distinct: std::collections::HashSet<_> = ssrcs.clone().collect();
    assert_eq!(distinct.len(), ssrcs.count());
}

#[test]
fn the_pool_ends_at_the_most_m_lines() {
    let mut negotiator = accepted(true, CHROMIUM);
    let bound = (0..2 * MAX_MEDIA).map_while(|i| negotiator.bind(Audio, msid(&i.to_string(), Audio)));
    assert_eq!(bound.count(), MAX_MEDIA - 3);
    let (_, offer) = negotiator.create_offer(&ice()).unwrap();
    assert_eq!(parse(&offer).media.len(), MAX_MEDIA);
    let answer = as_client(&willing_answer(&offer), &negotiator);
    assert_eq!(negotiator.handle_answer(None, &answer).unwrap().lines.len(), MAX_MEDIA - 3);
    assert_eq!(negotiator.bind(Video, msid("x", Video)), None);
    assert!(!negotiator.needs_offer());
}

#[test]
fn lines_for_which_the_client_leaves_no_room_are_not_offered() {
    let mut negotiator = accepted(true, CHROMIUM_DATA);
    while negotiator.bind(Audio, msid("A", Audio)).is_some() {}
    let line =
        |i| format!("m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:{i}\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\n");
    let mids: String = (0..MAX_MEDIA).map(|i| format!(" {i}")).collect();
    let offer = CHROMIUM_DATA.replace("BUNDLE 0", &format!("BUNDLE{mids}"));
    let offer = offer + &(1..MAX_MEDIA).map(line).collect::<String>();
    let accepted = negotiator.handle_offer(&parse(&offer), &ice()).unwrap();
    assert_eq!(accepted.receives.len(), MAX_MEDIA - 1);
    assert!(!negotiator.needs_offer() && negotiator.create_offer(&ice()).is_none());
}

#[test]
fn a_client_that_never_named_a_number_gets_free_defaults() {
    // This client's Opus has VP8's default number, and its telephone events another's.
    let offer = AIORTC.split("m=video").next().unwrap().replace("BUNDLE 0 1 2", "BUNDLE 0");
    let offer = offer.replace("SAVPF 96 9 0 8", "SAVPF 96 98 9 0 8");
    let mut negotiator = accepted(false, &offer);
    let line = bind(&mut negotiator, Video, "A");
    settle(&mut negotiator);
    let line = negotiator.send_line(line).unwrap();
    let mut taken: Vec<u8> = vec![96, 98, 9, 0, 8];
    for format in FormatId::of_kind(Video) {
        let types = line.types(format).unwrap();
        assert!(!taken.contains(&types.media) && !taken.contains(&types.rtx.unwrap()), "{types:?}");
        taken.extend([types.media, types.rtx.unwrap()]);
    }
    assert_eq!(line.id(Extension::PlayoutDelay), None, "its ids might be the client's for something else");
}

#[test]
fn a_client_without_media_gets_default_extensions() {
    let mut negotiator = accepted(false, CHROMIUM_DATA);
    let line = bind(&mut negotiator, Video, "A");
    settle(&mut negotiator);
    let line = negotiator.send_line(line).unwrap();
    assert!(line.id(Extension::DependencyDescriptor).is_some());
    assert_eq!((line.id(Extension::TransportCc).is_some(), line.id(Extension::Mid)), (true, None));
    assert_eq!(line.types(FormatId::VP8).unwrap().media, 96);
}

#[test]
fn the_dependency_descriptor_is_offered_under_an_id_that_the_client_has_not_used() {
    let descriptor = format!("a=extmap:12 {}\r\n", Extension::DependencyDescriptor.uri());
    let id = |offer: &str| {
        let mut negotiator = accepted(true, offer);
        let line = bind(&mut negotiator, Video, "A");
        settle(&mut negotiator);
        negotiator.send_line(line).unwrap().id(Extension::DependencyDescriptor)
    };
    assert!(CHROMIUM.contains(&descriptor));
    let unnamed = CHROMIUM.replace(&descriptor, "");
    let other = |id: u8| CHROMIUM.replace(&descriptor, &format!("a=extmap:{id} urn:example:other\r\n"));
    assert_eq!(
        (id(&unnamed), id(&other(12)), id(&other(15))),
        (Some(12), None, Some(12)),
        "twelve is the only free one"
    );
    let audio = AIORTC.split("m=video").next().unwrap().replace("BUNDLE 0 1 2", "BUNDLE 0");
    let taken = audio.clone() + "a=extmap:12 urn:example:other\r\n" + "a=extmap:14/recvonly urn:example:more\r\n";
    assert_eq!((id(&audio), id(&taken)), (Some(12), Some(13)));
}

#[test]
fn a_refused_line_is_reported_and_never_used_again() {
    let mut negotiator = accepted(false, CHROMIUM);
    let line = bind(&mut negotiator, Video, "A");
    let (_, offer) = negotiator.create_offer(&ice()).unwrap();
    let mut answer = as_client(&willing_answer(&offer), &negotiator);
    answer.media[3].rejected = true;
    let accepted = negotiator.handle_answer(None, &answer).unwrap();
    assert_eq!((accepted.refused, accepted.lines.len()), (vec![line], 0));
    assert!(negotiator.send_line(line).is_none() && !negotiator.needs_offer());
    negotiator.unbind(line);
    assert_ne!(bind(&mut negotiator, Video, "A"), line);
    assert!(section(&negotiator.create_offer(&ice()).unwrap().1, 3)[0].starts_with("video 0 "));
}

#[test]
fn a_line_that_the_client_switches_off_is_not_offered_in_circles() {
    for follows in [true, false] {
        let mut negotiator = accepted(follows, CHROMIUM);
        let line = bind(&mut negotiator, Audio, "A");
        let (_, offer) = negotiator.create_offer(&ice()).unwrap();
        let mut answer = as_client(&willing_answer(&offer), &negotiator);
        answer.media[3].direction = Direction::Inactive;
        assert_eq!(negotiator.handle_answer(None, &answer).unwrap().refused, [line]);
        assert!(negotiator.send_line(line).is_none() && !negotiator.needs_offer());
        negotiator.unbind(line);
        assert_ne!(bind(&mut negotiator, Audio, "B"), line);
    }
}

#[test]
fn a_binding_that_the_clients_offer_overtakes_is_still_offered() {
    let mut negotiator = accepted(false, CHROMIUM);
    let line = bind(&mut negotiator, Audio, "A");
    settle(&mut negotiator);
    negotiator.unbind(line);
    let (number, offer) = negotiator.create_offer(&ice()).expect("the end of the track");
    let session = willing_answer(&offer);
    negotiator.handle_answer(Some(number), &as_client(&session, &negotiator)).expect("a good answer");
    assert!(!negotiator.needs_offer());
    assert_eq!(bind(&mut negotiator, Audio, "B"), line, "the freed line serves again");
    // The client does not know yet, and offers the m-line as it was left: inactive.
    assert!(session.contains("a=inactive"));
    let again = session.replace("a=setup:active", "a=setup:actpass");
    negotiator.handle_offer(&as_client(&again, &negotiator), &ice()).expect("a good offer");
    assert!(negotiator.needs_offer() && negotiator.send_line(line).is_none());
    settle(&mut negotiator);
    assert!(negotiator.send_line(line).is_some());
}

#[test]
fn bindings_made_while_an_offer_is_outstanding_wait_for_the_next() {
    let mut negotiator = accepted(false, CHROMIUM);
    let line = bind(&mut negotiator, Audio, "A");
    let (first, offer) = negotiator.create_offer(&ice()).unwrap();
    negotiator.unbind(line);
    assert_eq!(bind(&mut negotiator, Audio, "B"), line);
    let other = bind(&mut negotiator, Video, "B");
    assert!(!negotiator.needs_offer() && negotiator.create_offer(&ice()).is_none());
    let answer = as_client(&willing_answer(&offer), &negotiator);
    negotiator.handle_answer(Some(first), &answer).unwrap();
    assert!(negotiator.send_line(line).is_none(), "the client was told of A");
    assert!(negotiator.needs_offer());
    settle(&mut negotiator);
    assert!(negotiator.send_line(line).is_some() && negotiator.send_line(other).is_some());
}

#[test]
fn a_client_may_send_on_a_line_of_the_pool() {
    // `addTrack` takes any transceiver that has not sent yet.
    let mut negotiator = accepted(true, CHROMIUM_DATA);
    let line = bind(&mut negotiator, Audio, "A");
    settle(&mut negotiator);
    let described = negotiator.describe(&ice(), "actpass", &negotiator.agreement.sections);
    let offer = willing_answer(&described).replacen("a=recvonly", "a=sendrecv", 1);
    let accepted = negotiator.handle_offer(&as_client(&offer, &negotiator), &ice()).unwrap();
    assert_eq!(accepted.receives.iter().map(|r| r.mid.as_str()).collect::<Vec<_>>(), ["s0"]);
    assert!(section(&accepted.sdp, 1).contains(&"a=sendrecv"));
    assert!(negotiator.send_line(line).is_some());
    bind(&mut negotiator, Video, "B");
    let (_, next) = negotiator.create_offer(&ice()).unwrap();
    assert!(section(&next, 1).contains(&"a=sendrecv"), "the server's next offer does not silence it");
}

#[test]
fn a_client_that_sends_on_a_line_of_the_pool_gives_the_dependency_descriptor_with_av1_alone() {
    let answers = |first: &str| {
        let mut negotiator = accepted(true, CHROMIUM_DATA);
        bind(&mut negotiator, Video, "A");
        settle(&mut negotiator);
        let described = negotiator.describe(&ice(), "actpass", &negotiator.agreement.sections);
        let offer = willing_answer(&described).replacen("a=recvonly", "a=sendrecv", 1);
        let offer = offer.replacen("SAVPF 96", &format!("SAVPF {first} 96"), 1);
        let accepted = negotiator.handle_offer(&as_client(&offer, &negotiator), &ice()).unwrap();
        section(&accepted.sdp, 1).join("").contains("dependency-descriptor")
    };
    assert_eq!([answers("98"), answers("116")], [false, true]);
}
