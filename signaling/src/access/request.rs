//! Tokens made by the command line, from what a person typed.

use super::{Grant, Identity, Keys, PublishGrant, Role};
use crate::protocol::ids::ROOM_CODE_RULE;
use crate::protocol::{RoomCode, Timestamp, text};
use std::time::Duration;

/// What a token is to grant, as texts.
#[derive(Clone, Debug, Default)]
pub struct TokenRequest {
    /// The room that it opens.
    pub room: Option<String>,
    /// Who will show it.
    pub identity: String,
    /// How they are called in rooms.
    pub name: Option<String>,
    /// Speaker without one.
    pub role: Option<String>,
    /// Kinds of media, separated by commas; all without one.
    pub publish: Option<String>,
    /// They may not chat.
    pub no_chat: bool,
    /// The others are not shown that they are there.
    pub hidden: bool,
    /// They administer the server.
    pub admin: bool,
    /// They may create rooms.
    pub create_rooms: bool,
    /// How long it is good; six hours without one.
    pub lifetime: Option<Duration>,
}

impl Keys {
    /// The token of such a request, signed with the first shared secret.
    ///
    /// # Errors
    /// What is wrong with the request, or that there is no secret, in one line.
    pub fn make_token(&self, request: &TokenRequest, now: Timestamp) -> Result<String, String> {
        self.require_signer().map_err(|refusal| refusal.message)?;
        let lifetime = self.lifetime(request.lifetime).map_err(|refusal| refusal.message)?;
        let grant = request.grant(now + lifetime)?;
        let token = self.sign(&grant, now).map_err(|refusal| refusal.message)?;
        Ok(token.expose().to_owned())
    }
}

impl TokenRequest {
    fn grant(&self, expires_at: Timestamp) -> Result<Grant, String> {
        let identity = Identity::parse(&self.identity).ok_or_else(|| format!("an identity has {}", Identity::RULE))?;
        let room =
            self.room.as_deref().map(|code| RoomCode::parse(code).ok_or(format!("a room's id has {ROOM_CODE_RULE}")));
        let room = room.transpose()?;
        if room.is_none() && !self.admin && !self.create_rooms {
            return Err("without a room, --admin or --create-rooms the token would open nothing".to_owned());
        }
        let role = match self.role.as_deref() {
            None => Role::Speaker,
            Some(name) => Role::parse(name).ok_or_else(|| format!("the role must be {}", Role::RULE))?,
        };
        let kinds = |names: &str| {
            let names = names.split(',').map(str::trim).filter(|name| !name.is_empty());
            PublishGrant::parse(names).ok_or_else(|| format!("what may be published must be {}", PublishGrant::RULE))
        };
        Ok(Grant {
            identity,
            name: self.name.as_deref().map(text::parse_name).transpose()?.filter(|name| !name.is_empty()),
            room,
            role,
            publish: self.publish.as_deref().map_or(Ok(PublishGrant::ALL), kinds)?,
            chat: !self.no_chat,
            hidden: self.hidden,
            admin: self.admin,
            create_rooms: self.create_rooms,
            expires_at,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::KeySources;

    fn keys() -> Keys {
        let secrets = vec![("app".to_owned(), "0123456789abcdef0123456789abcdef".to_owned())];
        let (leeway, max_lifetime) = (Duration::from_secs(30), Duration::from_secs(24 * 3600));
        Keys::read(KeySources { secrets, jwks: None, leeway, max_lifetime }).unwrap()
    }

    fn now() -> Timestamp {
        Timestamp::parse("2026-11-22T18:44:22.007Z").unwrap()
    }

    fn request() -> TokenRequest {
        TokenRequest { room: Some("Abc".to_owned()), identity: "ana".to_owned(), ..TokenRequest::default() }
    }

    #[test]
    fn a_token_grants_what_was_asked_for() {
        let request = TokenRequest {
            name: Some("Ana".to_owned()),
            role: Some("host".to_owned()),
            publish: Some("audio, video".to_owned()),
            no_chat: true,
            lifetime: Some(Duration::from_secs(60)),
            ..request()
        };
        let grant = keys().verify(&keys().make_token(&request, now()).unwrap(), now()).unwrap();
        assert_eq!((grant.identity.as_str(), grant.name.as_deref()), ("ana", Some("Ana")));
        assert_eq!((grant.room.unwrap().as_str(), grant.role), ("abc", Role::Host));
        assert_eq!((grant.publish.names(), grant.chat, grant.admin), (vec!["audio", "video"], false, false));
        assert_eq!(grant.expires_at.to_string(), "2026-11-22T18:45:22.000Z");
        let default = keys().verify(&keys().make_token(&self::request(), now()).unwrap(), now()).unwrap();
        assert_eq!(default.expires_at.to_string(), "2026-11-23T00:44:22.000Z");
    }

    #[test]
    fn what_is_wrong_is_said_in_one_line() {
        let error = |request: &TokenRequest| keys().make_token(request, now()).unwrap_err();
        for (request, expected) in [
            (
                TokenRequest { room: None, ..request() },
                "without a room, --admin or --create-rooms the token would open nothing",
            ),
            (
                TokenRequest { room: Some("a b".to_owned()), ..request() },
                "a room's id has 3 to 64 letters a-z, digits, `-` or `_`",
            ),
            (
                TokenRequest { role: Some("boss".to_owned()), ..request() },
                "the role must be `host`, `speaker` or `listener`",
            ),
            (
                TokenRequest { publish: Some("smell".to_owned()), ..request() },
                "what may be published must be a list of `audio`, `video` and `screen`",
            ),
            (
                TokenRequest { lifetime: Some(Duration::from_secs(86_401)), ..request() },
                "a token may be good for 1 to 86400 seconds, not for 86401",
            ),
            (
                TokenRequest { lifetime: Some(Duration::ZERO), ..request() },
                "a token may be good for 1 to 86400 seconds, not for 0",
            ),
        ] {
            assert_eq!(error(&request), expected);
        }
        assert!(
            error(&TokenRequest { identity: "a b".to_owned(), ..request() })
                .starts_with("an identity has 1 to 128 of ")
        );
        let none = Keys::default().make_token(&request(), now()).unwrap_err();
        assert_eq!(none, "tokens cannot be made here: no secret is configured (auth.keys)");
        assert!(keys().make_token(&TokenRequest { room: None, admin: true, ..request() }, now()).is_ok());
    }
}
