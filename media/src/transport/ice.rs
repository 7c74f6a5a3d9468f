//! The ICE-lite agent of one participant (RFC 8445 section 2.5): it answers checks, learns paths and picks one.
//!
//! What always holds: a path is learned only from a request whose USERNAME and MESSAGE-INTEGRITY verified; the selected
//! path is a learned one; at most [`MAX_PATHS`] are kept. The last authenticated nomination wins, which carries a client
//! through a NAT rebinding or a change of networks without a gap. Until the first nomination the first authenticated path
//! serves: browsers send their ClientHello some 50 ms before they nominate.

use super::stun::Request;
use crate::drop_reason::DropReason;
use crate::path::Path;
use rand::Rng;
use rtc::crypto::RTCCrypto;
use std::time::{Duration, Instant};

/// A path, and with the last one the participant, expires this long after its last authenticated check (RFC 7675).
pub const CONSENT: Duration = Duration::from_secs(30);

/// Paths kept per participant: two networks, each over UDP and TCP.
pub const MAX_PATHS: usize = 4;

/// The alphabet of RFC 8839 section 5.4, 64 characters.
const ICE_CHARS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// One side's user fragment and password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IceCredentials {
    /// 48 random bits in 8 characters: shards find the participant by it.
    pub ufrag: String,
    /// 144 random bits in 24 characters (RFC 8445 section 5.3 demands 128).
    pub pwd: String,
}

impl IceCredentials {
    /// Draws fresh credentials from `rng`, which must be unpredictable in production.
    pub fn generate(rng: &mut impl Rng) -> Self {
        let mut text = |len: usize| -> String {
            (0..len).map(|_| char::from(ICE_CHARS[(rng.next_u32() >> 26) as usize])).collect()
        };
        Self { ufrag: text(8), pwd: text(24) }
    }
}

/// What a request changed.
pub(super) struct Checked {
    /// The answer to send back along the request's path.
    pub(super) answer: Vec<u8>,
    /// The path is a new one.
    pub(super) added: bool,
    /// This path was given up for it.
    pub(super) evicted: Option<Path>,
}

#[derive(Clone, Copy)]
struct ValidPath {
    path: Path,
    last_check: Instant,
}

/// See the module's text.
pub(super) struct IceLite {
    local: IceCredentials,
    /// `<local>:<remote>`, what USERNAME must be; `None` until the remote description.
    username: Option<String>,
    paths: Vec<ValidPath>,
    selected: Option<Path>,
    /// Runs from the remote description, so that a client that never checks is given up too.
    consent_since: Option<Instant>,
}

impl IceLite {
    pub(super) fn new(local: IceCredentials) -> Self {
        Self { local, username: None, paths: Vec::with_capacity(1), selected: None, consent_since: None }
    }

    pub(super) fn local(&self) -> &IceCredentials {
        &self.local
    }

    /// Learns the remote user fragment. Checks are accepted from now on.
    pub(super) fn set_remote(&mut self, now: Instant, remote_ufrag: &str) {
        self.username = Some(format!("{}:{remote_ufrag}", self.local.ufrag));
        self.consent_since.get_or_insert(now);
    }

    /// An ICE restart (RFC 8445 section 9): checks must use the new credentials; learned paths keep carrying media.
    pub(super) fn restart(&mut self, local: IceCredentials, remote_ufrag: &str) {
        self.local = local;
        self.username = Some(format!("{}:{remote_ufrag}", self.local.ufrag));
    }

    pub(super) fn selected(&self) -> Option<&Path> {
        self.selected.as_ref()
    }

    pub(super) fn is_valid(&self, path: &Path) -> bool {
        self.selected.as_ref() == Some(path) || self.paths.iter().any(|valid| valid.path == *path)
    }

    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.paths.iter().map(|valid| &valid.path)
    }

    /// Authenticates a check and applies it.
    pub(super) fn handle(
        &mut self,
        now: Instant,
        path: &Path,
        datagram: &[u8],
        crypto: &dyn RTCCrypto,
    ) -> Result<Checked, DropReason> {
        let username = self.username.as_deref().ok_or(DropReason::WrongUsername)?;
        let request = Request::authenticate(datagram, username, &self.local.pwd, crypto)?;
        let (mut added, mut evicted) = (false, None);
        if request.is_accepted() {
            self.consent_since = Some(now);
            match self.paths.iter_mut().find(|valid| valid.path == *path) {
                Some(valid) => valid.last_check = now,
                None => {
                    evicted = self.make_room();
                    self.paths.push(ValidPath { path: *path, last_check: now });
                    added = true;
                }
            }
            if request.use_candidate || self.selected.is_none() {
                self.selected = Some(*path);
            }
        }
        let answer = request.answer(path.remote, &self.local.pwd, crypto).ok_or(DropReason::MalformedStun)?;
        Ok(Checked { answer, added, evicted })
    }

    /// Gives up the path that was checked longest ago, but never the selected one, when there are too many.
    fn make_room(&mut self) -> Option<Path> {
        if self.paths.len() < MAX_PATHS {
            return None;
        }
        let candidates = self.paths.iter().enumerate().filter(|(_, valid)| Some(valid.path) != self.selected);
        let (oldest, _) = candidates.min_by_key(|(_, valid)| valid.last_check)?;
        Some(self.paths.swap_remove(oldest).path)
    }

    /// Forgets a path that ended, such as a closed TCP connection. Returns whether it was known.
    pub(super) fn remove(&mut self, path: &Path) -> bool {
        let before = self.paths.len();
        self.paths.retain(|valid| valid.path != *path);
        if self.selected == Some(*path) {
            self.selected = self.paths.iter().max_by_key(|valid| valid.last_check).map(|valid| valid.path);
        }
        self.paths.len() < before
    }

    /// When the client last checked a path; before its first check, when it began.
    pub(super) fn heard_at(&self) -> Option<Instant> {
        self.consent_since
    }

    /// When a path, or consent as a whole, expires next.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let oldest = self.paths.iter().map(|valid| valid.last_check).chain(self.consent_since).min();
        oldest.map(|last| last + CONSENT)
    }

    /// One path that has expired, forgotten. Call until `None`.
    pub(super) fn poll_expired(&mut self, now: Instant) -> Option<Path> {
        let expired = self.paths.iter().find(|valid| now >= valid.last_check + CONSENT)?.path;
        self.remove(&expired);
        Some(expired)
    }

    /// Whether nothing authentic has been heard for [`CONSENT`].
    pub(super) fn is_expired(&self, now: Instant) -> bool {
        self.consent_since.is_some_and(|since| now >= since + CONSENT)
    }
}

#[cfg(test)]
mod tests;
