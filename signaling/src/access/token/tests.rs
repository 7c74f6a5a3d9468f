use super::*;
use crate::access::{KeyError, KeySources, PublishGrant, Role};
use crate::protocol::RoomCode;
use crate::stats::Cause;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::json;
use std::io::Write;
use std::time::Duration;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const OTHER_SECRET: &str = "fedcba9876543210fedcba9876543210";
const MAX_SECONDS: u64 = 24 * 3600;

/// The public half of a key that was thrown away, and a token that it had signed, good for an hour from [`now`].
const RSA_MODULUS: &str = "qUPOkIxv1DsGUvVbGF3X5bNvQJMuzCwjKCkTbuIOtSQ09anYXgAlsujGqQXwiEUNuTdvPwNO4-r79LU6iWATrGn9PAJtspg0z8qwv4dBpw5TFkPg276E9i5I_8sSd1AeuPXo772-hmclPO5T1LZrjFqIwLMrSGeHpu1-DLryk0P8eCqfeNrcqP3sAAJZbvoJwQJVlr_O_RV_Don9dzzBYpB6xTL7Uc7kfj6YfKSmHvLG7czGwSQ11GMd9ffFdRTiC2-CWNBUQHvwIumgGy-DVSYrQkgC4MCGTHk_Se_cvXzRcr7lC-eaVTjlSxyi8IJPH_I0daE5tZ2KTHDddWwzFw";
const RSA_TOKEN: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6InJzYS0xIiwidHlwIjoiSldUIn0.eyJzdWIiOiJhbmEiLCJyb29tIjoiYWJjIiwiZXhwIjoxNzk1Mzc2NjYyfQ.nwl9Feh918iYzTxdEf646uwufyjd-7KX-tiyPh0Ppi34FyhVIWGS4946Sv9bo3PEPm_TzFsKq3nJnLN5U1HJHZ2meunEnD4i4kvg6FOyoUn7J_IID_C5UwST9vFuhHwjWAI-VYjLB2OopmZeWb_-d1LuJRtmCdzDT51xqFKGW3uOx5XTBECJ7j5n8qeS8H_mD3JIAnmanPg-U-gQBrCnrE5qzGRfgp8uoXn7tUALlCNfknA1pmkk14sKLRHtQ35KHykrTrAOD2nggPZqMcTd2kNsTGzgUTfZErTIw8aSGWtFGe-N9g5uLb5hCkmi9y8bzVd5w9YXPdl9zFKi1QfLTw";

fn now() -> Timestamp {
    Timestamp::parse("2026-11-22T18:44:22.000Z").unwrap()
}

fn now_seconds() -> u64 {
    now().as_ms() / 1000
}

fn sources() -> KeySources {
    KeySources {
        secrets: vec![("app".to_owned(), SECRET.to_owned()), ("second".to_owned(), OTHER_SECRET.to_owned())],
        jwks: None,
        leeway: Duration::from_secs(30),
        max_lifetime: Duration::from_secs(MAX_SECONDS),
    }
}

fn keys() -> Keys {
    Keys::read(sources()).unwrap()
}

/// Keys with a set of these.
fn with_set(set: &Value) -> (Result<Keys, KeyError>, tempfile::NamedTempFile) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write!(file, "{set}").unwrap();
    (Keys::read(KeySources { jwks: Some(file.path().to_owned()), ..sources() }), file)
}

fn rsa_key(kid: &str, modulus: &str) -> Value {
    json!({"kty": "RSA", "kid": kid, "use": "sig", "alg": "RS256", "n": modulus, "e": "AQAB"})
}

/// A token as anybody can write one.
fn signed(header: &Value, claims: &Value, secret: &[u8]) -> String {
    let message = format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims.to_string()));
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
    format!("{message}.{}", BASE64.encode(signature))
}

/// A good token of `app`, with these claims besides.
fn token(claims: Value) -> String {
    let mut all = json!({"iss": "app", "sub": "ana", "room": "abc", "exp": now_seconds() + 60});
    all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
    signed(&json!({"alg": "HS256", "typ": "JWT"}), &all, SECRET.as_bytes())
}

/// The rule that a token breaks.
fn broken(keys: &Keys, token: &str) -> String {
    let refusal = keys.verify(token, now()).unwrap_err();
    assert_eq!(refusal.code, ErrorCode::TokenInvalid);
    assert!(!refusal.message.contains(token.split('.').next_back().filter(|part| !part.is_empty()).unwrap_or("\0")));
    refusal.message.strip_prefix("the token is refused: ").unwrap().to_owned()
}

#[test]
fn a_refusal_is_counted_by_what_is_wrong() {
    for (claims, fault) in [
        (json!({"iss": "nobody"}), CredentialFault::UnknownKey),
        (json!({"aud": "others"}), CredentialFault::Audience),
        (json!({"exp": now_seconds() - 3600}), CredentialFault::Expired),
        (json!({"exp": now_seconds() + 10 * 365 * 24 * 3600}), CredentialFault::TooLong),
        (json!({"nbf": now_seconds() + 3600}), CredentialFault::NotYet),
        (json!({"role": 7}), CredentialFault::Claims),
    ] {
        let refusal = keys().verify(&token(claims.clone()), now()).unwrap_err();
        assert_eq!(refusal.cause, Some(Cause::Credential(fault)), "{claims}");
    }
}

#[test]
fn claims_become_a_grant() {
    let plain = keys().verify(&token(json!({})), now()).unwrap();
    assert_eq!((plain.identity.as_str(), plain.room.as_ref().map(RoomCode::as_str)), ("ana", Some("abc")));
    assert_eq!((plain.role, plain.publish, plain.chat), (Role::Speaker, PublishGrant::ALL, true));
    assert_eq!((plain.hidden, plain.admin, plain.create_rooms, plain.name.as_deref()), (false, false, false, None));
    assert_eq!(plain.expires_at, now() + Duration::from_secs(60));

    let claims = json!({"name": " Ana ", "room": "ABC", "role": "host", "publish": ["audio", "screen"], "chat": false,
        "hidden": true, "admin": true, "createRooms": true, "aud": ["parlor"], "somethingElse": {"x": 1}, "nbf": null});
    let full = keys().verify(&token(claims), now()).unwrap();
    assert_eq!((full.name.as_deref(), full.room.as_ref().map(RoomCode::as_str)), (Some("Ana"), Some("abc")));
    assert_eq!((full.role, full.publish.names()), (Role::Host, vec!["audio", "screen"]));
    assert_eq!((full.chat, full.hidden, full.admin, full.create_rooms), (false, true, true, true));
}

#[test]
fn a_token_without_a_room_opens_none() {
    let grant = keys().verify(&token(json!({"room": null, "createRooms": true})), now()).unwrap();
    assert_eq!((grant.room, grant.create_rooms), (None, true));
}

#[test]
fn what_is_signed_here_is_good_here() {
    let keys = keys();
    for claims in [
        json!({}),
        json!({"room": null, "admin": true}),
        json!({"name": "Ö", "role": "listener", "publish": [], "chat": false, "hidden": true, "createRooms": true}),
    ] {
        let grant = keys.verify(&token(claims), now()).unwrap();
        let again = keys.verify(keys.sign(&grant, now()).unwrap().expose(), now()).unwrap();
        assert_eq!(again, grant);
    }
}

#[test]
fn the_key_is_chosen_by_its_id_or_else_by_the_issuer() {
    let claims = json!({"iss": "second", "sub": "ana", "exp": now_seconds() + 60});
    let verify = |header: Value, secret: &str| keys().verify(&signed(&header, &claims, secret.as_bytes()), now());
    assert!(verify(json!({"alg": "HS256"}), OTHER_SECRET).is_ok());
    assert!(verify(json!({"alg": "HS256"}), SECRET).is_err());
    assert!(verify(json!({"alg": "HS256", "kid": "app"}), SECRET).is_ok());
    assert!(verify(json!({"alg": "HS256", "kid": "app"}), OTHER_SECRET).is_err());
}

#[test]
fn every_broken_rule_is_named() {
    let header = json!({"alg": "HS256"});
    let claims = json!({"iss": "app", "sub": "ana", "room": "abc", "exp": now_seconds() + 60});
    let with = |header: Value| signed(&header, &claims, SECRET.as_bytes());
    let good = with(header.clone());
    let unsigned = format!("{}.", good.rsplit_once('.').unwrap().0);
    let not_jwt = "it is not a JWT whose `alg` is HS256, RS256 or ES256";
    let no_key = "`kid`, or without it `iss`, names no key of this server";
    let bad_signature = "its signature is not that of its key";
    for (token, rule) in [
        (String::new(), not_jwt),
        ("a.b".to_owned(), not_jwt),
        (format!("{good}.x"), not_jwt),
        (with(json!({"alg": "none"})), not_jwt),
        (with(json!({"alg": "NONE"})), not_jwt),
        (with(json!({"typ": "JWT"})), not_jwt),
        (
            with(json!({"alg": "HS256", "crit": ["b64"], "b64": false})),
            "its header has `crit`, of which nothing is understood",
        ),
        (with(json!({"alg": "HS256", "crit": []})), "its header has `crit`, of which nothing is understood"),
        (with(json!({"alg": "HS256", "kid": "unknown"})), no_key),
        (with(json!({"alg": "HS256", "kid": ""})), no_key),
        (signed(&header, &json!({"iss": "unknown", "sub": "ana", "exp": 1}), SECRET.as_bytes()), no_key),
        (signed(&header, &json!({"sub": "ana", "exp": 1}), SECRET.as_bytes()), no_key),
        (signed(&header, &json!([1]), SECRET.as_bytes()), "its claims are not a JSON object"),
        (with(json!({"alg": "HS512"})), "its `alg` is not that of its key, which is HS256"),
        (with(json!({"alg": "RS256"})), "its `alg` is not that of its key, which is HS256"),
        (unsigned, bad_signature),
        (signed(&header, &claims, b"guessed"), bad_signature),
        (signed(&header, &claims, b""), bad_signature),
        (token(json!({"aud": "another-application"})), "its `aud` does not name `parlor`"),
        (token(json!({"exp": null})), "the claim `exp` is missing"),
        (token(json!({"exp": "tomorrow"})), "the claim `exp` is not right: seconds since 1970 is allowed"),
        (token(json!({"exp": -1})), "the claim `exp` is not right: seconds since 1970 is allowed"),
        (token(json!({"exp": 1e300})), "the claim `exp` is not right: seconds since 1970 is allowed"),
        (token(json!({"nbf": {}})), "the claim `nbf` is not right: seconds since 1970 is allowed"),
        (token(json!({"sub": null})), "the claim `sub` is missing"),
        (
            token(json!({"sub": {"$ne": ""}})),
            "one of the claims `iss`, `sub`, `aud`, `exp` and `nbf` is of the wrong type",
        ),
        (token(json!({"name": {"$ne": ""}})), "the claim `name` is not right: a string is allowed"),
        (token(json!({"role": "boss"})), "the claim `role` is not right: `host`, `speaker` or `listener` is allowed"),
        (
            token(json!({"publish": ["audio", "smell"]})),
            "the claim `publish` is not right: a list of `audio`, `video` and `screen` is allowed",
        ),
        (
            token(json!({"publish": "audio"})),
            "the claim `publish` is not right: a list of `audio`, `video` and `screen` is allowed",
        ),
        (token(json!({"admin": "true"})), "the claim `admin` is not right: true or false is allowed"),
        (token(json!({"chat": 1})), "the claim `chat` is not right: true or false is allowed"),
        (token(json!({"name": "a\u{202e}b"})), "`name`: a name must not contain the invisible character U+202E"),
    ] {
        assert_eq!(broken(&keys(), &token), rule, "{token}");
    }
    assert!(broken(&keys(), &token(json!({"sub": "a b"}))).starts_with("the claim `sub` is not right: 1 to 128 of "));
    assert!(
        broken(&keys(), &token(json!({"room": "../etc"})))
            .starts_with("the claim `room` is not right: 3 to 64 letters ")
    );
}

#[test]
fn a_changed_token_is_refused() {
    let token = token(json!({"role": "listener"}));
    let parts: Vec<&str> = token.split('.').collect();
    let claims = String::from_utf8(BASE64.decode(parts[1]).unwrap()).unwrap().replace("listener", "host");
    let changed = format!("{}.{}.{}", parts[0], BASE64.encode(claims), parts[2]);
    assert_eq!(broken(&keys(), &changed), "its signature is not that of its key");
}

#[test]
fn a_token_is_bounded() {
    let long = token(json!({"padding": "x".repeat(MAX_TOKEN_BYTES)}));
    assert_eq!(broken(&keys(), &long), "it has more than 8192 bytes");
    assert!(keys().verify(&token(json!({"padding": "x".repeat(5000)})), now()).is_ok());
}

#[test]
fn times_hold_within_the_leeway_and_no_further() {
    let at = |name: &str, offset: i64| {
        let seconds = now_seconds() as i64 + offset;
        keys().verify(&token(json!({name: seconds})), now()).map_err(|refusal| refusal.message)
    };
    let refused = |rule: &str| Err(format!("the token is refused: {rule}"));
    assert!(at("exp", -29).is_ok());
    assert_eq!(at("exp", -30).map(drop), refused("it has expired (`exp`)"));
    assert!(at("exp", MAX_SECONDS as i64 + 30).is_ok());
    let too_long = "it is good for too long (`exp`): 86400 seconds from now are allowed";
    assert_eq!(at("exp", MAX_SECONDS as i64 + 31).map(drop), refused(too_long));
    assert!(at("nbf", 30).is_ok());
    assert_eq!(at("nbf", 31).map(drop), refused("it is not good yet (`nbf`)"));
    assert!(at("iat", 30).is_ok());
    assert_eq!(at("iat", 31).map(drop), refused("it is from the future (`iat`)"));
}

#[test]
fn a_key_set_verifies_rsa_and_ecdsa() {
    let random = SystemRandom::new();
    let pair = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pair.as_ref(), &random).unwrap();
    let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
    let ec = json!({"kty": "EC", "crv": "P-256", "kid": "ec-1", "x": BASE64.encode(x), "y": BASE64.encode(y)});
    let other = json!({"kty": "RSA", "kid": "for-encryption", "use": "enc", "n": RSA_MODULUS, "e": "AQAB"});
    let (keys, _file) = with_set(&json!({"keys": [rsa_key("rsa-1", RSA_MODULUS), ec, other]}));
    let keys = keys.unwrap();
    assert_eq!(keys.verify(RSA_TOKEN, now()).unwrap().identity.as_str(), "ana");

    let sign = |header: &Value| {
        let claims = json!({"sub": "bo", "exp": now_seconds() + 60});
        let message = format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims.to_string()));
        format!("{message}.{}", BASE64.encode(pair.sign(&random, message.as_bytes()).unwrap()))
    };
    let good = sign(&json!({"alg": "ES256", "kid": "ec-1"}));
    assert_eq!(keys.verify(&good, now()).unwrap().identity.as_str(), "bo");
    let wrong_key = sign(&json!({"alg": "RS256", "kid": "rsa-1"}));
    assert_eq!(broken(&keys, &wrong_key), "its signature is not that of its key");
    let not_for_signing = sign(&json!({"alg": "RS256", "kid": "for-encryption"}));
    assert_eq!(broken(&keys, &not_for_signing), "`kid`, or without it `iss`, names no key of this server");

    // A set without the key knows its tokens no more.
    let (fewer, _file) = with_set(&json!({"keys": [rsa_key("rsa-1", RSA_MODULUS)]}));
    assert!(fewer.unwrap().verify(&good, now()).is_err());
}

/// Algorithm confusion: what is public of a key signs nothing, whatever the header says.
#[test]
fn a_public_key_is_no_shared_secret() {
    let set = json!({"keys": [rsa_key("rsa-1", RSA_MODULUS)]});
    let (keys, file) = with_set(&set);
    let keys = keys.unwrap();
    let claims = json!({"iss": "rsa-1", "sub": "eve", "admin": true, "exp": now_seconds() + 60});
    let bytes = BASE64.decode(RSA_MODULUS).unwrap();
    for public in [RSA_MODULUS.as_bytes(), &bytes, set.to_string().as_bytes()] {
        let confused = signed(&json!({"alg": "HS256", "kid": "rsa-1"}), &claims, public);
        assert_eq!(broken(&keys, &confused), "its `alg` is not that of its key, which is RS256");
        let relabelled = signed(&json!({"alg": "RS256", "kid": "rsa-1"}), &claims, public);
        assert_eq!(broken(&keys, &relabelled), "its signature is not that of its key");
        let by_issuer = signed(&json!({"alg": "HS256"}), &claims, public);
        assert_eq!(broken(&keys, &by_issuer), "`kid`, or without it `iss`, names no key of this server");
    }
    // A key that the token brings along is not looked at.
    let own =
        json!({"alg": "HS256", "jwk": {"kty": "oct", "k": BASE64.encode(OTHER_SECRET), "kid": "app"}, "kid": "app"});
    assert_eq!(broken(&keys, &signed(&own, &claims, OTHER_SECRET.as_bytes())).split(' ').next(), Some("its"));
    drop(file);
}

#[test]
fn keys_that_are_not_right_end_the_start_in_one_line() {
    let secrets = |secrets: &[(&str, &str)]| {
        let secrets = secrets.iter().map(|(name, secret)| ((*name).to_owned(), (*secret).to_owned())).collect();
        Keys::read(KeySources { secrets, ..sources() }).unwrap_err().to_string()
    };
    assert_eq!(secrets(&[("app", "hunter2")]), "auth.keys: the secret of \"app\" has 7 bytes, at least 32 are needed");
    assert_eq!(secrets(&[("a", SECRET), ("a", OTHER_SECRET)]), "auth.keys: the name \"a\" is there twice");

    let weak = BASE64.encode([&[0x7f_u8][..], &[0xff; 127]].concat());
    let short_point = json!({"kty": "EC", "crv": "P-256", "kid": "e", "x": "AAAA", "y": "AAAA"});
    for (set, expected) in [
        (json!({"keys": [rsa_key("weak", &weak)]}), "the RSA key \"weak\" has 1023 bits, at least 2048 are needed"),
        (json!({"keys": [rsa_key("app", RSA_MODULUS)]}), "the key id \"app\" is there twice"),
        (json!({"keys": [rsa_key("a", RSA_MODULUS), rsa_key("a", RSA_MODULUS)]}), "the key id \"a\" is there twice"),
        (
            json!({"keys": [{"kty": "RSA", "n": RSA_MODULUS, "e": "AQAB"}]}),
            "a key has no `kid`: tokens choose their key by it",
        ),
        (json!({"keys": [short_point]}), "the coordinates of the P-256 key \"e\" do not have 32 bytes each"),
        (
            json!({"keys": [{"kty": "oct", "kid": "s", "k": "c2VjcmV0"}]}),
            "the key \"s\" is a shared secret: those belong into auth.keys",
        ),
        (json!({"keys": []}), "no RSA key for RS256 and no P-256 key for ES256 is in it"),
        (json!({"keys": vec![rsa_key("a", RSA_MODULUS); 65]}), "65 keys, at most 64 are allowed"),
        (json!({"no": "keys"}), "not a JSON Web Key Set (line 1, column 13)"),
        (json!({"keys": [rsa_key("a", &"A".repeat(300_000))]}), ""),
    ] {
        let (keys, file) = with_set(&set);
        let error = keys.unwrap_err().to_string();
        let path = file.path().display();
        let expected = match expected {
            "" => format!("auth.jwks: {path} has more than 262144 bytes"),
            message => format!("auth.jwks: {path}: {message}"),
        };
        assert_eq!(error, expected);
    }
    let missing = Keys::read(KeySources { jwks: Some("/nonexistent/jwks.json".into()), ..sources() }).unwrap_err();
    assert_eq!(
        missing.to_string(),
        "auth.jwks: cannot read /nonexistent/jwks.json: No such file or directory (os error 2)"
    );
}

#[test]
fn without_keys_there_are_no_tokens() {
    let none = Keys::default();
    assert!(none.is_open());
    assert_eq!(broken(&none, &token(json!({}))), "this server has no keys to verify it by");
    let grant = keys().verify(&token(json!({})), now()).unwrap();
    assert_eq!(none.sign(&grant, now()).unwrap_err().code, ErrorCode::NoKeys);
}

#[test]
fn keys_show_no_secret() {
    let shown = format!("{:?}", keys());
    assert!(shown.contains("app") && !shown.contains(SECRET) && !shown.contains("0123"), "{shown}");
}
