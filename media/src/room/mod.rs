//! A room: its participants, what they publish, and who receives it.
//!
//! A room is touched by one thread. One that is larger than a core has parts on several shards, each a room of its own
//! with its participants, in which the tracks of the others are mirrored ([`relaying`]). Always holds: every subscriber of a publication is an
//! outgoing stream whose subscription names that publication, and the other way round; a participant's pending
//! subscriptions name publications that exist; nobody subscribes to a track of their own.

mod ahead;
mod allocating;
mod census;
mod channels;
mod hearing;
mod judging;
mod marks;
mod media;
mod moderation;
mod negotiation;
mod passing;
mod reading;
mod relaying;
mod repairing;
mod replaying;
mod reports;
mod subscriptions;
mod upkeep;

use crate::command::ParticipantSettings;
use crate::context::Context;
use crate::feedback::sending::{PublisherClock, RoundTripTime};
use crate::feedback::twcc::TwccRecorder;
use crate::flow::Flow;
use crate::ids::{ParticipantId, RoomId, TrackId};
use crate::loudest::LoudestLimits;
use crate::negotiation::{LocalParameters, Negotiator};
use crate::numbering::Numbering;
use crate::participant::{ChatChannel, Participant};
use crate::publication::{Publication, Publisher};
use crate::quality::Standing;
use crate::speakers::Speakers;
use crate::stats::{Census, Milestones};
use crate::transport::{IceCredentials, Transport};
use crate::wire_id::wire_id;
pub(crate) use ahead::ask_for_feedback;
pub(crate) use allocating::Choosing;
use hearing::Voices;
use rand::RngExt;
use relaying::Links;
use slab::Slab;
use std::time::Instant;
use upkeep::Schedule;
pub(crate) use upkeep::UPKEEP_SLACK;

/// See the module's text.
pub(crate) struct Room {
    pub(crate) id: RoomId,
    /// Its number in the shard.
    pub(crate) index: u32,
    pub(crate) participants: Slab<Participant>,
    pub(crate) publications: Slab<Publication>,
    speakers: Speakers,
    voices: Voices,
    /// `None` while nothing is published.
    schedule: Option<Schedule>,
    /// Turns of the upkeep's clock so far.
    turn: u32,
    /// The next turn looks at layers.
    hurried: bool,
    /// Something is about to change on somebody's path, so that each turn looks at everybody.
    pub(crate) restless: bool,
    /// When its participants are judged next.
    judged_next: Option<Instant>,
    /// What the shard's census has of it.
    pub(crate) census: Census,
    /// Its parts on other shards.
    links: Links,
}

impl Room {
    /// An empty room.
    pub(crate) fn new(id: RoomId, index: u32, loudest: LoudestLimits) -> Self {
        Self {
            id,
            index,
            participants: Slab::new(),
            publications: Slab::new(),
            speakers: Speakers::default(),
            voices: Voices::new(loudest),
            schedule: None,
            turn: 0,
            hurried: false,
            restless: true,
            judged_next: None,
            census: Census::default(),
            links: Links::default(),
        }
    }

    /// Adds a participant, whose transport waits for its first offer. Returns its index here.
    pub(crate) fn join(
        &mut self,
        context: &mut Context<'_>,
        id: ParticipantId,
        slot: u32,
        settings: ParticipantSettings,
    ) -> usize {
        let core = &mut *context.core;
        let ice = IceCredentials::generate(&mut core.rng);
        let negotiator = Negotiator::new(LocalParameters {
            fingerprint: core.fingerprint,
            candidates: settings.candidates.clone(),
            follows_bindings: settings.follows_bindings,
            cname: wire_id('s', core.rng.random()),
            session_id: core.rng.random::<u64>() >> 1,
            seed: core.rng.random(),
        });
        core.ufrags.insert(ice.ufrag.clone(), slot);
        let transport = Transport::new(core.identity.clone(), ice.clone(), slot);
        let report_ssrc = core.rng.random();
        core.stats.participants += 1;
        self.participants.insert(Participant {
            id,
            slot,
            settings,
            transport,
            negotiator,
            ice,
            negotiated: false,
            offer_due: false,
            protocol: None,
            milestones: Milestones::default(),
            connected_at: None,
            streams: Default::default(),
            publications: Vec::new(),
            outgoing: Vec::new(),
            pending: Vec::new(),
            wishes: Vec::new(),
            listens: Default::default(),
            twcc: TwccRecorder::default(),
            report_ssrc,
            rtt: RoundTripTime::default(),
            flow: Flow::default(),
            clock: PublisherClock::default(),
            next_report: None,
            standing: Standing::default(),
            chat: ChatChannel::default(),
            paths: Vec::new(),
        })
    }

    /// Removes a participant with all it published and received. The shard clears its registers by what is returned.
    pub(crate) fn leave(&mut self, context: &mut Context<'_>, index: usize) -> Option<Participant> {
        let publications = self.participants.get(index)?.publications.clone();
        for key in publications {
            self.unpublish(context, key, false);
        }
        for publication in self.publications.iter_mut().map(|(_, publication)| publication) {
            publication.subscribers.retain(|subscriber| subscriber.participant != index);
        }
        let mut participant = self.participants.remove(index);
        let stats = &mut context.core.stats;
        stats.subscriptions -= participant.subscription_count() as u64;
        stats.participants -= 1;
        stats.move_transport(participant.protocol, None);
        participant.transport.close(context.now, &mut context.core.outbox);
        self.negotiate_all(context);
        Some(participant)
    }

    /// The publication of a track.
    fn publication_of(&self, track: TrackId) -> Option<usize> {
        self.publications.iter().find_map(|(key, publication)| (publication.track == track).then_some(key))
    }

    /// Who publishes a track.
    fn publisher_of(&self, publication: &Publication) -> Option<ParticipantId> {
        match &publication.publisher {
            Publisher::Member(index) => Some(self.participants.get(*index)?.id),
            Publisher::Elsewhere(mirror) => Some(mirror.shared.publisher),
        }
    }

    /// The numbers in which its packets are written.
    fn numbering_of<'a>(&'a self, publication: &'a Publication) -> Option<&'a Numbering> {
        match &publication.publisher {
            Publisher::Member(index) => Some(self.participants.get(*index)?.negotiator.numbering()),
            Publisher::Elsewhere(mirror) => Some(&mirror.shared.numbering),
        }
    }

    /// Notes every offer that has become due: in a large room there may be hundreds.
    pub(crate) fn negotiate_all(&mut self, context: &mut Context<'_>) {
        for (_, participant) in &mut self.participants {
            participant.defer_offer(context);
        }
    }
}
