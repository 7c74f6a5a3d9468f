//! Rooms' passwords: hashed and compared by argon2id, a few at a time.
//!
//! One computation takes 19 MiB and some 30 ms of a core (OWASP's parameters, which are argon2's defaults). They run beside the
//! runtime's own threads, two at a time; a bounded number waits, and whoever comes beyond is told that the server is busy.

use crate::protocol::SecretText;
use crate::protocol::error::{ErrorCode, Refusal};
use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{Error, PasswordHasher, PasswordVerifier};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// The longest password in characters.
pub(crate) const MAX_PASSWORD_CHARS: usize = 128;

/// Computations at a time: 38 MiB, and less than the cores of any server that carries calls.
const RUNNING: usize = 2;
/// Computations that run or wait. The last one waits for about a second.
const PLACES: usize = 64;

static HASHING: Hashing = Hashing::new(PLACES, RUNNING);

/// A password's hash, as a PHC string.
///
/// # Errors
/// When too many wait already.
pub(crate) async fn hash(password: &str) -> Result<SecretText, Refusal> {
    HASHING.hash(password).await.map(SecretText::new)
}

/// Whether `password` is the one of that hash.
///
/// # Errors
/// When too many wait already, or the hash is none.
pub(crate) async fn verify(phc: &str, password: &str) -> Result<bool, Refusal> {
    HASHING.verify(phc, password).await
}

struct Hashing {
    places: Semaphore,
    running: Semaphore,
}

impl Hashing {
    const fn new(places: usize, running: usize) -> Self {
        Self { places: Semaphore::const_new(places), running: Semaphore::const_new(running) }
    }

    async fn hash(&'static self, password: &str) -> Result<String, Refusal> {
        let password = password.to_owned();
        let hash = self.run(move || Argon2::default().hash_password(password.as_bytes())).await?;
        Ok(hash.map_err(failed)?.to_string())
    }

    async fn verify(&'static self, phc: &str, password: &str) -> Result<bool, Refusal> {
        let (phc, password) = (phc.to_owned(), password.to_owned());
        let verified = self.run(move || {
            let hash = PasswordHash::new(&phc).map_err(|_| Error::Internal)?;
            Argon2::default().verify_password(password.as_bytes(), &hash)
        });
        match verified.await? {
            Ok(()) => Ok(true),
            Err(Error::PasswordInvalid) => Ok(false),
            Err(error) => Err(failed(error)),
        }
    }

    async fn run<T: Send + 'static>(&'static self, compute: impl FnOnce() -> T + Send + 'static) -> Result<T, Refusal> {
        let place = self.places.try_acquire().map_err(|_| Refusal::busy())?;
        let turn = self.running.acquire().await.map_err(|_| Refusal::busy())?;
        // Both go along: who stops waiting does not stop the computation.
        let computed = spawn_blocking(move || {
            let result = compute();
            drop((place, turn));
            result
        });
        computed.await.map_err(|_| failed(Error::Internal))
    }
}

fn failed(error: Error) -> Refusal {
    tracing::error!(%error, "a password could not be hashed or compared");
    Refusal::new(ErrorCode::Internal, "the password could not be looked at")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_known_by_its_hash() {
        let hashed = hash("correct hörse").await.unwrap();
        let phc = hashed.expose();
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$") && phc.len() <= 256, "{phc}");
        assert!(verify(phc, "correct hörse").await.unwrap());
        assert!(!verify(phc, "correct horse").await.unwrap());
        assert_ne!(hash("correct hörse").await.unwrap(), hashed, "salted");
        assert_eq!(verify("no hash", "x").await.unwrap_err().code, ErrorCode::Internal);
    }

    #[tokio::test]
    async fn those_who_wait_are_bounded() {
        static SMALL: Hashing = Hashing::new(2, 1);
        let turn = SMALL.running.acquire().await.unwrap();
        let mut waiting = (Box::pin(SMALL.run(|| 1)), Box::pin(SMALL.run(|| 2)));
        for waiting in [&mut waiting.0 as &mut (dyn Future<Output = _> + Unpin), &mut waiting.1] {
            assert!(futures_util::future::poll_immediate(waiting).await.is_none());
        }
        assert_eq!(SMALL.run(|| 3).await, Err(Refusal::busy()));
        drop(turn);
        assert_eq!((waiting.0.await, waiting.1.await), (Ok(1), Ok(2)));
        assert_eq!(SMALL.run(|| 3).await, Ok(3));
    }
}
