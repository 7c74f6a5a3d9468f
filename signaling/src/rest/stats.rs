//! `GET /api/rooms/{room_id}/stats`: how well media gets through, person by person.

use super::{AtRoom, Board, Routes};
use crate::access::{Action, Caller, Identity, Role};
use crate::problem::Problem;
use crate::protocol::media::MediaProtocol;
use crate::protocol::quality::QualityView;
use crate::protocol::track::{Kind, Source};
use crate::protocol::{Participant, ParticipantRef, RoomCode, Timestamp, TrackRef};
use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use parlor_media::command::{MediaKind, Rid};
use parlor_media::formats::FormatId;
use parlor_media::ids::ParticipantId;
use parlor_media::path::Protocol;
use parlor_media::quality::Quality;
use parlor_media::room_stats::{self, EncodingStats, ParticipantStats, PublicationStats, ReceptionQuality, RoomStats};
use serde::Serialize;
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use utoipa::{OpenApi, ToSchema};

pub(super) fn routes() -> Routes {
    Router::new().route("/rooms/{room_id}/stats", get(get_stats))
}

#[derive(OpenApi)]
#[openapi(paths(get_stats))]
struct Api;

pub(super) fn api() -> utoipa::openapi::OpenApi {
    Api::openapi()
}

/// How well media gets through in a room.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct StatsBody {
    /// Always `true`.
    success: bool,
    room_id: RoomCode,
    /// In the order of joining.
    participants: Vec<PersonStats>,
}

/// What somebody sends and receives.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PersonStats {
    participant_id: ParticipantRef,
    identity: Identity,
    /// `null` without one.
    display_name: Option<String>,
    role: Role,
    joined_at: Timestamp,
    connection: Connection,
    quality: QualityView,
    /// What it sends.
    publications: Vec<PublicationView>,
    /// What it receives, or is to receive.
    subscriptions: Vec<SubscriptionView>,
    /// How many more subscriptions it has: in very large rooms not all are listed.
    subscriptions_left_out: usize,
}

/// Somebody's media connection.
#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Connection {
    /// How long it has been up; `null` before that.
    connected_seconds: Option<u64>,
    /// What it runs over; `null` before there is a way.
    protocol: Option<MediaProtocol>,
    /// Round-trip time, smoothed; `null` before it was measured, which needs something that is received.
    rtt_ms: Option<f64>,
    /// What the path to the person carries of video, in bits per second, as estimated; `null` where that is not known.
    estimate_bps: Option<u64>,
}

/// A published track.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PublicationStats)]
struct PublicationView {
    track_id: TrackRef,
    kind: Kind,
    source: Source,
    muted: bool,
    /// How many receive it.
    subscriber_count: usize,
    /// Its streams, the lowest quality first; one without simulcast.
    encodings: Vec<EncodingView>,
}

/// A stream of a published track, as it arrives at the server.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = EncodingStats)]
struct EncodingView {
    /// Its name in simulcast; `null` without.
    rid: Option<String>,
    /// As in `VP8`; `null` before the first packet.
    codec: Option<&'static str>,
    /// Whether something came of it in the last second and a half.
    alive: bool,
    /// Each once, repaired ones included.
    packets: u64,
    bytes: u64,
    /// Of the latest second.
    bitrate_bps: u64,
    /// Of the latest second; `null` for audio.
    frames_per_second: Option<u64>,
    /// 0 to 1, of the latest second, before repair; `null` before the first report.
    loss_fraction: Option<f64>,
    /// `null` before the first report.
    jitter_ms: Option<f64>,
    /// Packets that the server asked for again.
    nacked_packets: u64,
    /// Key frames that the server asked for.
    keyframe_requests: u64,
}

/// A track on its way to somebody.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SubscriptionStats)]
struct SubscriptionView {
    track_id: TrackRef,
    /// Who publishes it.
    participant_id: ParticipantRef,
    state: SubscriptionState,
    /// As in `VP8`; `null` before something is forwarded.
    codec: Option<&'static str>,
    /// The simulcast stream that is forwarded; `null` without.
    rid: Option<String>,
    /// Without those that were sent again.
    packets: u64,
    bytes: u64,
    /// Of the latest second.
    bitrate_bps: u64,
    /// Of the latest second; `null` for audio.
    frames_per_second: Option<u64>,
    /// 0 to 1, as the receiver's latest report says; `null` before the first.
    loss_fraction: Option<f64>,
    /// The same of the jitter.
    jitter_ms: Option<f64>,
    /// Packets that the receiver asked for again.
    nacked_packets: u64,
    /// Packets that were sent again.
    resent_packets: u64,
}

/// How far a subscription is.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
enum SubscriptionState {
    /// Its m-line is being negotiated, or is switched off.
    Negotiating,
    /// Nothing is sent yet, or a key frame is awaited.
    Waiting,
    /// Packets are forwarded.
    Forwarding,
    /// The receiver does not show it, and is not sent it.
    Hidden,
    /// It is a microphone that is not among the loudest of a large room.
    Unheard,
    /// The path to the receiver does not carry it beside what is more important.
    Paused,
    /// The receiver cannot decode what is published.
    Unsupported,
}

/// See how well media gets through.
#[utoipa::path(
    get, path = "/api/rooms/{room_id}/stats", operation_id = "get_stats", tag = "rooms",
    params(("room_id" = RoomCode, Path)),
    responses((status = 200, description = "Everyone in it, in the order of joining, but for those who are hidden. For hosts and administrators. Rates are those of the latest second.", body = StatsBody))
)]
async fn get_stats(State(board): Board, AtRoom(room): AtRoom, caller: Caller) -> Result<Json<StatsBody>, Problem> {
    caller.require(&board, &room, &room.lock(), Action::SeeStats)?;
    let stats = board.read_room(&room).await?;
    let people = {
        let state = room.lock();
        // It may have another role meanwhile.
        caller.require(&board, &room, &state, Action::SeeStats)?;
        state.participants(None)
    };
    Ok(Json(StatsBody { success: true, room_id: room.code.clone(), participants: view(people, *stats) }))
}

/// The people of the roster, with what their shard says of each.
fn view(people: Vec<Participant>, stats: RoomStats) -> Vec<PersonStats> {
    let of_person = |stats: ParticipantStats| (stats.participant, stats);
    let mut stats: HashMap<ParticipantId, ParticipantStats> = stats.participants.into_iter().map(of_person).collect();
    let shown: HashSet<ParticipantId> = people.iter().map(|person| person.participant_id.0).collect();
    let with_stats = |person: Participant| {
        let mut stats = stats.remove(&person.participant_id.0);
        if let Some(stats) = &mut stats {
            // What comes of who is hidden is hidden as well.
            stats.subscriptions.retain(|subscription| shown.contains(&subscription.publisher));
        }
        PersonStats::new(person, stats)
    };
    people.into_iter().map(with_stats).collect()
}

impl PersonStats {
    /// Of somebody who has just joined the shard may know nothing yet.
    fn new(person: Participant, stats: Option<ParticipantStats>) -> Self {
        let quality = QualityView::from(stats.as_ref().map_or(Quality::UNKNOWN, |stats| stats.quality));
        let (connection, publications, subscriptions, subscriptions_left_out) = match stats {
            Some(stats) => (
                Connection::from(stats.transport),
                stats.publications.into_iter().map(PublicationView::from).collect(),
                stats.subscriptions.into_iter().map(SubscriptionView::from).collect(),
                stats.subscriptions_left_out,
            ),
            None => Default::default(),
        };
        let Participant { participant_id, identity, display_name, role, joined_at, .. } = person;
        Self {
            participant_id,
            identity,
            display_name,
            role,
            joined_at,
            connection,
            quality,
            publications,
            subscriptions,
            subscriptions_left_out,
        }
    }
}

impl From<room_stats::TransportStats> for Connection {
    fn from(stats: room_stats::TransportStats) -> Self {
        Self {
            connected_seconds: stats.connected_for.map(|duration| duration.as_secs()),
            protocol: stats.protocol.map(|protocol| match protocol {
                Protocol::Udp => MediaProtocol::Udp,
                Protocol::Tcp => MediaProtocol::Tcp,
            }),
            rtt_ms: stats.rtt.map(ms),
            estimate_bps: stats.estimate_bps,
        }
    }
}

impl From<PublicationStats> for PublicationView {
    fn from(stats: PublicationStats) -> Self {
        Self {
            track_id: TrackRef(stats.track),
            kind: stats.kind.into(),
            source: stats.source.into(),
            muted: stats.muted,
            subscriber_count: stats.subscribers,
            encodings: stats.encodings.into_iter().map(EncodingView::from).collect(),
        }
    }
}

impl From<EncodingStats> for EncodingView {
    fn from(stats: EncodingStats) -> Self {
        Self {
            rid: stats.rid.map(text),
            codec: stats.format.map(codec),
            alive: stats.is_alive,
            packets: stats.traffic.packets,
            bytes: stats.traffic.bytes,
            bitrate_bps: stats.traffic.bitrate_bps,
            frames_per_second: frames(stats.format, stats.traffic.frames_per_second),
            loss_fraction: stats.reception.map(loss),
            jitter_ms: stats.reception.map(|quality| ms(quality.jitter)),
            nacked_packets: stats.nacked_packets,
            keyframe_requests: stats.keyframe_requests,
        }
    }
}

impl From<room_stats::SubscriptionStats> for SubscriptionView {
    fn from(stats: room_stats::SubscriptionStats) -> Self {
        Self {
            track_id: TrackRef(stats.track),
            participant_id: ParticipantRef(stats.publisher),
            state: match stats.state {
                room_stats::SubscriptionState::Negotiating => SubscriptionState::Negotiating,
                room_stats::SubscriptionState::Waiting => SubscriptionState::Waiting,
                room_stats::SubscriptionState::Forwarding => SubscriptionState::Forwarding,
                room_stats::SubscriptionState::Hidden => SubscriptionState::Hidden,
                room_stats::SubscriptionState::Unheard => SubscriptionState::Unheard,
                room_stats::SubscriptionState::Paused => SubscriptionState::Paused,
                room_stats::SubscriptionState::Unsupported => SubscriptionState::Unsupported,
            },
            codec: stats.format.map(codec),
            rid: stats.rid.map(text),
            packets: stats.traffic.packets,
            bytes: stats.traffic.bytes,
            bitrate_bps: stats.traffic.bitrate_bps,
            frames_per_second: frames(stats.format, stats.traffic.frames_per_second),
            loss_fraction: stats.reception.map(loss),
            jitter_ms: stats.reception.map(|quality| ms(quality.jitter)),
            nacked_packets: stats.nacked_packets,
            resent_packets: stats.resent_packets,
        }
    }
}

fn text(rid: Rid) -> String {
    rid.as_str().to_owned()
}

fn codec(format: FormatId) -> &'static str {
    format.format().name
}

fn frames(format: Option<FormatId>, frames_per_second: u64) -> Option<u64> {
    (format?.kind() == MediaKind::Video).then_some(frames_per_second)
}

/// To the tenth of a millisecond, which is more than is measured.
fn ms(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 10_000.0).round() / 10.0
}

/// To the 256th that a report says, in four digits.
fn loss(quality: ReceptionQuality) -> f64 {
    (f64::from(quality.loss_fraction) * 10_000.0).round() / 10_000.0
}
