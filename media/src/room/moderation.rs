//! What may be published and heard: rights, muting, silencing.

use super::Room;
use crate::command::Rights;
use crate::context::Context;
use crate::ids::TrackId;

impl Room {
    /// Notes that a participant muted a track of its own, or not any more. That ends its being silenced: what comes now is a new
    /// source to its subscribers, so that the pause leaves no gap in their numbers.
    pub(crate) fn set_muted(&mut self, context: &mut Context<'_>, index: usize, track: TrackId, muted: bool) {
        let Some(key) = self.publication_of(track) else { return };
        let Some(publication) = self.publications.get_mut(key).filter(|p| p.member() == Some(index)) else { return };
        publication.muted = muted;
        let begins_anew = !muted && publication.end_silence();
        self.set_voice_muted(key, muted);
        if begins_anew {
            self.begin_anew(context, key);
        }
        self.share(context, key);
    }

    /// What comes of a publication from now on is a new source to its subscribers.
    pub(super) fn begin_anew(&mut self, context: &mut Context<'_>, key: usize) {
        let Some(publication) = self.publications.get(key) else { return };
        for subscriber in publication.subscribers.clone() {
            if let Some(subscription) = self.subscription_mut(subscriber) {
                subscription.selector.reset();
            }
            self.choose_for(context, subscriber.participant);
        }
    }

    /// Stops forwarding one or all of a participant's tracks. Their subscribers keep their lines.
    pub(crate) fn silence(&mut self, context: &mut Context<'_>, index: usize, track: Option<TrackId>) {
        let Some(participant) = self.participants.get(index) else { return };
        for key in participant.publications.clone() {
            let Some(publication) = self.publications.get_mut(key) else { continue };
            if track.is_some_and(|track| track != publication.track) {
                continue;
            }
            publication.silence();
            self.set_voice_muted(key, true);
            self.share(context, key);
        }
    }

    /// Gives a participant other rights, and ends what it publishes without them.
    pub(crate) fn set_rights(&mut self, context: &mut Context<'_>, index: usize, rights: Rights) {
        let Some(participant) = self.participants.get_mut(index) else { return };
        participant.settings.rights = rights;
        let publications = participant.publications.iter().copied();
        let may_stay = |key: &usize| self.publications.get(*key).is_some_and(|p| rights.allow(p.kind, p.source));
        let ended: Vec<usize> = publications.filter(|key| !may_stay(key)).collect();
        for key in &ended {
            self.unpublish(context, *key, true);
        }
        if !ended.is_empty() {
            self.negotiate_all(context);
        }
    }
}
