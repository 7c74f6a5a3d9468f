//! The packet path: from a sealed datagram to the subscribers of its publication.

use super::Room;
use super::ahead::{AHEAD, ask_for_subscribers};
use super::hearing::Verdict;
use super::marks::Marks;
use super::passing::Way;
use crate::burst::{Group, Origin};
use crate::codec::is_keyframe_start;
use crate::command::Source;
use crate::context::Context;
use crate::drop_reason::DropReason;
use crate::formats::FormatId;
use crate::loudest::{Hearing, loudness_of};
use crate::numbering::Payload;
use crate::outbox::Outbox;
use crate::participant::Participant;
use crate::path::Path;
use crate::publication::{Publication, Received, Stream};
use crate::relay::RelayedPacket;
use crate::rtp::header::RtpHeader;
use crate::rtp::padding::SLACK;
use crate::subscription::Incoming;
use slab::Slab;
use std::time::{Duration, Instant};

/// Silence after which a stream may be replaced by one that does not name its m-line.
const GUESS_AFTER: Duration = Duration::from_millis(500);

impl Room {
    /// Takes an SRTP datagram of a participant; decrypts it in place and fans it out.
    pub(crate) fn handle_rtp(&mut self, context: &mut Context<'_>, index: usize, path: &Path, datagram: &mut [u8]) {
        if let Err(reason) = self.receive_rtp(context, index, path, datagram) {
            context.core.stats.drop(reason);
        }
    }

    fn receive_rtp(
        &mut self,
        context: &mut Context<'_>,
        index: usize,
        path: &Path,
        datagram: &mut [u8],
    ) -> Result<(), DropReason> {
        let participant = self.participants.get_mut(index).ok_or(DropReason::UnknownPath)?;
        let len = participant.transport.unprotect_rtp(path, datagram)?;
        let sealed = datagram.len();
        let packet = datagram.get_mut(..len).ok_or(DropReason::MalformedRtp)?;
        let header = RtpHeader::parse(packet).ok_or(DropReason::MalformedRtp)?;
        let numbering = participant.negotiator.numbering();
        let marks = Marks::read(numbering, &header, packet);
        let payload = numbering.payload(header.payload_type);
        if let Some(sequence) = marks.transport_sequence {
            participant.twcc.on_packet(context.now, sequence);
        }
        let (format, recovered) = match payload {
            Payload::Media(format) => (format, false),
            Payload::Rtx(format) => (format, true),
            Payload::Unknown => return Err(DropReason::UnknownPayloadType),
        };
        context.core.stats.rtp_in[format.kind() as usize].add(sealed);
        let stream = match participant.streams.get(header.ssrc) {
            Some(stream) => stream,
            None => learn(context.now, participant, &self.publications, &header, &marks, packet, format, recovered)?,
        };
        if stream.rtx != recovered {
            return Err(DropReason::UnknownPayloadType);
        }
        if !recovered {
            self.note_level(context, stream, &marks);
            return self.fan_out(context, stream, format, packet, header, marks, false);
        }
        context.core.stats.rtx_in_packets += 1;
        let media_type = self.participants[index].negotiator.numbering().types(format).map(|types| types.media);
        let packet = restore(packet, &header, media_type.ok_or(DropReason::UnknownPayloadType)?)?;
        let header = RtpHeader::parse(packet).ok_or(DropReason::MalformedRtp)?;
        let numbering = self.participants[index].negotiator.numbering();
        let marks = Marks::read(numbering, &header, packet);
        self.fan_out(context, stream, format, packet, header, marks, true)
    }

    fn note_level(&mut self, context: &Context<'_>, stream: Stream, marks: &Marks) {
        let voice = self.publications.get(stream.publication).and_then(|publication| publication.voice);
        if let (Some(voice), Some(level)) = (voice, marks.level) {
            self.speakers.update(context.now, voice, level);
        }
    }

    /// Gives a packet to its encoding, then to the burst that every subscriber of the publication gets.
    #[allow(clippy::too_many_arguments, reason = "the packet and what was learnt of it, on the hot path")]
    fn fan_out(
        &mut self,
        context: &mut Context<'_>,
        stream: Stream,
        format: FormatId,
        packet: &[u8],
        header: RtpHeader,
        marks: Marks,
        recovered: bool,
    ) -> Result<(), DropReason> {
        let publication = self.publications.get_mut(stream.publication).ok_or(DropReason::NotPublished)?;
        let encoding = publication.encodings.get_mut(stream.encoding).ok_or(DropReason::NotPublished)?;
        let descriptor = marks.descriptor.and_then(|range| packet.get(range));
        let (codec, payload) = (format.format().codec, header.payload(packet));
        let begins = is_keyframe_start(codec, payload, descriptor);
        let received = encoding.receive(context.now, &header, packet, format, begins, recovered)?;
        if encoding.silent_from.is_some_and(|from| received.sequence >= from) {
            return Err(DropReason::Silenced);
        }
        let picture = encoding.note_picture(received.sequence, codec, (&header, packet), descriptor, begins);
        if received.first
            && let Some(publisher) = publication.member().and_then(|index| self.participants.get_mut(index))
        {
            publisher.milestones.on_packet_in(context.now, &mut context.core.stats);
        }
        let (source, track) = (publication.source, publication.track);
        let verdict = match source {
            Source::Microphone => {
                let loudness = loudness_of(marks.level, payload.len());
                self.voices.judge(context.now, stream.publication, loudness)
            }
            _ => Verdict::ALWAYS,
        };
        if verdict.relayed != Hearing::Unheard {
            if verdict.relayed != Hearing::Heard {
                self.relay_preroll(context, stream.publication, stream.encoding, &received);
            }
            let publication = self.publications.get(stream.publication).ok_or(DropReason::NotPublished)?;
            relay(context, publication, stream.encoding, &received, packet, format, begins, recovered, marks.level);
        }
        self.follow(context, stream.publication, stream.encoding, received.sequence, verdict.here)?;
        let incoming = Incoming {
            header,
            sequence: received.sequence,
            encoding: stream.encoding,
            generation: received.generation,
            format,
            begins,
            picture,
            growth: SLACK,
            key: context.core.next_draft(),
        };
        let origin = Origin { room: self.index, publication: stream.publication, track };
        context.core.burst.push(origin, packet, incoming);
        Ok(())
    }

    /// Forwards packets to every subscriber of their publication, all of them to one before the next. `flush` empties the outbox
    /// when that is due.
    pub(crate) fn deliver(
        &mut self,
        context: &mut Context<'_>,
        group: &Group<'_>,
        flush: &mut dyn FnMut(&mut Outbox),
    ) -> Result<(), DropReason> {
        let origin = group.origin().ok_or(DropReason::NotPublished)?;
        let publication = self.publications.get(origin.publication).filter(|known| known.track == origin.track);
        let publication = publication.ok_or(DropReason::NotPublished)?;
        let descriptor_id = self.descriptor_id(publication);
        let way = Way { publication, descriptor_id };
        for (place, subscriber) in publication.subscribers.iter().enumerate() {
            if place.is_multiple_of(AHEAD) {
                let ahead = publication.subscribers.get(place..).unwrap_or_default();
                ask_for_subscribers(&self.participants, ahead.get(..AHEAD).unwrap_or(ahead));
            }
            let Some(participant) = self.participants.get_mut(subscriber.participant) else { continue };
            for place in group.places() {
                if way.waits(context, participant, subscriber.line, place.packet.len(), place.incoming) {
                    continue;
                }
                let left = |sequence| group.burst.follows(place.position, origin, place.incoming.encoding, sequence);
                way.pass(context, participant, subscriber.line, place.packet, place.incoming, &left);
            }
            context.core.flush_if_full(flush);
        }
        Ok(())
    }
}

/// Hands a packet to the shards that want it.
#[allow(clippy::too_many_arguments, reason = "the packet and what was learnt of it, on the hot path")]
pub(super) fn relay(
    context: &mut Context<'_>,
    publication: &Publication,
    encoding: usize,
    received: &Received,
    packet: &[u8],
    format: FormatId,
    begins: bool,
    recovered: bool,
    level: Option<u8>,
) {
    let to = publication.wanted_by.get(encoding).copied().unwrap_or_default();
    if to.is_empty() {
        return;
    }
    let relayed = RelayedPacket {
        track: publication.track,
        sequence: received.sequence,
        encoding: encoding as u8,
        generation: received.generation,
        format,
        begins,
        recovered,
        level,
    };
    let core = &mut *context.core;
    if core.relay.push_packet(to, relayed, packet) {
        core.stats.relay_out.count += to.len() as u64;
        core.stats.relay_out.bytes += (to.len() * packet.len()) as u64;
    } else {
        core.stats.relay_dropped += to.len() as u64;
    }
}

/// Finds out what an unknown SSRC carries, from its mid and rid, or because only one publication can be meant.
#[allow(clippy::too_many_arguments, reason = "all that is known of the packet")]
fn learn(
    now: Instant,
    participant: &mut Participant,
    publications: &Slab<Publication>,
    header: &RtpHeader,
    marks: &Marks,
    packet: &[u8],
    format: FormatId,
    rtx: bool,
) -> Result<Stream, DropReason> {
    let mut own = participant.publications.iter().filter_map(|key| Some((*key, publications.get(*key)?)));
    let (key, publication) = match &marks.mid {
        Some(range) => {
            let mid = packet.get(range.clone()).unwrap_or_default();
            own.find(|(_, publication)| publication.mid.as_str().as_bytes() == mid)
        }
        // A guess, and so not for what is late of another m-line.
        None if participant.streams.is_retired(header.ssrc) => None,
        None => {
            let mut of_kind = own.filter(|(_, publication)| publication.kind == format.kind());
            of_kind.next().filter(|_| of_kind.next().is_none())
        }
    }
    .ok_or(DropReason::UnknownSsrc)?;
    if publication.kind != format.kind() {
        return Err(DropReason::UnknownPayloadType);
    }
    let rid = if rtx { marks.repaired_rid.or(marks.rid) } else { marks.rid };
    let encoding = match publication.encodings.as_slice() {
        [single] if single.rid.is_none() => Some(0),
        _ => rid.and_then(|rid| publication.encoding_of(Some(rid))),
    }
    .ok_or(DropReason::UnknownSsrc)?;
    let stream = Stream { publication: key, encoding, rtx };
    let is_alive = publication.encodings.get(encoding).and_then(|encoding| encoding.last_heard);
    let is_alive = is_alive.is_some_and(|at| now.saturating_duration_since(at) < GUESS_AFTER);
    if marks.mid.is_none() && is_alive && participant.streams.has(stream) {
        return Err(DropReason::UnknownSsrc);
    }
    if let Some(replaced) = participant.streams.learn(header.ssrc, stream)? {
        participant.transport.forget_ssrc(replaced);
    }
    Ok(stream)
}

/// Turns a retransmission back into the packet it repairs (RFC 4588 section 4), in place: the header moves up over the
/// two bytes of the original sequence number. The SSRC stays that of the retransmissions; nothing depends on it.
fn restore<'a>(packet: &'a mut [u8], header: &RtpHeader, payload_type: u8) -> Result<&'a mut [u8], DropReason> {
    let payload = header.payload_range();
    let original: [u8; 2] = packet
        .get(payload.clone())
        .and_then(|payload| payload.first_chunk().copied())
        .ok_or(DropReason::PaddingOnly)?;
    packet.copy_within(..payload.start, 2);
    let restored = packet.get_mut(2..).ok_or(DropReason::MalformedRtp)?;
    if let Some([_, second, sequence @ ..]) = restored.first_chunk_mut::<4>() {
        *second = *second & 0x80 | payload_type;
        *sequence = original;
    }
    Ok(restored)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retransmission_becomes_the_packet_it_repairs() {
        let mut packet = vec![0x90, 0x80 | 97, 0, 9, 0, 0, 0, 5, 0, 0, 0, 7, 0xbe, 0xde, 0, 1, 0x10, b'a', 0, 0];
        packet.extend([0x12, 0x34, 1, 2, 3]);
        let header = RtpHeader::parse(&packet).expect("valid");
        let restored = restore(&mut packet, &header, 96).expect("restored");
        let header = RtpHeader::parse(restored).expect("valid");
        assert_eq!((header.sequence, header.payload_type, header.marker, header.timestamp), (0x1234, 96, true, 5));
        assert_eq!((header.payload(restored), header.extension(restored, 1)), (&[1, 2, 3][..], Some(&b"a"[..])));
    }

    #[test]
    fn a_retransmission_of_nothing_is_padding() {
        let mut packet = vec![0x80, 97, 0, 9, 0, 0, 0, 5, 0, 0, 0, 7, 1];
        let header = RtpHeader::parse(&packet).expect("valid");
        assert_eq!(restore(&mut packet, &header, 96).err(), Some(DropReason::PaddingOnly));
    }
}
