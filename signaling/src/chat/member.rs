//! What the chat knows of one member.

use super::line::Line;
use crate::protocol::{MessageId, Timestamp};
use std::collections::VecDeque;
use tokio::time::Instant;

/// The most nonces remembered: five seconds at the rate of a session, far more than a client resends after.
pub(crate) const MAX_NONCES: usize = 256;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct MemberChat {
    /// Its data channel.
    pub(crate) line: Line,
    /// Shown as writing until then.
    pub(crate) typing_until: Option<Instant>,
    said: VecDeque<Said>,
    /// The first and the last `seq` of what it wrote and was not told to be stored.
    unsaved: Option<(u64, u64)>,
}

/// A message that carried a nonce.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    nonce: String,
    pub(crate) id: MessageId,
    pub(crate) seq: u64,
    pub(crate) sent_at: Timestamp,
}

impl MemberChat {
    /// What was said under a nonce.
    pub(crate) fn said(&self, nonce: &str) -> Option<&Said> {
        self.said.iter().find(|said| said.nonce == nonce)
    }

    /// Remembers what was said under a nonce.
    pub(crate) fn remember(&mut self, nonce: String, id: MessageId, seq: u64, sent_at: Timestamp) {
        if self.said.len() >= MAX_NONCES {
            self.said.pop_front();
        }
        self.said.push_back(Said { nonce, id, seq, sent_at });
    }

    /// It wrote something that is to be stored.
    pub(crate) fn wrote(&mut self, seq: u64) {
        self.unsaved = Some((self.unsaved.map_or(seq, |(first, _)| first), seq));
    }

    /// Everything up to a `seq` is stored. Whether it wrote some of that.
    pub(crate) fn saved(&mut self, up_to: u64) -> bool {
        match self.unsaved {
            Some((first, last)) if first <= up_to => {
                self.unsaved = (up_to < last).then_some((up_to + 1, last));
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::wall_clock;

    #[test]
    fn nonces_are_bounded_the_oldest_go() {
        let mut chat = MemberChat::default();
        for number in 0..=MAX_NONCES as u64 {
            chat.remember(number.to_string(), MessageId(number), number, wall_clock());
        }
        assert!(chat.said("0").is_none());
        assert_eq!(chat.said("1").map(|said| said.id), Some(MessageId(1)));
        assert_eq!(chat.said.len(), MAX_NONCES);
    }

    #[test]
    fn who_wrote_is_told_once() {
        let mut chat = MemberChat::default();
        assert!(!chat.saved(5));
        chat.wrote(6);
        chat.wrote(9);
        assert!(!chat.saved(5));
        assert!(chat.saved(8));
        assert!(!chat.saved(8));
        assert!(chat.saved(9));
        assert!(!chat.saved(10));
    }
}
