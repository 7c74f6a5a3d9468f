//! What the media engine of each shard counts.

use super::labels::{DIRECTION, PROTOCOL, PROTOCOLS, SHARD};
use super::{Label, MICROSECONDS, Metric, Scrape, THOUSANDTHS, Values, metrics};
use parlor_media::ShardStats;
use parlor_media::command::MediaKind;
use parlor_media::drop_reason::DropReason;
use parlor_media::quality::Level;
use parlor_media::stats::{CloseCause, JoinStage, LAYERS, StageTimes, TRACK_CLASSES, Volume};

const DIRECTIONS: [&str; 2] = ["in", "out"];
/// In the order of [`MediaKind`].
const KINDS: [&str; 2] = ["audio", "video"];

const KIND: Label = Label { name: "kind", values: Values::Closed(|| KINDS.to_vec()) };
const CODEC: Label = Label {
    name: "codec",
    values: Values::Closed(|| {
        let mut codecs: Vec<_> = TRACK_CLASSES.iter().map(|(_, codec)| *codec).collect();
        codecs.dedup();
        codecs
    }),
};
const LAYER: Label = Label { name: "layer", values: Values::Closed(|| LAYERS.to_vec()) };
const LEVEL: Label =
    Label { name: "level", values: Values::Closed(|| known_levels().map(|level| level.name()).collect()) };
const TYPE: Label = Label { name: "type", values: Values::Closed(|| vec!["pli", "fir"]) };
const STAGE: Label = Label {
    name: "stage",
    values: Values::Explained(|| {
        let stages = JoinStage::ALL.iter().map(|stage| (stage.name(), stage.meaning()));
        std::iter::once((SIGNALLING, "From the join's message to its answer, without the time in a lobby."))
            .chain(stages)
            .collect()
    }),
};
const CAUSE: Label = Label {
    name: "cause",
    values: Values::Explained(|| CloseCause::ALL.iter().map(|cause| (cause.name(), cause.meaning())).collect()),
};
const REASON: Label = Label {
    name: "reason",
    values: Values::Explained(|| DropReason::ALL.iter().map(|reason| (reason.name(), reason.meaning())).collect()),
};

/// The stage of joins that the control plane sees.
const SIGNALLING: &str = "signalling";

metrics! {
    SHARD_ROOMS = Gauge "parlor_shard_rooms" [SHARD], "Rooms of a shard.";
    SHARD_PARTICIPANTS = Gauge "parlor_shard_participants" [SHARD], "Participants of a shard.";
    SHARD_PUBLICATIONS = Gauge "parlor_shard_publications" [SHARD], "Published tracks of a shard.";
    SHARD_MIRRORS = Gauge "parlor_shard_mirrors" [SHARD], "Tracks that are published on other shards and mirrored on this one, for the people of their rooms who are here.";
    SHARD_SUBSCRIPTIONS = Gauge "parlor_shard_subscriptions" [SHARD], "Subscriptions of a shard.";
    CHOOSING_ROOMS = Gauge "parlor_shard_choosing_rooms" [SHARD], "Rooms of a shard in which only the loudest voices are forwarded: `media.loudest_above`.";
    HANDSHAKES_WAITING = Gauge "parlor_shard_handshakes_waiting" [SHARD], "Datagrams of DTLS handshakes that wait in a shard until media has been sent.";
    PUBLICATIONS = Gauge "parlor_publications" [KIND, CODEC], "Published tracks, by what their packets are encoded in.";
    SUBSCRIPTIONS = Gauge "parlor_subscriptions" [KIND, CODEC], "Subscriptions, by what their publication is encoded in.";
    VIDEO_SUBSCRIPTIONS = Gauge "parlor_video_subscriptions" [LAYER], "Subscriptions to video, by what is forwarded at present: nothing, the only encoding that there is, or one of several by its place from the lowest.";
    PARTICIPANTS_BY_QUALITY = Gauge "parlor_participants_by_quality" [LEVEL], "Participants by how good the call is for them, those of whom nothing is known left out: `docs/quality.md`.";
    TRANSPORTS = Gauge "parlor_transports" [PROTOCOL], "Media transports that are up, by what their packets leave over.";
    TRANSPORTS_CONNECTED = Counter "parlor_transports_connected_total" [PROTOCOL], "Media transports that came up.";
    TRANSPORTS_CLOSED = Counter "parlor_transports_closed_total" [CAUSE], "Media transports that failed, or ended otherwise than by a leave.";
    JOIN_STAGES = Histogram(MICROSECONDS) "parlor_join_stage_seconds" [STAGE], "How long a stage of participants' ways into a call took.";
    RTP_PACKETS = Counter "parlor_rtp_packets_total" [DIRECTION, KIND], "RTP packets, retransmissions included.";
    RTP_BYTES = Counter "parlor_rtp_bytes_total" [DIRECTION, KIND], "Bytes of SRTP packets, retransmissions included.";
    RTCP_PACKETS = Counter "parlor_rtcp_packets_total" [DIRECTION], "Compound RTCP packets, one a datagram.";
    RTCP_BYTES = Counter "parlor_rtcp_bytes_total" [DIRECTION], "Bytes of SRTCP datagrams.";
    RTX_PACKETS = Counter "parlor_rtx_packets_total" [DIRECTION], "Retransmitted packets. What could not be sent again is a drop as `not_in_ring`.";
    PROBE_PACKETS = Counter "parlor_probe_packets_total", "RTP packets sent to learn how much a subscriber's path carries, which repeat what the client has, or carry nothing. Among `parlor_rtp_packets_total`.";
    PROBE_BYTES = Counter "parlor_probe_bytes_total", "Bytes of these packets.";
    REDUNDANT_PACKETS = Counter "parlor_redundant_audio_packets_total", "RTP packets of sound that were sent with copies of earlier ones (RED), to subscribers who lose packets: `media.opus_red`. Among `parlor_rtp_packets_total`.";
    REDUNDANT_BYTES = Counter "parlor_redundant_audio_bytes_total", "Bytes that the copies took.";
    PAUSES = Counter "parlor_subscription_pauses_total", "Subscriptions to video that were paused because a subscriber's path does not carry them.";
    REPLAYS = Counter "parlor_pictures_replayed_total", "Pictures that began with what was kept of the latest key frame, without another being asked for.";
    VOICE_CHANGES = Counter "parlor_voice_changes_total", "Voices that began to be heard where only the loudest are, each with what was just before; in a room on several shards on each of them.";
    NACKED_PACKETS = Counter "parlor_nacked_packets_total" [DIRECTION], "Packets asked for again: by subscribers (in), from publishers (out).";
    KEYFRAME_REQUESTS = Counter "parlor_keyframe_requests_total" [DIRECTION, TYPE], "Key frames asked for: by subscribers (in), from publishers (out, by PLI alone).";
    LOSSES = Histogram(THOUSANDTHS) "parlor_loss_ratio" [DIRECTION], "Fraction of a stream's packets lost between two reports, before repair: on the way from publishers (in), to subscribers as they report it (out), who miss what publishers' networks lost for good as well.";
    JITTERS = Histogram(MICROSECONDS) "parlor_jitter_seconds" [DIRECTION], "Interarrival jitter of a stream at its reports (RFC 3550): from publishers (in), at subscribers as they report it (out).";
    ROUND_TRIPS = Histogram(MICROSECONDS) "parlor_round_trip_seconds", "Round-trip times between the server and those who receive from it, by their receiver reports.";
    DATA_MESSAGES = Counter "parlor_data_messages_total" [DIRECTION], "Messages on the chat data channels.";
    DATA_BYTES = Counter "parlor_data_bytes_total" [DIRECTION], "Bytes of messages on the chat data channels.";
    RELAYED_PACKETS = Counter "parlor_relayed_packets_total" [SHARD, DIRECTION], "RTP packets of rooms that are spread over shards: from another shard (in), to another shard (out), once for each.";
    RELAYED_BYTES = Counter "parlor_relayed_bytes_total" [SHARD, DIRECTION], "Bytes of these packets.";
    RELAY_DROPPED = Counter "parlor_relay_dropped_packets_total" [SHARD], "RTP packets that a shard could not hand to another one, which does not keep up.";
    ENGINE_EVENTS_DROPPED = Counter "parlor_engine_events_dropped_total", "Speaker levels and data messages dropped, since the control plane was behind.";
    DROPS = Counter "parlor_drops_total" [REASON], "Datagrams and packets dropped by the engine, by reason; on the way out each subscriber's is one.";
}

/// Adds the stage of joins that the control plane sees.
pub(in crate::metrics) fn read_signalling(scrape: &mut Scrape, times: &StageTimes) {
    scrape.add_histogram(&JOIN_STAGES, &[SIGNALLING], times);
}

pub(in crate::metrics) fn read(scrape: &mut Scrape, shard: &str, stats: &ShardStats) {
    scrape.add(&SHARD_ROOMS, &[shard], stats.rooms);
    scrape.add(&SHARD_PARTICIPANTS, &[shard], stats.participants);
    scrape.add(&SHARD_PUBLICATIONS, &[shard], stats.publications);
    scrape.add(&SHARD_MIRRORS, &[shard], stats.mirrors);
    scrape.add(&CHOOSING_ROOMS, &[shard], stats.choosing_rooms);
    for (direction, relayed) in DIRECTIONS.into_iter().zip([stats.relay_in, stats.relay_out]) {
        scrape.add(&RELAYED_PACKETS, &[shard, direction], relayed.count);
        scrape.add(&RELAYED_BYTES, &[shard, direction], relayed.bytes);
    }
    scrape.add(&RELAY_DROPPED, &[shard], stats.relay_dropped);
    scrape.add(&SHARD_SUBSCRIPTIONS, &[shard], stats.subscriptions);
    scrape.add(&HANDSHAKES_WAITING, &[shard], stats.handshakes_waiting);
    read_tracks(scrape, stats);
    read_transports(scrape, stats);
    read_traffic(scrape, stats);
    for (index, direction) in DIRECTIONS.iter().enumerate() {
        scrape.add_histogram(&LOSSES, &[direction], &stats.losses[index]);
        scrape.add_histogram(&JITTERS, &[direction], &stats.jitters[index]);
    }
    scrape.add_histogram(&ROUND_TRIPS, &[], &stats.round_trips);
    scrape.add(&ENGINE_EVENTS_DROPPED, &[], stats.events_dropped);
    for (reason, count) in DropReason::ALL.iter().zip(stats.drops) {
        scrape.add(&DROPS, &[reason.name()], count);
    }
}

fn read_tracks(scrape: &mut Scrape, stats: &ShardStats) {
    let census = &stats.census;
    for (((kind, codec), publications), subscriptions) in
        TRACK_CLASSES.into_iter().zip(census.publications).zip(census.subscriptions)
    {
        let labels = [name_of(kind), codec];
        scrape.add(&PUBLICATIONS, &labels, publications);
        scrape.add(&SUBSCRIPTIONS, &labels, subscriptions);
    }
    for (layer, count) in LAYERS.iter().zip(census.layers) {
        scrape.add(&VIDEO_SUBSCRIPTIONS, &[layer], count);
    }
    for level in known_levels() {
        scrape.add(&PARTICIPANTS_BY_QUALITY, &[level.name()], census.quality[level as usize]);
    }
}

fn known_levels() -> impl Iterator<Item = Level> {
    Level::ALL.iter().copied().filter(|level| *level != Level::Unknown)
}

fn read_transports(scrape: &mut Scrape, stats: &ShardStats) {
    for ((protocol, now), ever) in PROTOCOLS.iter().zip(stats.transports).zip(stats.connects) {
        scrape.add(&TRANSPORTS, &[protocol], now);
        scrape.add(&TRANSPORTS_CONNECTED, &[protocol], ever);
    }
    for (cause, count) in CloseCause::ALL.iter().zip(stats.closes) {
        scrape.add(&TRANSPORTS_CLOSED, &[cause.name()], count);
    }
    for (stage, times) in JoinStage::ALL.iter().zip(&stats.join_stages) {
        scrape.add_histogram(&JOIN_STAGES, &[stage.name()], times);
    }
}

fn read_traffic(scrape: &mut Scrape, stats: &ShardStats) {
    for kind in [MediaKind::Audio, MediaKind::Video] {
        for (direction, volumes) in DIRECTIONS.iter().zip([&stats.rtp_in, &stats.rtp_out]) {
            add_volume(scrape, (&RTP_PACKETS, &RTP_BYTES), &[direction, name_of(kind)], volumes[kind as usize]);
        }
    }
    for (metrics, volumes) in [
        ((&RTCP_PACKETS, &RTCP_BYTES), [stats.rtcp_in, stats.rtcp_out]),
        ((&DATA_MESSAGES, &DATA_BYTES), [stats.data_in, stats.data_out]),
    ] {
        for (direction, volume) in DIRECTIONS.iter().zip(volumes) {
            add_volume(scrape, metrics, &[direction], volume);
        }
    }
    add_volume(scrape, (&PROBE_PACKETS, &PROBE_BYTES), &[], stats.probe_out);
    add_volume(scrape, (&REDUNDANT_PACKETS, &REDUNDANT_BYTES), &[], stats.redundant_out);
    scrape.add(&PAUSES, &[], stats.pauses);
    scrape.add(&REPLAYS, &[], stats.replays);
    scrape.add(&VOICE_CHANGES, &[], stats.voice_changes);
    for (metric, counts) in [
        (&RTX_PACKETS, [stats.rtx_in_packets, stats.rtx_out_packets]),
        (&NACKED_PACKETS, [stats.nack_in_packets, stats.nack_out_packets]),
    ] {
        for (direction, count) in DIRECTIONS.iter().zip(counts) {
            scrape.add(metric, &[direction], count);
        }
    }
    scrape.add(&KEYFRAME_REQUESTS, &["in", "pli"], stats.pli_in);
    scrape.add(&KEYFRAME_REQUESTS, &["in", "fir"], stats.fir_in);
    scrape.add(&KEYFRAME_REQUESTS, &["out", "pli"], stats.pli_out);
}

fn add_volume(
    scrape: &mut Scrape,
    (count, bytes): (&'static Metric, &'static Metric),
    labels: &[&str],
    volume: Volume,
) {
    scrape.add(count, labels, volume.count);
    scrape.add(bytes, labels, volume.bytes);
}

fn name_of(kind: MediaKind) -> &'static str {
    KINDS[kind as usize]
}
