//! A room's parts on several shards: tracks are mirrored, their packets relayed, wishes sent back.
//!
//! Every part tells the others what is published in it; packets go to the parts that want them, each from the part where it
//! came in, and are never relayed twice. A mirror answers its subscribers' NACKs from a ring of its own, and asks nobody: what
//! it lacks the other part lacked, too. Wishes for key frames go back, and meet there the same throttle as those of others.
//! The part on the room's *home* shard gets every microphone, and alone says who speaks. Where only the loudest are heard
//! ([`hearing`](super::hearing)), every part gets the loudest of each other one.
//!
//! What the other side must know, and might miss when a queue is full, is said again ([`Room::say_again`]): all that is
//! published here, and what is wanted there.

use super::Room;
use super::subscriptions::MAX_WISHES;
use super::upkeep::{HEARD_TURNS, LONGEST_TURN};
use crate::burst::Origin;
use crate::command::Source;
use crate::context::Context;
use crate::drop_reason::DropReason;
use crate::feedback::ntp::NtpTime;
use crate::formats::Extension;
use crate::ids::TrackId;
use crate::loudest::loudness_of;
use crate::publication::{Mirror, Publication};
use crate::relay::{HeardEncoding, Note, RelayedClock, RelayedPacket, ShardSet, SharedTrack};
use crate::rtp::header::RtpHeader;
use crate::rtp::padding::SLACK;
use crate::subscription::Incoming;
use std::sync::Arc;
use std::time::Duration;

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Links {
    /// The shards of the other parts.
    peers: ShardSet,
    /// This is the part that says who speaks.
    pub(super) is_home: bool,
    /// Those of the others that may have missed something.
    lost: ShardSet,
}

impl Default for Links {
    fn default() -> Self {
        Self { peers: ShardSet::EMPTY, is_home: true, lost: ShardSet::EMPTY }
    }
}

impl Room {
    /// Learns which shards have parts of the room.
    pub(crate) fn link(&mut self, context: &mut Context<'_>, home: u16, shards: ShardSet) {
        let index = context.core.index;
        let peers = shards.without(ShardSet::of(index));
        let (gone, new) = (self.links.peers.without(peers), peers.without(self.links.peers));
        self.links = Links { peers, is_home: home == index, lost: self.links.lost.and(peers) };
        for shard in gone.iter() {
            self.end_mirrors(context, |mirror| mirror.shard == shard);
        }
        for (_, publication) in &mut self.publications {
            publication.wanted_by.iter_mut().for_each(|wanted_by| *wanted_by = wanted_by.without(gone));
        }
        self.send_roster(context, new, true);
        self.negotiate_all(context);
    }

    /// Tells the other parts of a track of this one.
    pub(super) fn share(&self, context: &mut Context<'_>, key: usize) {
        if !self.links.peers.is_empty()
            && let Some(shared) = self.publications.get(key).and_then(|publication| self.shared(publication))
        {
            context.relay(self.links.peers, Note::Share(self.id, Arc::new(shared)));
        }
    }

    /// The same for all tracks of a participant, whose numbers may have changed.
    pub(super) fn share_all_of(&self, context: &mut Context<'_>, index: usize) {
        let Some(participant) = self.participants.get(index) else { return };
        participant.publications.iter().for_each(|key| self.share(context, *key));
    }

    /// Tells the other parts that a track has ended.
    pub(super) fn unshare(&self, context: &mut Context<'_>, track: TrackId) {
        context.relay(self.links.peers, Note::Unshare(track));
    }

    fn shared(&self, publication: &Publication) -> Option<SharedTrack> {
        let publisher = self.participants.get(publication.member()?)?;
        Some(publication.shared(publisher.id, publisher.negotiator.numbering()))
    }

    /// Tells other parts all that is published here. Who is linked first speaks to one that does not know of it yet, and so each
    /// asks when it is linked: the later one is answered.
    fn send_roster(&self, context: &mut Context<'_>, to: ShardSet, asks: bool) {
        if !to.is_empty() {
            let tracks = self.publications.iter().filter_map(|(_, publication)| self.shared(publication));
            context.relay(to, Note::Roster(self.id, tracks.map(Arc::new).collect(), asks));
        }
    }

    /// Those shards may have missed something that they were told.
    pub(crate) fn relay_lost(&mut self, context: &mut Context<'_>, to: ShardSet) {
        self.links.lost = self.links.lost.with(to.and(self.links.peers));
        if !self.links.lost.is_empty() {
            self.start_upkeep(context);
        }
    }

    /// Says again what some shards may have missed.
    pub(super) fn say_again(&mut self, context: &mut Context<'_>) {
        let lost = std::mem::take(&mut self.links.lost);
        if lost.is_empty() {
            return;
        }
        self.send_roster(context, lost, true);
        self.want_anew(lost);
    }

    /// Says again, with the next turn, what is wanted of these shards.
    fn want_anew(&mut self, of: ShardSet) {
        let mirrors = self.publications.iter_mut().filter_map(|(_, publication)| publication.origin_mut());
        mirrors.filter(|mirror| of.contains(mirror.shard)).for_each(Mirror::forget_told);
    }

    /// Whether a track that is not known here may be that of another part, which is on its way. Then it is subscribed to when
    /// it comes; of more than anybody can receive the latest count.
    pub(super) fn expect(&mut self, index: usize, track: TrackId) -> bool {
        let Some(participant) = self.participants.get_mut(index).filter(|_| !self.links.peers.is_empty()) else {
            return false;
        };
        participant.wishes.retain(|wish| *wish != track);
        if participant.wishes.len() >= MAX_WISHES {
            participant.wishes.remove(0);
        }
        participant.wishes.push(track);
        true
    }

    /// Takes a track that another part publishes, or what has changed of it.
    pub(crate) fn on_share(&mut self, context: &mut Context<'_>, from: u16, shared: &Arc<SharedTrack>) {
        if !self.links.peers.contains(from) {
            return;
        }
        match context.core.mirrors.get(&shared.track).copied() {
            Some((room, key)) if room == self.index => self.update_mirror(context, key, shared),
            _ => self.add_mirror(context, from, shared),
        }
    }

    fn add_mirror(&mut self, context: &mut Context<'_>, from: u16, shared: &Arc<SharedTrack>) {
        let mut publication = Publication::mirror(Mirror::new(from, Arc::clone(shared)));
        if shared.silenced {
            publication.silence();
        }
        let key = self.publications.insert(publication);
        context.core.mirrors.insert(shared.track, (self.index, key));
        context.core.stats.mirrors += 1;
        self.add_voice(context, key, shared.publisher);
        self.start_upkeep(context);
        let waits = self.participants.iter_mut().filter_map(|(index, participant)| {
            let wishes = participant.wishes.len();
            if participant.negotiated {
                participant.wishes.retain(|wish| *wish != shared.track);
            }
            (participant.settings.auto_subscribe || participant.wishes.len() < wishes).then_some(index)
        });
        for index in waits.collect::<Vec<_>>() {
            self.bind(context, index, key);
            self.activate(context, index);
        }
    }

    fn update_mirror(&mut self, context: &mut Context<'_>, key: usize, shared: &Arc<SharedTrack>) {
        let Some(publication) = self.publications.get_mut(key) else { return };
        let silenced = publication.is_silenced();
        let Some(mirror) = publication.origin_mut() else { return };
        let is_renumbered = mirror.shared.numbering != shared.numbering;
        mirror.shared = Arc::clone(shared);
        publication.muted = shared.muted;
        if shared.silenced && !silenced {
            publication.silence();
            publication.muted = shared.muted;
        }
        let begins_anew = !shared.silenced && publication.end_silence();
        self.set_voice_muted(key, shared.muted);
        if is_renumbered {
            let subscribers = self.publications.get(key).map(|publication| publication.subscribers.clone());
            for subscriber in subscribers.unwrap_or_default() {
                self.replan_line(subscriber.participant, subscriber.line);
            }
        }
        if begins_anew {
            self.begin_anew(context, key);
        }
    }

    /// Takes all that another part publishes.
    pub(crate) fn on_roster(&mut self, context: &mut Context<'_>, from: u16, tracks: &[Arc<SharedTrack>], asks: bool) {
        if asks {
            self.send_roster(context, ShardSet::of(from).and(self.links.peers), false);
            // It was linked anew: what it knew of an earlier link is forgotten.
            self.want_anew(ShardSet::of(from));
        }
        let is_gone = |mirror: &Mirror| !tracks.iter().any(|shared| shared.track == mirror.shared.track);
        self.end_mirrors(context, |mirror| mirror.shard == from && is_gone(mirror));
        tracks.iter().for_each(|shared| self.on_share(context, from, shared));
    }

    /// Ends a mirror: its track has ended.
    pub(crate) fn end_mirror(&mut self, context: &mut Context<'_>, key: usize) {
        if self.publications.get(key).is_some_and(|publication| publication.origin().is_some()) {
            self.unpublish(context, key, false);
        }
    }

    /// Ends the mirrors of that kind.
    pub(crate) fn end_mirrors(&mut self, context: &mut Context<'_>, is_gone: impl Fn(&Mirror) -> bool) {
        let gone = self.publications.iter().filter(|(_, publication)| publication.origin().is_some_and(&is_gone));
        for key in gone.map(|(key, _)| key).collect::<Vec<_>>() {
            self.end_mirror(context, key);
        }
    }

    /// Another part wants these encodings of a track of this one, as bits, and no others.
    pub(crate) fn on_want(&mut self, context: &mut Context<'_>, from: u16, track: TrackId, wanted: u8) {
        let to = ShardSet::of(from).and(self.links.peers);
        let key = self.publication_of(track).filter(|key| self.publications[*key].member().is_some());
        let Some((key, publication)) = key.and_then(|key| Some((key, self.publications.get_mut(key)?))) else { return };
        let mut new = 0_u8;
        for (encoding, wanted_by) in publication.wanted_by.iter_mut().enumerate() {
            let (had, wants) = (wanted_by.contains(from), wanted >> encoding & 1 == 1);
            *wanted_by = if wants { wanted_by.with(to) } else { wanted_by.without(to) };
            new |= u8::from(wants && !had) << encoding;
        }
        for encoding in (0..publication.encodings.len()).filter(|encoding| new >> encoding & 1 == 1) {
            self.relay_clock(context, key, encoding, Some(to));
        }
    }

    /// Another part wants a key frame.
    pub(crate) fn on_keyframe_wish(&mut self, track: TrackId, encoding: u8) {
        let key = self.publication_of(track).filter(|key| self.publications[*key].member().is_some());
        let publication = key.and_then(|key| self.publications.get_mut(key));
        if let Some(encoding) = publication.and_then(|p| p.encodings.get_mut(usize::from(encoding))) {
            encoding.request_keyframe();
        }
    }

    /// An encoding of a mirror can be had, though nothing of it comes here.
    pub(crate) fn on_heard(&mut self, context: &Context<'_>, key: usize, heard: &HeardEncoding) {
        let encoding = self.publications.get_mut(key).and_then(|p| p.encodings.get_mut(usize::from(heard.encoding)));
        let Some(encoding) = encoding else { return };
        encoding.last_heard = Some(context.now);
        encoding.size = heard.size.or(encoding.size);
        if let Some(bitrate_bps) = heard.bitrate_bps {
            encoding.cost.set(bitrate_bps);
            encoding.temporal.set(heard.temporal);
        }
    }

    /// Takes what another part says of an encoding's timestamps.
    pub(crate) fn on_clock(&mut self, context: &Context<'_>, key: usize, clock: &RelayedClock) {
        let encoding = self.publications.get_mut(key).and_then(|p| p.encodings.get_mut(usize::from(clock.encoding)));
        let now = context.core.clock.at(context.now).0;
        if let Some(encoding) = encoding {
            encoding.on_relayed_clock(NtpTime(now.wrapping_sub_signed(clock.behind)), clock);
        }
    }

    /// Tells others, or the parts that want the encoding, how its timestamps go with time, as far as that is known.
    pub(super) fn relay_clock(&self, context: &mut Context<'_>, key: usize, encoding: usize, to: Option<ShardSet>) {
        let Some(publication) = self.publications.get(key) else { return };
        let to = to.or(publication.wanted_by.get(encoding).copied()).unwrap_or_default();
        let known = publication.encodings.get(encoding).filter(|_| !to.is_empty());
        let Some((known, mapping, format)) = known.and_then(|known| Some((known, known.mapping?, known.format()?)))
        else {
            return;
        };
        let clock = RelayedClock {
            track: publication.track,
            encoding: encoding as u8,
            generation: known.generation,
            format,
            behind: context.core.clock.at(context.now).0.wrapping_sub(mapping.ntp.0) as i64,
            timestamp: mapping.timestamp,
        };
        // Missed, it comes again with the next report.
        context.core.relay.push(to, Note::Clock(clock));
    }

    /// Tells the other parts what is wanted here of their tracks, and which key frames.
    pub(super) fn tend_mirrors(&mut self, context: &mut Context<'_>) {
        let is_choosing = self.voices.is_choosing();
        for (_, publication) in self.publications.iter_mut().filter(|(_, p)| p.origin().is_some()) {
            // Who may become heard must be listened to.
            let may_be_heard = is_choosing && publication.source == Source::Microphone;
            let always = u8::from(publication.voice.is_some() || may_be_heard);
            let track = publication.track;
            let Some(mirror) = publication.origin_mut() else { continue };
            let to = ShardSet::of(mirror.shard);
            if let Some(wanted) = mirror.news(context.now, always) {
                context.relay(to, Note::Want(self.id, track, wanted));
            }
            for (index, encoding) in (0..).zip(&mut publication.encodings) {
                if encoding.keyframes.poll(context.now, Duration::ZERO) {
                    // Missed, it is asked for again when no key frame comes.
                    context.core.relay.push(to, Note::Keyframe(self.id, track, index));
                }
            }
        }
    }

    /// Tells the other parts which simulcast encodings can be had that they do not get.
    pub(super) fn tell_heard(&self, context: &mut Context<'_>) {
        if self.links.peers.is_empty() {
            return;
        }
        let several = |publication: &&Publication| publication.member().is_some() && publication.encodings.len() > 1;
        for publication in self.publications.iter().map(|(_, publication)| publication).filter(several) {
            for (index, encoding) in publication.encodings.iter().enumerate() {
                let is_heard =
                    encoding.last_heard.is_some_and(|at| context.now.saturating_duration_since(at) <= LATELY)
                        || publication.watching.can_wake(context.now, index);
                let wanted_by = publication.wanted_by.get(index).copied().unwrap_or_default();
                let to = self.links.peers.without(wanted_by);
                if is_heard && !to.is_empty() {
                    let heard = HeardEncoding {
                        encoding: index as u8,
                        bitrate_bps: encoding.cost.measured_bps(),
                        temporal: encoding.temporal.get(),
                        size: encoding.size,
                    };
                    context.core.relay.push(to, Note::Heard(publication.track, heard));
                }
            }
        }
    }

    /// Takes a packet of a mirrored track, for its subscribers here.
    pub(crate) fn handle_relayed(
        &mut self,
        context: &mut Context<'_>,
        key: usize,
        relayed: &RelayedPacket,
        packet: &[u8],
    ) -> Result<(), DropReason> {
        let header = RtpHeader::parse(packet).ok_or(DropReason::MalformedRtp)?;
        let publication = self.publications.get_mut(key).ok_or(DropReason::NotPublished)?;
        let index = usize::from(relayed.encoding);
        let encoding = publication.encodings.get_mut(index).ok_or(DropReason::NotPublished)?;
        let received = encoding.receive_relayed(context.now, relayed, &header, packet)?;
        if encoding.silent_from.is_some_and(|from| received.sequence >= from) {
            return Err(DropReason::Silenced);
        }
        if let (Some(voice), Some(level)) = (publication.voice, relayed.level.filter(|_| !relayed.recovered)) {
            self.speakers.update(context.now, voice, level);
        }
        let numbering = publication.origin().map(|mirror| &mirror.shared.numbering);
        let descriptor_id = numbering.and_then(|numbering| numbering.id(Extension::DependencyDescriptor));
        let descriptor = descriptor_id.and_then(|id| header.extension(packet, id));
        let codec = relayed.format.format().codec;
        let encoding = publication.encodings.get_mut(index).ok_or(DropReason::NotPublished)?;
        let picture = encoding.note_picture(received.sequence, codec, (&header, packet), descriptor, relayed.begins);
        let (source, track) = (publication.source, publication.track);
        if source == Source::Microphone {
            let loudness = loudness_of(relayed.level, header.payload(packet).len());
            let hearing = self.voices.judge_relayed(context.now, key, loudness);
            self.follow(context, key, index, received.sequence, hearing)?;
        }
        let incoming = Incoming {
            header,
            sequence: received.sequence,
            encoding: index,
            generation: received.generation,
            format: relayed.format,
            begins: relayed.begins,
            picture,
            growth: SLACK,
            key: context.core.next_draft(),
        };
        let origin = Origin { room: self.index, publication: key, track };
        context.core.burst.push(origin, packet, incoming);
        Ok(())
    }
}

/// Since the parts were told the last time.
const LATELY: Duration = LONGEST_TURN.saturating_mul(HEARD_TURNS);
