//! Offers and answers that do not fit: each is refused, and everything is as before.

use super::*;
use crate::sdp::tests::damaged;
use proptest::prelude::*;

/// The error of an offer after which everything must be as before.
fn refused(negotiator: &mut Negotiator, offer: &RemoteDescription) -> String {
    let before = format!("{negotiator:?}");
    let error = negotiator.handle_offer(offer, &ice()).expect_err("must be refused");
    assert_eq!(format!("{negotiator:?}"), before);
    error.to_string()
}

#[test]
fn offers_that_contradict_the_session_change_nothing() {
    let mut negotiator = accepted(true, CHROMIUM);
    let mut refused = |edit: &dyn Fn(&mut RemoteDescription)| {
        let mut offer = parse(CHROMIUM);
        edit(&mut offer);
        refused(&mut negotiator, &offer)
    };
    assert!(refused(&|o| drop(o.media.pop())).contains("the offer has 2 m-lines, but 3 are negotiated"));
    assert!(refused(&|o| o.media.swap(0, 1)).contains("m-line 0: kind and mid must stay what they are (mid 0)"));
    assert!(refused(&|o| o.media[1].mid = Mid::new("9")).contains("m-line 1"));
    assert!(refused(&|o| o.media[2].kind = SectionKind::Media(MediaKind::Audio)).contains("m-line 2"));
    assert!(refused(&|o| o.media[1].rtcp_mux = false).contains("a=rtcp-mux is missing"));
    assert!(refused(&|o| o.ice_lite = true).contains("a=ice-lite"));
    let transport = |o: &mut RemoteDescription, edit: fn(&mut crate::sdp::RemoteTransport)| {
        edit(o.transport.as_mut().unwrap());
    };
    assert!(
        refused(&|o| transport(o, |t| t.fingerprints = vec![Fingerprint([1; 32])])).contains("a=fingerprint changed")
    );
    assert!(refused(&|o| transport(o, |t| t.setup = crate::sdp::Setup::Passive)).contains("a=setup contradicts"));
}

#[test]
fn a_first_offer_needs_something_to_connect() {
    let offer = parse(&CHROMIUM.replace(" 9 UDP", " 0 UDP"));
    assert!(refused(&mut negotiator(true), &offer).contains("nothing to connect"));
}

#[test]
fn what_cannot_be_served_is_rejected_alone() {
    let offer = CHROMIUM.replace("BUNDLE 0 1 2", "BUNDLE 0 2");
    let offer = offer
        + "m=text 9 RTP/AVP 98\r\na=mid:t\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:p\r\na=rtcp-mux\r\n"
        + "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:d\r\n";
    let offer = offer.replace("BUNDLE 0 2", "BUNDLE 0 2 t p d");
    let accepted = negotiator(true).handle_offer(&parse(&offer), &ice()).unwrap();
    let first = |index| section(&accepted.sdp, index)[0].to_owned();
    assert!(first(1).starts_with("video 0 "), "outside of the group");
    assert_eq!(first(3), "text 0 RTP/AVP 98", "not spoken");
    assert_eq!(first(4), "audio 0 UDP/TLS/RTP/SAVPF 0", "no codec in common");
    assert_eq!(first(5), "application 0 UDP/DTLS/SCTP webrtc-datachannel", "one association is enough");
    assert!(accepted.sdp.contains("a=group:BUNDLE 0 2\r\n"));
    assert_eq!(accepted.receives.len(), 1);
    parse(&accepted.sdp);
}

#[test]
fn glare_is_refused_and_the_servers_offer_stands() {
    let mut negotiator = accepted(true, CHROMIUM);
    bind(&mut negotiator, MediaKind::Audio, "A");
    let (number, offer) = negotiator.create_offer(&ice()).unwrap();
    assert_eq!(negotiator.handle_offer(&parse(CHROMIUM), &ice()).unwrap_err(), NegotiationError::Glare);
    assert_eq!(negotiator.outstanding(), Some(number));
    let answer = as_client(&willing_answer(&offer), &negotiator);
    assert_eq!(negotiator.handle_answer(Some(number + 1), &answer).unwrap_err(), NegotiationError::NoOffer);
    assert_eq!(negotiator.outstanding(), Some(number));
    negotiator.handle_answer(Some(number), &answer).unwrap();
    assert_eq!(negotiator.handle_answer(None, &answer).unwrap_err(), NegotiationError::NoOffer);
}

#[test]
fn a_bad_answer_withdraws_the_offer_until_something_changes() {
    let mut negotiator = accepted(true, CHROMIUM);
    let line = bind(&mut negotiator, MediaKind::Video, "A");
    let (number, offer) = negotiator.create_offer(&ice()).unwrap();
    let mut answer = as_client(&willing_answer(&offer), &negotiator);
    answer.media.pop();
    let error = negotiator.handle_answer(Some(number), &answer).unwrap_err();
    assert_eq!(error.to_string(), "the answer has 5 m-lines, but the offer has 6");
    assert!(negotiator.outstanding().is_none() && !negotiator.needs_offer());
    assert!(negotiator.send_line(line).is_none());
    let other = bind(&mut negotiator, MediaKind::Audio, "A");
    let (next, _) = negotiator.create_offer(&ice()).unwrap();
    assert!(next > number);
    negotiator.withdraw();
    assert!(negotiator.outstanding().is_none() && negotiator.create_offer(&ice()).is_none());
    negotiator.unbind(other);
    let accepted = settle(&mut negotiator);
    assert_eq!(accepted.refused, []);
    assert!(negotiator.send_line(line).is_some());
}

#[test]
fn answers_must_keep_kinds_and_mids_and_add_nothing() {
    let check = |edit: fn(&mut RemoteDescription)| {
        let mut negotiator = accepted(true, CHROMIUM);
        let line = bind(&mut negotiator, MediaKind::Video, "A");
        let (_, offer) = negotiator.create_offer(&ice()).unwrap();
        let mut answer = as_client(&willing_answer(&offer), &negotiator);
        edit(&mut answer);
        negotiator.handle_answer(None, &answer).map(|_| negotiator.send_line(line).cloned())
    };
    assert!(check(|a| a.media.swap(1, 3)).is_err());
    assert!(check(|a| a.media[3].mid = Mid::new("x")).is_err());
    assert!(check(|a| a.media[3].kind = SectionKind::Data).is_err());
    let line = check(|a| a.media[3].formats.iter_mut().for_each(|f| f.payload_type += 1)).unwrap();
    assert_eq!(line, None, "numbers that were not offered");
    let line = check(|a| a.transport.as_mut().unwrap().setup = crate::sdp::Setup::Passive).unwrap();
    assert!(line.is_some(), "the DTLS association stays, whatever an answer says of its roles");
    let line = check(|a| a.media[3].formats.truncate(1)).unwrap().unwrap();
    assert_eq!(FormatId::all().filter(|f| line.types(*f).is_some()).collect::<Vec<_>>(), [FormatId::VP8]);
}

#[test]
fn a_client_that_kept_a_withdrawn_offer_is_understood() {
    let mut negotiator = accepted(true, CHROMIUM);
    let line = bind(&mut negotiator, MediaKind::Video, "A");
    let (_, offer) = negotiator.create_offer(&ice()).unwrap();
    negotiator.withdraw();
    let kept = as_client(&willing_answer(&offer), &negotiator);
    let mut wrong = kept.clone();
    wrong.media[3].kind = SectionKind::Media(MediaKind::Audio);
    assert!(refused(&mut negotiator, &wrong).contains("mid s0 is the server's"));
    let accepted = negotiator.handle_offer(&kept, &ice()).unwrap();
    assert!(section(&accepted.sdp, 3).contains(&"a=sendonly"));
    assert!(negotiator.send_line(line).is_some() && !negotiator.needs_offer());
}

#[test]
fn mids_of_the_client_that_look_like_the_servers_are_avoided() {
    let offer = CHROMIUM.replace("a=mid:1", "a=mid:s0").replace("BUNDLE 0 1 2", "BUNDLE 0 s0 2");
    let mut negotiator = accepted(true, &offer);
    let line = bind(&mut negotiator, MediaKind::Video, "A");
    assert_eq!(negotiator.mid(line).unwrap().as_str(), "s1");
    settle(&mut negotiator);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_descriptions_are_taken_whole_or_not_at_all(sdps in prop::collection::vec(damaged(), 1..4), follows: bool) {
        let mut negotiator = negotiator(follows);
        for sdp in sdps {
            let Ok(offer) = RemoteDescription::parse(&sdp) else { continue };
            let before = format!("{negotiator:?}");
            match negotiator.handle_offer(&offer, &ice()) {
                // What the server says must be an SDP by its own rules.
                Ok(accepted) => prop_assert_eq!(parse(&accepted.sdp).media.len(), offer.media.len()),
                Err(_) => prop_assert_eq!(format!("{negotiator:?}"), before),
            }
            let _ = negotiator.bind(MediaKind::Video, msid("A", MediaKind::Video));
            if let Some((_, own)) = negotiator.create_offer(&ice()) {
                parse(&own);
                let _ = negotiator.handle_answer(None, &offer);
                negotiator.withdraw();
            }
        }
    }
}
