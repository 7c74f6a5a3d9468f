//! STUN binding requests and their answers (RFC 8489), as far as an ICE-lite agent needs them (RFC 8445 section 7.3).
//!
//! Everything here is a pure function of bytes. Only attributes before MESSAGE-INTEGRITY are ever looked at: those behind
//! it are not authenticated, and rtc-stun's own getters do not tell the difference.

use crate::drop_reason::DropReason;
use rtc::crypto::RTCCrypto;
use rtc::shared::error::Result as RtcResult;
use rtc::stun::attributes::{
    ATTR_ICE_CONTROLLED, ATTR_MESSAGE_INTEGRITY, ATTR_PRIORITY, ATTR_UNKNOWN_ATTRIBUTES, ATTR_USE_CANDIDATE,
    ATTR_USERNAME, AttrType, RawAttribute,
};
use rtc::stun::error_code::{CODE_ROLE_CONFLICT, CODE_UNKNOWN_ATTRIBUTE, ErrorCode, ErrorCodeAttribute};
use rtc::stun::fingerprint::FINGERPRINT;
use rtc::stun::integrity::MessageIntegrity;
use rtc::stun::message::{BINDING_ERROR, BINDING_REQUEST, BINDING_SUCCESS, Message, Setter, TransactionId};
use rtc::stun::xoraddr::XorMappedAddress;
use std::net::SocketAddr;

const HEADER: usize = 20;
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
/// Bytes of the HMAC-SHA1 in MESSAGE-INTEGRITY.
const INTEGRITY: usize = 20;

/// The local user fragment that a binding request is for: the first part of its USERNAME, `<local>:<remote>`.
///
/// Read straight from the bytes, without allocation, so that a shard finds whom a datagram concerns before it spends
/// anything on it. Nothing is verified.
#[must_use]
pub fn local_ufrag(datagram: &[u8]) -> Option<&str> {
    let header = datagram.first_chunk::<HEADER>()?;
    if header[..2] != [0, 1] || header[4..8] != MAGIC_COOKIE {
        return None;
    }
    let len = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let mut attributes = datagram.get(HEADER..HEADER + len)?;
    while let Some([t0, t1, l0, l1]) = attributes.first_chunk() {
        let kind = AttrType(u16::from_be_bytes([*t0, *t1]));
        let len = usize::from(u16::from_be_bytes([*l0, *l1]));
        let value = attributes.get(4..4 + len)?;
        match kind {
            ATTR_USERNAME => return std::str::from_utf8(value).ok()?.split(':').next(),
            ATTR_MESSAGE_INTEGRITY => return None,
            _ => attributes = attributes.get(4 + len.next_multiple_of(4)..)?,
        }
    }
    None
}

/// An authenticated binding request.
pub(super) struct Request {
    transaction: TransactionId,
    /// The client names this path as the one to use.
    pub(super) use_candidate: bool,
    fault: Option<Fault>,
}

/// Why an authentic request is answered with an error.
enum Fault {
    /// The client thinks that it is controlled too; an ICE-lite agent never takes the controlling role.
    RoleConflict,
    /// Comprehension-required attributes that are not comprehended, as the UNKNOWN-ATTRIBUTES value.
    UnknownAttributes(Vec<u8>),
}

impl Request {
    /// Parses and authenticates a request: FINGERPRINT, then USERNAME, then MESSAGE-INTEGRITY with the local password.
    pub(super) fn authenticate(
        datagram: &[u8],
        username: &str,
        password: &str,
        crypto: &dyn RTCCrypto,
    ) -> Result<Self, DropReason> {
        let mut message = Message::new();
        if message.unmarshal_binary(datagram).is_err()
            || message.typ != BINDING_REQUEST
            || FINGERPRINT.check(&message).is_err()
        {
            return Err(DropReason::MalformedStun);
        }
        let attributes = &message.attributes.0;
        let integrity = attributes
            .iter()
            .position(|attribute| attribute.typ == ATTR_MESSAGE_INTEGRITY && attribute.value.len() == INTEGRITY)
            .ok_or(DropReason::MissingIntegrity)?;
        let authenticated = attributes.get(..integrity).unwrap_or_default();
        let named = authenticated.iter().find(|attribute| attribute.typ == ATTR_USERNAME);
        if named.is_none_or(|attribute| attribute.value != username.as_bytes()) {
            return Err(DropReason::WrongUsername);
        }
        let use_candidate = authenticated.iter().any(|attribute| attribute.typ == ATTR_USE_CANDIDATE);
        let fault = Self::fault(authenticated);
        MessageIntegrity::check(&mut message, password.as_bytes(), crypto).map_err(|_| DropReason::BadIntegrity)?;
        Ok(Self { transaction: message.transaction_id, use_candidate, fault })
    }

    fn fault(authenticated: &[RawAttribute]) -> Option<Fault> {
        if authenticated.iter().any(|attribute| attribute.typ == ATTR_ICE_CONTROLLED) {
            return Some(Fault::RoleConflict);
        }
        let known = [ATTR_USERNAME, ATTR_PRIORITY, ATTR_USE_CANDIDATE];
        let unknown: Vec<u8> = authenticated
            .iter()
            .filter(|attribute| attribute.typ.required() && !known.contains(&attribute.typ))
            .flat_map(|attribute| attribute.typ.value().to_be_bytes())
            .collect();
        (!unknown.is_empty()).then_some(Fault::UnknownAttributes(unknown))
    }

    /// Whether the request is accepted, and its path with it.
    pub(super) fn is_accepted(&self) -> bool {
        self.fault.is_none()
    }

    /// The answer, signed with the local password. `None` only if the library cannot build it.
    pub(super) fn answer(self, from: SocketAddr, password: &str, crypto: &dyn RTCCrypto) -> Option<Vec<u8>> {
        let mut setters: Vec<Box<dyn Setter + '_>> = vec![Box::new(self.transaction)];
        match self.fault {
            None => {
                setters.push(Box::new(BINDING_SUCCESS));
                setters.push(Box::new(XorMappedAddress { ip: from.ip(), port: from.port() }));
            }
            Some(Fault::RoleConflict) => Self::push_error(&mut setters, CODE_ROLE_CONFLICT),
            Some(Fault::UnknownAttributes(types)) => {
                Self::push_error(&mut setters, CODE_UNKNOWN_ATTRIBUTE);
                setters.push(Box::new(Attribute(ATTR_UNKNOWN_ATTRIBUTES, types)));
            }
        }
        setters.push(Box::new(MessageIntegrity::new_short_term_integrity_with_provider(password.to_owned(), crypto)));
        setters.push(Box::new(FINGERPRINT));
        let mut message = Message::new();
        message.build(&setters).ok()?;
        Some(message.raw)
    }

    fn push_error(setters: &mut Vec<Box<dyn Setter + '_>>, code: ErrorCode) {
        setters.push(Box::new(BINDING_ERROR));
        setters.push(Box::new(ErrorCodeAttribute { code, reason: Vec::new() }));
    }
}

/// An attribute given by its bytes.
pub(super) struct Attribute(pub(super) AttrType, pub(super) Vec<u8>);

impl Setter for Attribute {
    fn add_to(&self, message: &mut Message) -> RtcResult<()> {
        message.add(self.0, &self.1);
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests;
