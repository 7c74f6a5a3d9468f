//! The keys that tokens are signed with, as they were read. A server that is to have others gets them whole.
//!
//! Each key has a name and one algorithm, which is the key's property and never the token's choice: shared secrets are for
//! HS256, a key set's RSA keys for RS256 and its P-256 keys for ES256. No two keys have one name.

use super::crypto;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The shortest shared secret, in bytes: as many as the hash has (RFC 7518 section 3.2).
pub const MIN_SECRET_BYTES: usize = 32;
/// The fewest bits of an RSA modulus (RFC 7518 section 3.3).
const MIN_RSA_BITS: usize = 2048;
/// The largest key set file; a key takes less than a kilobyte.
const MAX_JWKS_BYTES: u64 = 256 * 1024;
/// The most keys of a set.
const MAX_JWKS_KEYS: usize = 64;

/// Where keys come from, and the bounds of what they sign.
#[derive(Clone)]
pub struct KeySources {
    /// Names and secrets for HS256. The first signs what the server makes itself.
    pub secrets: Vec<(String, String)>,
    /// A file with a JSON Web Key Set (RFC 7517).
    pub jwks: Option<PathBuf>,
    /// How far clocks may differ.
    pub leeway: Duration,
    /// The longest time for which a token may be good.
    pub max_lifetime: Duration,
}

/// Why keys cannot be used, in one line that shows no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Of a shared secret.
    #[error("auth.keys: {0}")]
    Secret(String),
    /// Of the key set.
    #[error("auth.jwks: {0}")]
    Jwks(String),
}

/// See the module. Without keys the server is open.
pub struct Keys {
    secrets: Vec<SharedKey>,
    /// Of the key set; none without one.
    public: Vec<PublicKey>,
    pub(super) leeway: Duration,
    pub(super) max_lifetime: Duration,
}

struct SharedKey {
    name: String,
    verifies: Arc<DecodingKey>,
    signs: EncodingKey,
}

struct PublicKey {
    name: String,
    algorithm: Algorithm,
    key: Arc<DecodingKey>,
}

/// A key found by its name.
pub(super) struct Found {
    pub(super) algorithm: Algorithm,
    pub(super) key: Arc<DecodingKey>,
}

impl fmt::Debug for Keys {
    /// Names only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.secrets.iter().map(|key| &key.name);
        f.debug_struct("Keys").field("secrets", &names.collect::<Vec<_>>()).finish_non_exhaustive()
    }
}

impl Default for Keys {
    /// None: the server is open.
    fn default() -> Self {
        let none = Duration::ZERO;
        Self { secrets: Vec::new(), public: Vec::new(), leeway: none, max_lifetime: none }
    }
}

impl Keys {
    /// Checks the secrets and reads the key set.
    ///
    /// # Errors
    /// The first thing wrong.
    pub fn read(sources: KeySources) -> Result<Self, KeyError> {
        crypto::install();
        let mut secrets: Vec<SharedKey> = Vec::with_capacity(sources.secrets.len());
        for (name, secret) in sources.secrets {
            if secret.len() < MIN_SECRET_BYTES {
                let bytes = secret.len();
                let message =
                    format!("the secret of {name:?} has {bytes} bytes, at least {MIN_SECRET_BYTES} are needed");
                return Err(KeyError::Secret(message));
            }
            if secrets.iter().any(|key| key.name == name) {
                return Err(KeyError::Secret(format!("the name {name:?} is there twice")));
            }
            let bytes = secret.as_bytes();
            let (verifies, signs) = (DecodingKey::from_secret(bytes).into(), EncodingKey::from_secret(bytes));
            secrets.push(SharedKey { name, verifies, signs });
        }
        let public = sources.jwks.map_or(Ok(Vec::new()), |path| read_set(&path, &secrets))?;
        Ok(Self { secrets, public, leeway: sources.leeway, max_lifetime: sources.max_lifetime })
    }

    /// How far clocks may differ.
    pub(crate) fn leeway(&self) -> Duration {
        self.leeway
    }

    /// Whether there is none, so that rooms are open to whoever knows their ids.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.secrets.is_empty() && self.public.is_empty()
    }

    /// The key of a token that names it by `kid`, or that has an `iss` only.
    pub(super) fn find(&self, kid: Option<&str>, issuer: Option<&str>) -> Option<Found> {
        let name = kid.or(issuer)?;
        if let Some(key) = self.secrets.iter().find(|key| key.name == name) {
            return Some(Found { algorithm: Algorithm::HS256, key: Arc::clone(&key.verifies) });
        }
        // A public key goes by its id alone: its issuer's name is not in the set.
        let kid = kid?;
        let key = self.public.iter().find(|key| key.name == kid)?;
        Some(Found { algorithm: key.algorithm, key: Arc::clone(&key.key) })
    }

    /// The key that the server signs with, and its name.
    pub(super) fn signer(&self) -> Option<(&str, &EncodingKey)> {
        self.secrets.first().map(|key| (key.name.as_str(), &key.signs))
    }
}

fn read_set(path: &Path, secrets: &[SharedKey]) -> Result<Vec<PublicKey>, KeyError> {
    let shown = path.display();
    let mut text = String::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(MAX_JWKS_BYTES + 1).read_to_string(&mut text));
    read.map_err(|error| KeyError::Jwks(format!("cannot read {shown}: {error}")))?;
    if text.len() as u64 > MAX_JWKS_BYTES {
        return Err(KeyError::Jwks(format!("{shown} has more than {MAX_JWKS_BYTES} bytes")));
    }
    let wrong = |message: String| KeyError::Jwks(format!("{shown}: {message}"));
    let set: JwkSet = serde_json::from_str(&text).map_err(|error| {
        // The parser's words may quote a value; where it stopped is enough.
        wrong(format!("not a JSON Web Key Set (line {}, column {})", error.line(), error.column()))
    })?;
    if set.keys.len() > MAX_JWKS_KEYS {
        return Err(wrong(format!("{} keys, at most {MAX_JWKS_KEYS} are allowed", set.keys.len())));
    }
    let mut keys: Vec<PublicKey> = Vec::new();
    for jwk in &set.keys {
        let Some(key) = public_key(jwk).map_err(wrong)? else { continue };
        let is_taken = keys.iter().any(|other| other.name == key.name);
        if is_taken || secrets.iter().any(|other| other.name == key.name) {
            return Err(wrong(format!("the key id {:?} is there twice", key.name)));
        }
        keys.push(key);
    }
    if keys.is_empty() {
        return Err(wrong("no RSA key for RS256 and no P-256 key for ES256 is in it".to_owned()));
    }
    Ok(keys)
}

/// The key of a set's entry; `None` for those that are for something else, as sets of identity providers have them.
fn public_key(jwk: &Jwk) -> Result<Option<PublicKey>, String> {
    if matches!(&jwk.common.public_key_use, Some(used) if *used != PublicKeyUse::Signature) {
        return Ok(None);
    }
    let name = jwk.common.key_id.clone().filter(|id| !id.is_empty());
    let shown = name.as_deref().unwrap_or("without a `kid`");
    let (algorithm, declared) = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        AlgorithmParameters::OctetKey(_) => {
            return Err(format!("the key {shown:?} is a shared secret: those belong into auth.keys"));
        }
        _ => return Ok(None),
    };
    if matches!(&jwk.common.key_algorithm, Some(other) if *other != declared) {
        return Ok(None);
    }
    let key = DecodingKey::from_jwk(jwk).map_err(|_| format!("the key {shown:?} is not base64url"))?;
    match key.kind() {
        jsonwebtoken::DecodingKeyKind::RsaModulusExponent { n, .. } => {
            let bits = bits(n);
            if bits < MIN_RSA_BITS {
                return Err(format!("the RSA key {shown:?} has {bits} bits, at least {MIN_RSA_BITS} are needed"));
            }
        }
        // A point of P-256: a byte for its form and two coordinates of 32 (RFC 7518 section 6.2.1.2).
        jsonwebtoken::DecodingKeyKind::SecretOrDer(point) if point.len() != 65 => {
            return Err(format!("the coordinates of the P-256 key {shown:?} do not have 32 bytes each"));
        }
        jsonwebtoken::DecodingKeyKind::SecretOrDer(_) => {}
    }
    let name = name.ok_or("a key has no `kid`: tokens choose their key by it")?;
    Ok(Some(PublicKey { name, algorithm, key: key.into() }))
}

/// Of a number in big-endian bytes.
fn bits(number: &[u8]) -> usize {
    let significant: &[u8] = number.iter().position(|&byte| byte != 0).map_or(&[], |first| &number[first..]);
    significant.first().map_or(0, |first| significant.len() * 8 - first.leading_zeros() as usize)
}
