//! Why a packet was dropped.
//!
//! One closed list for the whole engine, small enough to index an array of counters. Drops are counted, never logged.

use crate::vocabulary::vocabulary;

vocabulary! {
    /// Why a packet was dropped. Its discriminant indexes [`DropReason::ALL`].
    DropReason {
        /// The first bytes are none of STUN, DTLS, RTP or RTCP (RFC 7983).
        UnknownProtocol => "unknown_protocol",
        /// From a 4-tuple that no participant has validated.
        UnknownPath => "unknown_path",
        /// A STUN request whose USERNAME names no participant of this shard.
        UnknownUsername => "unknown_username",
        /// Not a STUN binding request, or a broken one.
        MalformedStun => "malformed_stun",
        /// A STUN request whose USERNAME is not this session's pair of fragments.
        WrongUsername => "wrong_username",
        /// A STUN request without MESSAGE-INTEGRITY.
        MissingIntegrity => "missing_integrity",
        /// A STUN request whose MESSAGE-INTEGRITY does not verify.
        BadIntegrity => "bad_integrity",
        /// From an address that ICE has not validated for this participant.
        UnvalidatedPath => "unvalidated_path",
        /// DTLS that cannot be used now: before the remote description, beyond a bound, or a plaintext alert.
        UnexpectedDtls => "unexpected_dtls",
        /// DTLS of a transport that is not up, while too many such datagrams wait: its sender repeats it.
        HandshakeQueueFull => "handshake_queue_full",
        /// Media before DTLS is up, or after the transport has closed.
        NotConnected => "not_connected",
        /// Not an RTP packet: too short, a wrong version, or a header that exceeds the packet.
        MalformedRtp => "malformed_rtp",
        /// SRTP whose authentication tag does not verify.
        ForgedRtp => "forged_rtp",
        /// SRTP that was received before, or is too old to tell.
        ReplayedRtp => "replayed_rtp",
        /// More SSRCs than one participant may send.
        TooManySsrcs => "too_many_ssrcs",
        /// Not an RTCP packet, or one that does not parse once decrypted.
        MalformedRtcp => "malformed_rtcp",
        /// SRTCP that does not verify, or was received before.
        ForgedRtcp => "forged_rtcp",
        /// An SSRC that no publication of the sender's claims, and no rid or mid that tells whose it is.
        UnknownSsrc => "unknown_ssrc",
        /// A payload type that was not negotiated.
        UnknownPayloadType => "unknown_payload_type",
        /// A codec that this subscriber cannot decode.
        UnsupportedCodec => "unsupported_codec",
        /// The m-line is not published: the negotiated direction does not send.
        NotPublished => "not_published",
        /// A host has silenced its publisher.
        Silenced => "silenced",
        /// A microphone that is not among the loudest of a large room.
        Unheard => "unheard",
        /// Media that was received before, by another packet or by a retransmission.
        DuplicateRtp => "duplicate_rtp",
        /// Older than anything the rings still hold.
        TooOld => "too_old",
        /// Padding only: consumed, nothing to forward.
        PaddingOnly => "padding_only",
        /// Nobody receives this encoding.
        NoSubscriber => "no_subscriber",
        /// The subscriber has chosen another layer, or none.
        NoSubscriberLayer => "no_subscriber_layer",
        /// The subscriber's picture cannot start here: it waits for a keyframe.
        AwaitingKeyframe => "awaiting_keyframe",
        /// A retransmission that was asked for and cannot be served: the packet is too old, or was sent again often enough.
        NotInRing => "not_in_ring",
        /// A retransmission that was asked for while the one before was on its way.
        ResentAlready => "resent_already",
        /// A retransmission that waited for a second, or found 64 others waiting, because repairs had used up their share of the subscriber's estimate; or one that is of no use any more.
        RepairBudget => "repair_budget",
        /// Too much video waits for its turn to leave: the subscriber's path carries far less than it is sent.
        PacerFull => "pacer_full",
        /// Video that waited for its turn so long that it is not here any more, or of no use.
        PacerLate => "pacer_late",
        /// Longer than a datagram may be once rewritten.
        TooLarge => "too_large",
        /// The send buffer is full.
        OutboxFull => "outbox_full",
    }
}
