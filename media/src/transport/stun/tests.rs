use super::*;
use proptest::prelude::*;
use rtc::crypto::RTCCryptoProvider;
use rtc::crypto::providers::RingProvider;
use rtc::stun::attributes::{ATTR_CHANGE_REQUEST, ATTR_ICE_CONTROLLING};

const PASSWORD: &str = "password-password-password";

/// A binding request as an ICE agent builds it.
pub(in crate::transport) struct RequestBuilder<'a> {
    pub(in crate::transport) username: &'a str,
    pub(in crate::transport) password: &'a str,
    pub(in crate::transport) use_candidate: bool,
    pub(in crate::transport) transaction: [u8; 12],
    pub(in crate::transport) extra: Vec<AttrType>,
    pub(in crate::transport) behind_integrity: Vec<AttrType>,
}

impl<'a> RequestBuilder<'a> {
    pub(in crate::transport) fn new(username: &'a str, password: &'a str) -> Self {
        Self {
            username,
            password,
            use_candidate: true,
            transaction: [7; 12],
            extra: vec![ATTR_ICE_CONTROLLING],
            behind_integrity: Vec::new(),
        }
    }

    pub(in crate::transport) fn build(&self) -> Vec<u8> {
        let provider = RingProvider::new();
        let mut setters: Vec<Box<dyn Setter + '_>> = vec![
            Box::new(BINDING_REQUEST),
            Box::new(TransactionId(self.transaction)),
            Box::new(Attribute(ATTR_USERNAME, self.username.as_bytes().to_vec())),
            Box::new(Attribute(ATTR_PRIORITY, vec![1; 4])),
        ];
        let empty = |kind: AttrType| if kind == ATTR_USE_CANDIDATE { Vec::new() } else { vec![0; 8] };
        if self.use_candidate {
            setters.push(Box::new(Attribute(ATTR_USE_CANDIDATE, Vec::new())));
        }
        for kind in &self.extra {
            setters.push(Box::new(Attribute(*kind, empty(*kind))));
        }
        setters.push(Box::new(MessageIntegrity::new_short_term_integrity_with_provider(
            self.password.to_owned(),
            provider.crypto(),
        )));
        for kind in &self.behind_integrity {
            setters.push(Box::new(Attribute(*kind, empty(*kind))));
        }
        setters.push(Box::new(FINGERPRINT));
        let mut message = Message::new();
        message.build(&setters).unwrap();
        message.raw
    }
}

fn authenticate(datagram: &[u8]) -> Result<Request, DropReason> {
    Request::authenticate(datagram, "local:remote", PASSWORD, RingProvider::new().crypto())
}

fn answer_of(request: Request) -> Message {
    let from = "[2001:db8::1]:4000".parse().unwrap();
    let provider = RingProvider::new();
    let mut answer = Message::new();
    answer.unmarshal_binary(&request.answer(from, PASSWORD, provider.crypto()).unwrap()).unwrap();
    MessageIntegrity::check(&mut answer, PASSWORD.as_bytes(), provider.crypto()).unwrap();
    FINGERPRINT.check(&answer).unwrap();
    answer
}

#[test]
fn a_request_is_answered_with_the_address_it_came_from() {
    let request = authenticate(&RequestBuilder::new("local:remote", PASSWORD).build()).unwrap();
    assert!(request.use_candidate && request.is_accepted());
    let answer = answer_of(request);
    assert_eq!((answer.typ, answer.transaction_id.0), (BINDING_SUCCESS, [7; 12]));
    let mut mapped = XorMappedAddress::default();
    mapped.get_from_as(&answer, rtc::stun::attributes::ATTR_XORMAPPED_ADDRESS).unwrap();
    assert_eq!((mapped.ip.to_string(), mapped.port), ("2001:db8::1".to_owned(), 4000));
}

#[test]
fn unauthentic_requests_are_dropped_with_their_reason() {
    let reason = |datagram: &[u8]| authenticate(datagram).err();
    let good = RequestBuilder::new("local:remote", PASSWORD).build();
    assert_eq!(reason(&RequestBuilder::new("local:other", PASSWORD).build()), Some(DropReason::WrongUsername));
    assert_eq!(reason(&RequestBuilder::new("wrong:remote", PASSWORD).build()), Some(DropReason::WrongUsername));
    assert_eq!(reason(&RequestBuilder::new("local:remote", "guess").build()), Some(DropReason::BadIntegrity));
    let mut bad_fingerprint = good.clone();
    *bad_fingerprint.last_mut().unwrap() ^= 1;
    assert_eq!(reason(&bad_fingerprint), Some(DropReason::MalformedStun));
    for len in 0..good.len() {
        assert_eq!(reason(&good[..len]), Some(DropReason::MalformedStun), "truncated to {len}");
    }
    let mut plain = Message::new();
    plain
        .build(&[
            Box::new(BINDING_REQUEST) as Box<dyn Setter>,
            Box::new(TransactionId([1; 12])),
            Box::new(Attribute(ATTR_USERNAME, b"local:remote".to_vec())),
            Box::new(FINGERPRINT),
        ])
        .unwrap();
    assert_eq!(reason(&plain.raw), Some(DropReason::MissingIntegrity));
}

#[test]
fn attributes_behind_message_integrity_do_not_count() {
    let mut builder = RequestBuilder::new("local:remote", PASSWORD);
    builder.use_candidate = false;
    builder.behind_integrity = vec![ATTR_USE_CANDIDATE, ATTR_ICE_CONTROLLED, ATTR_CHANGE_REQUEST];
    let request = authenticate(&builder.build()).unwrap();
    assert!(!request.use_candidate && request.is_accepted());
}

#[test]
fn role_conflicts_and_unknown_attributes_are_answered_with_errors() {
    let mut builder = RequestBuilder::new("local:remote", PASSWORD);
    builder.extra = vec![ATTR_ICE_CONTROLLED];
    let request = authenticate(&builder.build()).unwrap();
    assert!(!request.is_accepted());
    assert_eq!(answer_of(request).typ, BINDING_ERROR);
    builder.extra = vec![ATTR_ICE_CONTROLLING, ATTR_CHANGE_REQUEST];
    let answer = answer_of(authenticate(&builder.build()).unwrap());
    assert_eq!(answer.get(ATTR_UNKNOWN_ATTRIBUTES).unwrap(), ATTR_CHANGE_REQUEST.0.to_be_bytes());
}

#[test]
fn the_local_ufrag_is_found_without_trusting_a_length() {
    let good = RequestBuilder::new("abcd1234:remote", PASSWORD).build();
    assert_eq!(local_ufrag(&good), Some("abcd1234"));
    assert_eq!(local_ufrag(&RequestBuilder::new("alone", PASSWORD).build()), Some("alone"));
    for len in 0..good.len() {
        assert_eq!(local_ufrag(&good[..len]), None, "truncated to {len}");
    }
    let mut answer = good.clone();
    answer[1] = 0x01;
    answer[0] = 0x01;
    assert_eq!(local_ufrag(&answer), None, "an answer concerns nobody here");
}

proptest! {
    #[test]
    fn mutated_requests_neither_panic_nor_authenticate(
        changes in prop::collection::vec((any::<prop::sample::Index>(), 1u8..), 1..5),
    ) {
        let good = RequestBuilder::new("local:remote", PASSWORD).build();
        let mut mutated = good.clone();
        for (at, xor) in changes {
            mutated[at.index(good.len())] ^= xor;
        }
        let _ = local_ufrag(&mutated);
        if mutated != good {
            prop_assert!(authenticate(&mutated).is_err());
        }
    }
}
