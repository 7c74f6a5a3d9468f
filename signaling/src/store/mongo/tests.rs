//! That MongoDB does what every store must, and what is particular to it.

mod documents;
mod outages;

use super::mongod::{Kind, Lent};
use crate::access::{Identity, Role};
use crate::protocol::{MessageId, ParticipantRef, RoomCode, Timestamp};
use crate::room_settings::{Allowed, History, PublishPolicy, RoomSettings};
use crate::store::contract::store_contract;
use crate::store::{MessageRecord, RoomRecord, RoomUid, SessionRecord, Store, Write};
use parlor_media::ids::ParticipantId;
use std::sync::Arc;

mod standalone {
    use super::*;

    async fn fresh() -> Option<(Arc<dyn Store>, Lent)> {
        opened(Kind::Standalone).await
    }
    store_contract!(fresh);
}

mod replica_set {
    use super::*;

    async fn fresh() -> Option<(Arc<dyn Store>, Lent)> {
        opened(Kind::ReplicaSet).await
    }
    store_contract!(fresh);
}

async fn opened(kind: Kind) -> Option<(Arc<dyn Store>, Lent)> {
    let (store, lent) = Lent::with_store(kind).await?;
    Some((Arc::new(store), lent))
}

const ROOM: RoomUid = RoomUid(1);

fn now() -> Timestamp {
    Timestamp::from_ms(1_795_373_062_007)
}

fn ann() -> Identity {
    Identity::parse("ann@example").unwrap()
}

fn a_room(uid: RoomUid, code: &str) -> RoomRecord {
    let settings = RoomSettings {
        name: Some("The attic".into()),
        max_participants: 4,
        not_before: None,
        empty_timeout_seconds: None,
        history: History::Keep,
        locked: false,
        lobby: false,
        join_as: Role::Speaker,
        publish: PublishPolicy::default(),
        chat: Allowed::Everyone,
        metadata: serde_json::Map::new(),
    };
    let code = RoomCode::parse(code).unwrap();
    let (created_at, banned) = (now(), Vec::new());
    RoomRecord {
        uid,
        code,
        version: 1,
        created_at,
        expires_at: None,
        settings,
        host_secret: None,
        password: None,
        banned,
    }
}

fn a_message(room: RoomUid, seq: u64, text: &str) -> MessageRecord {
    MessageRecord {
        room,
        id: MessageId(seq),
        seq,
        sender: ParticipantRef(ParticipantId(7)),
        identity: ann(),
        display_name: Some("Ann".into()),
        sent_at: now(),
        text: text.into(),
        reply_to: None,
        to: None,
        file: None,
        edited_at: None,
        deleted_at: None,
        reactions: Vec::new(),
    }
}

fn said(seq: u64) -> Write {
    Write::Message(Box::new(a_message(ROOM, seq, &format!("message {seq}"))))
}

fn a_session(room: RoomUid) -> SessionRecord {
    SessionRecord {
        room,
        participant: ParticipantRef(ParticipantId(7)),
        identity: ann(),
        display_name: Some("Ann".into()),
        role: Role::Speaker,
        joined_at: now(),
        left_at: None,
        reason: None,
    }
}
