//! How good the call is for each participant, once every two seconds, from what reports and counters say of both directions.
//!
//! A direction's sound is judged by the mean loss and jitter of its streams, its pictures by the mean of their scores: of hundreds of
//! streams one always has a bad second. Mirrors are judged as what they are sent as; what a participant publishes is judged
//! where it is, so that each participant is judged on one shard.

use super::Room;
use crate::allocation::Layer;
use crate::command::{Event, MediaKind};
use crate::context::Context;
use crate::formats::{Codec, FormatId};
use crate::participant::Participant;
use crate::publication::Publication;
use crate::quality::audio::{Sound, after_redundancy};
use crate::quality::video::Picture;
use crate::quality::{JUDGED_EVERY, Mean, worse};
use crate::room_stats::ReceptionQuality;
use crate::subscription::Subscription;
use std::time::{Duration, Instant};

/// Participants whose change is told at once. The others have their turn with the next judgement.
const MAX_TOLD: usize = 64;

/// Frames a second below which a frame rate says nothing: a screen that does not change.
const FEW_FRAMES: u64 = 5;

/// What a publisher of RED sends of each frame beside itself. It may be more; one is what browsers begin with.
const PUBLISHED_COPIES: u8 = 1;

/// Jitter beyond which no jitter buffer goes.
const MAX_JITTER: Duration = Duration::from_millis(500);

impl Room {
    /// Judges everybody, if it is time, and tells whose level has changed.
    pub(super) fn judge(&mut self, context: &mut Context<'_>) {
        let now = context.now;
        let is_over = self.publications.is_empty();
        if !is_over && self.judged_next.is_some_and(|at| at > now) {
            return;
        }
        self.judged_next = Some(now + JUDGED_EVERY);
        for index in 0..self.participants.capacity() {
            let Some(participant) = self.participants.get(index).filter(|participant| participant.is_connected())
            else {
                continue;
            };
            let (up, down) = (self.judge_up(now, participant), self.judge_down(now, participant));
            let heard_at = self.heard_at(participant).unwrap_or(now);
            let Some(participant) = self.participants.get_mut(index) else { continue };
            if is_over {
                // The clock stops here: nobody would take it back.
                participant.standing.forget();
            } else {
                participant.standing.judge(now, heard_at, up, down);
            }
        }
        self.tell_quality(context);
    }

    fn tell_quality(&mut self, context: &mut Context<'_>) {
        let connected = self.participants.iter_mut().filter(|(_, participant)| participant.is_connected());
        // Nothing is allocated where nothing has changed.
        let news = connected.filter_map(|(_, participant)| Some((participant.id, participant.standing.news()?)));
        let participants: Vec<_> = news.take(MAX_TOLD).collect();
        if !participants.is_empty() {
            context.emit(Event::Quality { room: self.id, participants });
        }
    }

    /// When anything last came from a participant.
    fn heard_at(&self, participant: &Participant) -> Option<Instant> {
        let own = participant.publications.iter().filter_map(|key| self.publications.get(*key));
        let media = own.flat_map(|publication| &publication.encodings).filter_map(|encoding| encoding.last_heard).max();
        media.max(participant.transport.heard_at())
    }

    /// The score of what comes from a participant; `None` where nothing does.
    fn judge_up(&self, now: Instant, participant: &Participant) -> Option<f32> {
        let round_trip = participant.rtt.get();
        let (mut sounds, mut pictures) = (Sounds::default(), Mean::default());
        for publication in participant.publications.iter().filter_map(|key| self.publications.get(*key)) {
            match publication.kind {
                MediaKind::Audio => publication.encodings.iter().for_each(|encoding| {
                    let reception = encoding.reception.as_ref().filter(|reception| !reception.is_idle());
                    let quality =
                        reception.filter(|_| encoding.is_alive(now)).and_then(|reception| reception.quality());
                    let is_red = encoding.codec() == Some(Codec::Red);
                    sounds.add(quality, if is_red { PUBLISHED_COPIES } else { 0 });
                }),
                MediaKind::Video => {
                    if let Some(picture) = arriving(now, publication, round_trip) {
                        pictures.add(picture.score());
                    }
                }
            }
        }
        worse(sounds.score(round_trip), pictures.get())
    }

    /// The score of what goes to a participant; `None` where nothing does, or nothing is known of it.
    fn judge_down(&self, now: Instant, participant: &Participant) -> Option<f32> {
        let round_trip = participant.rtt.get();
        let has_reports = participant.standing.has_reports(now);
        let (mut sounds, mut pictures) = (Sounds::default(), Mean::default());
        for subscription in participant.outgoing.iter().flatten().filter_map(|o| o.subscription.as_ref()) {
            let Some(publication) = self.publications.get(subscription.publication) else { continue };
            match publication.kind {
                MediaKind::Audio if has_reports => {
                    let current = subscription.selector.current().and_then(|index| publication.encodings.get(index));
                    let Some(encoding) = current.filter(|encoding| encoding.is_alive(now)) else { continue };
                    let came = encoding.reception.as_ref().and_then(|reception| reception.quality());
                    let format = encoding.format().and_then(|format| subscription.forwarded_as(format));
                    let reported = subscription.delivery.reception.filter(|_| format.is_some());
                    let copies = match format {
                        Some(FormatId::RED) => PUBLISHED_COPIES,
                        _ => subscription.copies(encoding, participant.flow.redundancy.copies()),
                    };
                    sounds.add(reported.map(|reported| without(came, reported)), copies);
                }
                MediaKind::Video if subscription.is_paused => pictures.add(Picture::PAUSED_SCORE),
                MediaKind::Video if has_reports => {
                    if let Some(picture) = self.leaving(now, publication, subscription, round_trip) {
                        pictures.add(picture.score());
                    }
                }
                _ => {}
            }
        }
        worse(sounds.score(round_trip), pictures.get())
    }

    /// A picture on its way to a participant who wants it.
    fn leaving(
        &self,
        now: Instant,
        publication: &Publication,
        subscription: &Subscription,
        round_trip: Duration,
    ) -> Option<Picture> {
        if publication.is_silenced() || !subscription.view.visible {
            return None;
        }
        let current = subscription.selector.current()?;
        let encoding = publication.encodings.get(current).filter(|encoding| encoding.is_alive(now))?;
        let wish = self.wish(now, publication, subscription, false);
        let best = wish.useful().map(|(index, _)| index).last()?;
        let shown = Layer { encoding: current, spatial: subscription.spatial_limit(), temporal: None };
        let (published, sent) = (encoding.traffic.stats(), subscription.delivery.traffic.stats());
        // Of a picture that has just begun no frame rate is known.
        let has_rate = published.frames_per_second >= FEW_FRAMES && subscription.delivery.traffic.is_measured();
        Some(Picture {
            height_share: height_share(wish.offer_of(shown), best, |index| wish.height(index)),
            frame_share: if has_rate {
                sent.frames_per_second as f32 / published.frames_per_second as f32
            } else {
                1.0
            },
            loss: subscription.delivery.reception?.loss_fraction,
            packets_per_second: packets_per_second(sent.bitrate_bps),
            round_trip,
        })
    }
}

/// A picture as it comes from its publisher: the best encoding that comes, of those that are wanted and have ever come. How often its
/// camera takes pictures is not known.
fn arriving(now: Instant, publication: &Publication, round_trip: Duration) -> Option<Picture> {
    let encodings = &publication.encodings;
    let best = encodings.iter().enumerate().rposition(|(index, encoding)| {
        let is_asleep = publication.watching.can_wake(now, index);
        encoding.last_heard.is_some() && (encoding.is_alive(now) || !is_asleep)
    })?;
    let current = encodings.iter().rposition(|encoding| encoding.is_alive(now))?;
    let encoding = encodings.get(current)?;
    let reception = encoding.reception.as_ref().filter(|reception| !reception.is_idle())?.quality()?;
    Some(Picture {
        height_share: height_share(current, best, |index| Some(u32::from(encodings.get(index)?.size?.1))),
        frame_share: 1.0,
        loss: reception.loss_fraction,
        packets_per_second: packets_per_second(encoding.traffic.stats().bitrate_bps),
        round_trip,
    })
}

/// How much of the best encoding's height another has. Where heights are not known, each encoding is half as high as the next, as
/// browsers' simulcast is by default.
fn height_share(current: usize, best: usize, height: impl Fn(usize) -> Option<u32>) -> f32 {
    if current >= best {
        return 1.0;
    }
    let known = height(current).zip(height(best)).filter(|(_, best)| *best > 0);
    known.map_or_else(|| 0.5f32.powi((best - current) as i32), |(current, best)| current as f32 / best as f32)
}

/// Of video whose packets are as large as usual.
fn packets_per_second(bitrate_bps: u64) -> f32 {
    bitrate_bps as f32 / (8.0 * 1_000.0)
}

/// A receiver's report without what was lost before the server: sound is not repaired on its way here, and its gaps are passed on.
fn without(came: Option<ReceptionQuality>, reported: ReceptionQuality) -> ReceptionQuality {
    let before = came.map_or(0.0, |came| came.loss_fraction).min(0.99);
    let loss_fraction = ((reported.loss_fraction - before) / (1.0 - before)).max(0.0);
    ReceptionQuality { loss_fraction, ..reported }
}

/// The streams of a direction's sound.
#[derive(Default)]
struct Sounds {
    loss: Mean,
    jitter_s: Mean,
}

impl Sounds {
    /// Adds one whose frames come again in so many packets behind their own, if anything is known of it.
    fn add(&mut self, quality: Option<ReceptionQuality>, copies: u8) {
        let Some(ReceptionQuality { loss_fraction, jitter }) = quality else { return };
        self.loss.add(after_redundancy(loss_fraction, copies));
        // A report may say anything: one that is absurd must not make a mean of it.
        self.jitter_s.add(jitter.min(MAX_JITTER).as_secs_f32());
    }

    fn score(&self, round_trip: Duration) -> Option<f32> {
        let (loss, jitter_s) = self.loss.get().zip(self.jitter_s.get())?;
        Some(Sound { loss, jitter: Duration::from_secs_f32(jitter_s), round_trip }.score())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_height_are_measured_or_halved_by_the_step() {
        let heights = [Some(180), None, Some(720)];
        let share = |current, best| height_share(current, best, |index: usize| heights[index]);
        assert_eq!((share(0, 2), share(1, 2), share(0, 1)), (0.25, 0.5, 0.5));
        assert_eq!((share(2, 2), share(2, 0)), (1.0, 1.0));
        assert_eq!(height_share(0, 1, |_| Some(0)), 0.5, "nothing is divided by zero");
    }

    #[test]
    fn what_was_lost_on_the_way_to_the_server_is_not_blamed_on_the_way_from_it() {
        let quality = |loss_fraction| ReceptionQuality { loss_fraction, jitter: Duration::ZERO };
        let own = |came: f32, reported| without(Some(quality(came)), quality(reported)).loss_fraction;
        assert!((own(0.2, 0.36) - 0.2).abs() < 1e-6, "a fifth of what was left");
        assert_eq!((own(0.2, 0.1), own(0.0, 0.25)), (0.0, 0.25));
        assert_eq!(without(None, quality(0.25)), quality(0.25));
    }

    #[test]
    fn sound_is_judged_by_the_mean_of_its_streams() {
        let quality = |loss_fraction| Some(ReceptionQuality { loss_fraction, jitter: Duration::from_millis(5) });
        let round_trip = Duration::from_millis(50);
        let score = |streams: &[(f32, u8)]| {
            let mut sounds = Sounds::default();
            streams.iter().for_each(|(loss, copies)| sounds.add(quality(*loss), *copies));
            sounds.score(round_trip)
        };
        assert_eq!(score(&[]), None);
        assert_eq!(score(&[(0.2, 0), (0.0, 0)]), score(&[(0.1, 0)]));
        assert!(score(&[(0.2, 2)]) > score(&[(0.2, 1)]) && score(&[(0.2, 1)]) > score(&[(0.2, 0)]));
        let mut sounds = Sounds::default();
        sounds.add(Some(ReceptionQuality { loss_fraction: 0.0, jitter: Duration::MAX }), 0);
        assert!(sounds.score(round_trip).is_some_and(|score| (1.0..3.1).contains(&score)), "absurd reports do no harm");
    }
}
