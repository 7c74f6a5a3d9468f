//! Tokens (JWT, RFC 7519): verified and made.
//!
//! What is verified, in this order: the size; that the header is understood, without extensions that must be (`crit`); that
//! its key is known; that the header's algorithm is that key's; the signature; the audience; the times; the claims. A refusal
//! names the rule that was broken and quotes nothing of the token.

use super::bad_credential;
use super::grant::{Grant, date};
use super::keys::Keys;
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::{SecretText, Timestamp};
use crate::stats::CredentialFault;
use jsonwebtoken::dangerous::insecure_decode_claims;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Header, Validation, decode, decode_header, encode};
use serde_json::{Map, Value};
use std::time::Duration;

/// The longest token.
const MAX_TOKEN_BYTES: usize = 8 * 1024;
/// How long a token is good of which nobody says how long.
const TOKEN_LIFETIME: Duration = Duration::from_secs(6 * 3600);
/// What a token's `aud`, if it has one, must name.
const AUDIENCE: &str = "parlor";

/// A rule that a token breaks.
struct Broken {
    fault: CredentialFault,
    /// For people.
    rule: String,
}

/// What is said of claims.
impl From<String> for Broken {
    fn from(rule: String) -> Self {
        Self { fault: CredentialFault::Claims, rule }
    }
}

impl Keys {
    /// What a token grants at this time.
    ///
    /// # Errors
    /// `token-invalid` with the rule that it breaks.
    pub(crate) fn verify(&self, token: &str, now: Timestamp) -> Result<Grant, Refusal> {
        let refused = |Broken { fault, rule }| bad_credential(fault, &format!("the token is refused: {rule}"));
        self.check(token, now).map_err(refused)
    }

    fn check(&self, token: &str, now: Timestamp) -> Result<Grant, Broken> {
        let malformed = |rule: String| Err(Broken { fault: CredentialFault::Malformed, rule });
        if self.is_open() {
            let rule = "this server has no keys to verify it by".to_owned();
            return Err(Broken { fault: CredentialFault::UnknownKey, rule });
        }
        if token.len() > MAX_TOKEN_BYTES {
            return malformed(format!("it has more than {MAX_TOKEN_BYTES} bytes"));
        }
        let Ok(header) = decode_header(token) else {
            return malformed("it is not a JWT whose `alg` is HS256, RS256 or ES256".to_owned());
        };
        if header.crit.is_some() {
            return malformed("its header has `crit`, of which nothing is understood".to_owned());
        }
        let claims = self.signed_claims(token, &header)?;
        let expires_at = self.check_times(&claims, now)?;
        Ok(Grant::from_claims(&claims, expires_at)?)
    }

    /// The claims, once the signature is verified.
    fn signed_claims(&self, token: &str, header: &Header) -> Result<Map<String, Value>, Broken> {
        // Of what is not verified yet, `iss` chooses the key: a wrong one does not verify.
        let unverified: Map<String, Value> =
            insecure_decode_claims(token).map_err(|_| "its claims are not a JSON object".to_owned())?;
        let issuer = unverified.get("iss").and_then(Value::as_str);
        let found = self.find(header.kid.as_deref(), issuer).ok_or_else(|| Broken {
            fault: CredentialFault::UnknownKey,
            rule: "`kid`, or without it `iss`, names no key of this server".to_owned(),
        })?;
        if header.alg != found.algorithm {
            let rule = format!("its `alg` is not that of its key, which is {:?}", found.algorithm);
            return Err(Broken { fault: CredentialFault::Signature, rule });
        }
        let mut rules = Validation::new(found.algorithm);
        // Times are checked against the server's clock, not the library's.
        rules.validate_exp = false;
        rules.required_spec_claims.clear();
        rules.set_audience(&[AUDIENCE]);
        let decoded = decode(token, &found.key, &rules).map_err(|error| {
            let (fault, rule) = match error.kind() {
                ErrorKind::InvalidAudience => {
                    (CredentialFault::Audience, format!("its `aud` does not name `{AUDIENCE}`"))
                }
                ErrorKind::Json(_) => {
                    let rule = "one of the claims `iss`, `sub`, `aud`, `exp` and `nbf` is of the wrong type";
                    (CredentialFault::Claims, rule.to_owned())
                }
                _ => (CredentialFault::Signature, "its signature is not that of its key".to_owned()),
            };
            Broken { fault, rule }
        })?;
        Ok(decoded.claims)
    }

    fn check_times(&self, claims: &Map<String, Value>, now: Timestamp) -> Result<Timestamp, Broken> {
        let expires_at = date(claims, "exp")?.ok_or_else(|| "the claim `exp` is missing".to_owned())?;
        if expires_at + self.leeway <= now {
            return Err(Broken { fault: CredentialFault::Expired, rule: "it has expired (`exp`)".to_owned() });
        }
        if expires_at > now + self.max_lifetime + self.leeway {
            let most = self.max_lifetime.as_secs();
            let rule = format!("it is good for too long (`exp`): {most} seconds from now are allowed");
            return Err(Broken { fault: CredentialFault::TooLong, rule });
        }
        for (name, meaning) in [("nbf", "it is not good yet"), ("iat", "it is from the future")] {
            if date(claims, name)?.is_some_and(|from| from > now + self.leeway) {
                return Err(Broken { fault: CredentialFault::NotYet, rule: format!("{meaning} (`{name}`)") });
            }
        }
        Ok(expires_at)
    }

    /// How long a token made now may be good: as long as was asked for, or else [`TOKEN_LIFETIME`].
    ///
    /// # Errors
    /// When that is longer than tokens may be good.
    pub(crate) fn lifetime(&self, asked: Option<Duration>) -> Result<Duration, Refusal> {
        let Some(asked) = asked else { return Ok(TOKEN_LIFETIME.min(self.max_lifetime)) };
        if asked.is_zero() || asked > self.max_lifetime {
            let (asked, most) = (asked.as_secs(), self.max_lifetime.as_secs());
            let message = format!("a token may be good for 1 to {most} seconds, not for {asked}");
            return Err(Refusal::field("expiresInSeconds", message));
        }
        Ok(asked)
    }

    /// Whether tokens can be made here.
    ///
    /// # Errors
    /// `no-keys`
    pub(crate) fn require_signer(&self) -> Result<(), Refusal> {
        self.signer().map(drop).ok_or_else(no_keys)
    }

    /// A token of this grant, signed with the first shared secret.
    ///
    /// # Errors
    /// `no-keys` when there is none.
    pub(crate) fn sign(&self, grant: &Grant, now: Timestamp) -> Result<SecretText, Refusal> {
        let (name, key) = self.signer().ok_or_else(no_keys)?;
        let header = Header { kid: Some(name.to_owned()), ..Header::new(Algorithm::HS256) };
        encode(&header, &grant.to_claims(name, now), key).map(SecretText::new).map_err(|error| {
            tracing::error!(%error, "a token could not be signed");
            Refusal::new(ErrorCode::Internal, "the token could not be signed")
        })
    }
}

fn no_keys() -> Refusal {
    Refusal::new(ErrorCode::NoKeys, "tokens cannot be made here: no secret is configured (auth.keys)")
}

#[cfg(test)]
mod tests;
