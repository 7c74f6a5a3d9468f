//! Answers that were given already, for requests that come again (`Idempotency-Key`).
//!
//! The first request of a key is done; others of the same caller and key wait for it and get the same answer, secrets
//! included, for a day. What was refused is not remembered: trying again is what the client is supposed to do then. The table
//! is bounded: beyond, the oldest answers are forgotten early. A restart forgets all.

use crate::protocol::error::{ErrorCode, Refusal};
use crate::session::lock;
use ring::digest::{Context, SHA256};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

/// How long an answer is remembered.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);
/// The most answers remembered; of a kilobyte each, seldom up to ten.
const MAX_ANSWERS: usize = 4096;
/// The longest key.
const MAX_KEY_BYTES: usize = 255;

/// A SHA-256: neither keys nor bodies are kept themselves.
type Digest = [u8; 32];

/// See the module.
pub(crate) struct Answers<T> {
    slots: Mutex<HashMap<Digest, Slot<T>>>,
}

struct Slot<T> {
    since: Instant,
    given: Arc<tokio::sync::Mutex<Option<Given<T>>>>,
}

struct Given<T> {
    body: Digest,
    answer: T,
}

/// A request that may come again.
#[derive(Clone, Copy)]
pub(crate) struct Repeatable {
    key: Digest,
    body: Digest,
}

impl Repeatable {
    /// The request of `caller` with this key and body.
    ///
    /// # Errors
    /// When the key is empty, too long, or not of visible ASCII.
    pub(crate) fn new(caller: &[u8], key: &[u8], body: &[u8]) -> Result<Self, Refusal> {
        let is_visible = |&byte: &u8| (0x21..=0x7e).contains(&byte);
        if !(1..=MAX_KEY_BYTES).contains(&key.len()) || !key.iter().all(is_visible) {
            let message = format!("`Idempotency-Key` must be 1 to {MAX_KEY_BYTES} visible ASCII characters");
            return Err(Refusal::field("Idempotency-Key", message));
        }
        // Keys have no spaces: what follows the last one is the key.
        Ok(Self { key: digest(&[caller, b" ", key]), body: digest(&[body]) })
    }
}

impl<T: Clone> Answers<T> {
    pub(crate) fn new() -> Self {
        Self { slots: Mutex::new(HashMap::new()) }
    }

    /// The answer that this request got before, or what `answer` makes of it now.
    ///
    /// # Errors
    /// When the key came with another body, and those of `answer`.
    pub(crate) async fn once(
        &self,
        request: Repeatable,
        answer: impl Future<Output = Result<T, Refusal>>,
    ) -> Result<T, Refusal> {
        let slot = self.slot(request.key, Instant::now());
        let mut given = slot.lock().await;
        if let Some(given) = &*given {
            if given.body != request.body {
                let message = "this `Idempotency-Key` came with another body before: take a new one";
                return Err(Refusal::new(ErrorCode::IdempotencyMismatch, message).with_field("Idempotency-Key"));
            }
            return Ok(given.answer.clone());
        }
        let answer = answer.await?;
        *given = Some(Given { body: request.body, answer: answer.clone() });
        Ok(answer)
    }

    fn slot(&self, key: Digest, now: Instant) -> Arc<tokio::sync::Mutex<Option<Given<T>>>> {
        let mut slots = lock(&self.slots);
        slots.retain(|_, slot| now.saturating_duration_since(slot.since) < REMEMBERED);
        if slots.len() >= MAX_ANSWERS && !slots.contains_key(&key) {
            let oldest = slots.iter().min_by_key(|(_, slot)| slot.since).map(|(&key, _)| key);
            oldest.map(|key| slots.remove(&key));
        }
        let fresh = || Slot { since: now, given: Arc::default() };
        Arc::clone(&slots.entry(key).or_insert_with(fresh).given)
    }
}

fn digest(parts: &[&[u8]]) -> Digest {
    let mut context = Context::new(&SHA256);
    parts.iter().for_each(|part| context.update(part));
    context.finish().as_ref().try_into().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    fn request(key: &str, body: &str) -> Repeatable {
        Repeatable::new(b"ana", key.as_bytes(), body.as_bytes()).unwrap_or_else(|error| panic!("{error:?}"))
    }

    #[tokio::test(start_paused = true)]
    async fn the_second_waits_for_the_first_and_gets_its_answer() {
        let answers = Answers::new();
        let made = AtomicU32::new(0);
        let make = || async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok(made.fetch_add(1, Ordering::Relaxed))
        };
        let (first, second) =
            tokio::join!(answers.once(request("k", "{}"), make()), answers.once(request("k", "{}"), make()));
        assert_eq!((first, second), (Ok(0), Ok(0)));
        let other = answers.once(request("k", "{ }"), make()).await;
        assert_eq!(other.unwrap_err().code, ErrorCode::IdempotencyMismatch);
        tokio::time::sleep(REMEMBERED).await;
        assert_eq!(answers.once(request("k", "{ }"), make()).await, Ok(1));
    }

    #[tokio::test]
    async fn what_was_refused_is_done_again() {
        let answers = Answers::new();
        assert!(answers.once(request("k", "{}"), async { Err(Refusal::busy()) }).await.is_err());
        assert_eq!(answers.once(request("k", "{1}"), async { Ok(7) }).await, Ok(7));
    }

    #[tokio::test(start_paused = true)]
    async fn the_table_is_bounded_and_forgets_the_oldest() {
        let answers = Answers::new();
        for number in 0..=MAX_ANSWERS {
            answers.once(request(&number.to_string(), ""), async { Ok(number) }).await.unwrap();
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        assert_eq!(lock(&answers.slots).len(), MAX_ANSWERS);
        assert_eq!(answers.once(request("1", ""), async { Ok(0) }).await, Ok(1));
        assert_eq!(answers.once(request("0", ""), async { Ok(999_999) }).await, Ok(999_999), "forgotten");
    }

    #[test]
    fn keys_are_visible_ascii() {
        for wrong in [&b""[..], b"a b", b"\xc3\xa4", &[b'x'; 256]] {
            assert!(Repeatable::new(b"", wrong, b"").is_err());
        }
        let key = |caller: &[u8], key: &[u8]| Repeatable::new(caller, key, b"").ok().map(|request| request.key);
        assert!(key(b"a", &[b'x'; 255]).is_some());
        assert_ne!(key(b"a", b"k"), key(b"b", b"k"));
    }
}
