//! What every store must do, whatever keeps it: one suite of cases over `Arc<dyn Store>`.
//!
//! An implementation runs all of them with one line, given a function that opens a fresh, empty database. What it returns beside
//! the store is dropped when the case has ended: a directory, or whatever removes the database. `None` leaves the case out.
//!
//! ```ignore
//! async fn fresh() -> Option<(Arc<dyn Store>, TempDir)> { … }
//! store_contract!(fresh);
//! ```
//!
//! Time is passed in, so that no case waits: [`at`] counts seconds from a fixed point.

pub(super) mod concurrency;
pub(super) mod files;
pub(super) mod invites;
pub(super) mod messages;
pub(super) mod paging;
pub(super) mod purging;
pub(super) mod rooms;
pub(super) mod sessions;
pub(super) mod sizes;
pub(super) mod unicode;

use super::{
    FileId, FileRecord, InviteRecord, MessageRecord, Page, Reaction, Reader, RoomRecord, RoomUid, Secret,
    SessionRecord, Store, StoreError, Write,
};
use crate::access::{Identity, Role};
use crate::protocol::{MessageId, ParticipantRef, RoomCode, Timestamp};
use crate::room_settings::{Allowed, History, PublishPolicy, RoomSettings};
use parlor_media::ids::ParticipantId;
use std::sync::Arc;

/// The store of a case.
pub(super) type AnyStore = Arc<dyn Store>;

/// Makes a test of each case, for the store that `$fresh` opens. To be called in a module of its own.
macro_rules! store_contract {
    ($fresh:path) => {
        $crate::store::contract::store_contract! { @ $fresh;
            rooms: is_found_by_its_code, keeps_every_field, a_code_is_given_once, creating_again_is_harmless,
                a_code_is_free_once_its_time_is_over, a_code_is_free_once_its_room_is_ending, a_displaced_room_stays_ended,
                a_change_needs_the_version, a_change_repeated_is_harmless, rooms_come_in_the_order_of_creation,
                what_is_over_is_hidden_at_once;
            messages: come_back_as_written, a_batch_written_twice_counts_once, overlapping_batches_count_once,
                what_is_there_stays, edits_and_erasures_keep_to_their_order, reactions_keep_their_order,
                what_refers_to_nothing_is_left_out, rooms_do_not_reach_into_one_another, one_message_is_found,
                a_batch_may_touch_many_rooms;
            paging: both_ways_meet, limits_hold, ends_are_empty, everyone_sees_what_is_for_their_eyes,
                a_page_is_full_among_other_peoples_messages;
            sessions: come_in_the_order_of_joining, are_closed_once, those_left_open_are_closed;
            invites: are_used_once, belong_to_a_room, can_be_withdrawn, are_listed_while_good,
                entering_again_is_harmless;
            files: are_listed_and_found, are_removed, entering_a_file_again_is_harmless, need_a_room_that_is_not_ending;
            purging: an_ending_room_is_hidden_and_due, a_room_whose_time_is_over_is_due, a_purge_leaves_nothing,
                a_purge_leaves_others_alone, repeating_is_harmless, an_ending_room_takes_nothing;
            concurrency: one_of_many_creates_a_code, one_of_many_uses_an_invite, one_of_many_changes_a_room,
                many_writers_lose_nothing, readers_see_whole_batches_in_order, a_purge_wins_over_writers,
                a_dropped_call_harms_nobody;
            unicode: texts_and_names_survive, metadata_survives, identities_are_compared_exactly;
            sizes: the_largest_message_survives, the_largest_room_survives, the_largest_batch_survives,
                reactions_are_bounded, the_largest_numbers_survive;
        }
    };
    (@ $fresh:path; $($module:ident: $($case:ident),+;)+) => {
        $(mod $module {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    if let Some((store, _kept)) = $fresh().await {
                        $crate::store::contract::$module::$case(store).await;
                    }
                }
            )+
        })+
    };
}
pub(super) use store_contract;

/// That many seconds after the point from which the cases count.
fn at(seconds: u64) -> Timestamp {
    Timestamp::from_ms(1_795_373_062_007 + seconds * 1000)
}

fn code(text: &str) -> RoomCode {
    RoomCode::parse(text).unwrap()
}

fn identity(text: &str) -> Identity {
    Identity::parse(text).unwrap()
}

fn participant(number: u64) -> ParticipantRef {
    ParticipantRef(ParticipantId(number))
}

/// A room as it is after its creation at `at(0)`, without an end.
fn a_room(uid: u64, text: &str) -> RoomRecord {
    RoomRecord {
        uid: RoomUid(uid),
        code: code(text),
        version: 1,
        created_at: at(0),
        expires_at: None,
        settings: RoomSettings {
            name: None,
            max_participants: 100,
            not_before: None,
            empty_timeout_seconds: Some(300),
            history: History::WhileOpen,
            locked: false,
            lobby: false,
            join_as: Role::Speaker,
            publish: PublishPolicy::default(),
            chat: Allowed::Everyone,
            metadata: serde_json::Map::new(),
        },
        host_secret: None,
        password: None,
        banned: Vec::new(),
    }
}

/// A message to everybody whose id and text follow from its place: `at(seq)`, "message 7".
fn a_message(room: u64, seq: u64) -> MessageRecord {
    MessageRecord {
        room: RoomUid(room),
        id: MessageId(seq * 1000 + 7),
        seq,
        sender: participant(1),
        identity: identity("ann"),
        display_name: Some("Ann".to_owned()),
        sent_at: at(seq),
        text: format!("message {seq}"),
        reply_to: None,
        to: None,
        file: None,
        edited_at: None,
        deleted_at: None,
        reactions: Vec::new(),
    }
}

fn from_to(room: u64, seq: u64, from: &str, to: &str) -> MessageRecord {
    MessageRecord { identity: identity(from), to: Some(identity(to)), ..a_message(room, seq) }
}

fn a_session(room: u64, number: u64) -> SessionRecord {
    SessionRecord {
        room: RoomUid(room),
        participant: participant(number),
        identity: identity(&format!("guest-{number}")),
        display_name: Some(format!("Guest {number}")),
        role: Role::Speaker,
        joined_at: at(number),
        left_at: None,
        reason: None,
    }
}

fn an_invite(room: u64, number: u8) -> InviteRecord {
    InviteRecord {
        room: RoomUid(room),
        id: u64::from(number) + 100,
        secret: Secret([number; 32]),
        role: Role::Listener,
        created_at: at(number.into()),
        expires_at: None,
    }
}

fn a_file(room: u64, number: u64) -> FileRecord {
    FileRecord {
        room: RoomUid(room),
        id: FileId(number),
        name: format!("notes {number}.txt"),
        size: 1000 + number,
        content_type: "text/plain".to_owned(),
        uploader: identity("ann"),
        uploaded_at: at(number),
    }
}

fn said(message: MessageRecord) -> Write {
    Write::Message(Box::new(message))
}

fn joined(session: SessionRecord) -> Write {
    Write::Joined(Box::new(session))
}

fn react(room: u64, id: MessageId, who: &str, emoji: &str, on: bool) -> Write {
    let reaction = Reaction { identity: identity(who), emoji: emoji.to_owned() };
    Write::React { room: RoomUid(room), id, reaction, on }
}

fn edit(room: u64, id: MessageId, text: &str, seconds: u64) -> Write {
    Write::Edit { room: RoomUid(room), id, text: text.to_owned(), at: at(seconds) }
}

fn erase(room: u64, id: MessageId, seconds: u64) -> Write {
    Write::Erase { room: RoomUid(room), id, at: at(seconds) }
}

/// Enters a room of that number, whose code is `room-<number>`.
async fn opened(store: &AnyStore, uid: u64) -> RoomRecord {
    let room = a_room(uid, &format!("room-{uid}"));
    store.create_room(&room, at(0)).await.unwrap();
    room
}

/// Everything in a room that is for everybody's eyes; the first 200.
async fn everything(store: &AnyStore, room: u64) -> Vec<MessageRecord> {
    store.messages(RoomUid(room), &Reader::Public, Page::After(0), 200, at(1)).await.unwrap()
}

async fn found(store: &AnyStore, room: u64, id: MessageId) -> MessageRecord {
    store.message(RoomUid(room), id, at(1)).await.unwrap().unwrap()
}

fn seqs(messages: &[MessageRecord]) -> Vec<u64> {
    messages.iter().map(|message| message.seq).collect()
}

fn is_missing<T: std::fmt::Debug>(result: Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Missing))
}

fn is_conflict<T: std::fmt::Debug>(result: Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Conflict))
}
