//! Whole runs against a real server in this process: every packet is accounted for.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed expectation is a failed test")]

use parlor::server::Server;
use parlor_config::{KNOBS, Sources, load};
use parlor_loadtest::plan::{Audio, Media, Plan, Scenario, Video};
use parlor_loadtest::target::RoomSize;
use parlor_loadtest::{Observer, Phase, Snapshot, Tally, run, target};
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// A server that nothing limits but what `settings` say. Its URL, and what ends it when dropped.
async fn serve(settings: &[(&str, &str)]) -> (String, mpsc::Sender<parlor::signals::Request>) {
    let usual = [
        ("http.listen", "127.0.0.1:0"),
        ("media.udp_port", "0"),
        ("media.shards", "1"),
        ("media.announce", "127.0.0.1"),
        ("store.url", "memory:"),
        ("files.url", "memory:"),
    ];
    let knob = |key: &str| KNOBS.iter().find(|knob| knob.key == key).unwrap();
    let usual = usual.iter().filter(|(key, _)| !settings.iter().any(|(other, _)| other == key));
    let flags = usual.chain(settings).map(|(key, text)| (knob(key), (*text).to_owned())).collect();
    let server = Server::start(&load(&Sources { flags, ..Sources::default() }).unwrap()).await.unwrap();
    let url = format!("http://{}", server.address());
    let (stop, requests) = mpsc::channel(1);
    tokio::spawn(server.run(requests));
    (url, stop)
}

fn video(layers: usize) -> Video {
    Video { bitrate_bps: 400_000, fps: 20, payload_bytes: 900, layers }
}

fn plan(server: String, scenarios: Vec<Scenario>) -> Plan {
    Plan { server, scenarios, duration_seconds: 2.5, joins_per_second: 20.0, witnesses: 3, ..Plan::default() }
}

/// Remembers the phases that it was shown.
#[derive(Default)]
struct Phases(Mutex<Vec<Phase>>);

impl Observer for Phases {
    fn observe(&self, snapshot: &Snapshot) {
        let mut phases = self.0.lock().unwrap();
        if phases.last() != Some(&snapshot.phase) {
            phases.push(snapshot.phase);
        }
    }
}

async fn measure(plan: &Plan) -> Tally {
    run(plan, target::connect(plan).unwrap(), Arc::new(()), CancellationToken::new()).await.unwrap()
}

/// What holds of every run on a loopback that loses nothing.
fn assert_whole(tally: &Tally) {
    let total = &tally.total;
    assert_eq!(total.joins.failed.total(), 0, "{:?}", total.joins.failed);
    assert_eq!(total.joins.attempted, total.joins.succeeded);
    assert_eq!(total.lost_connections.total(), 0, "{:?}", total.lost_connections);
    for received in [&total.video, &total.audio] {
        assert_eq!((received.lost, received.duplicated), (0, 0), "{received:?}");
    }
    let witnesses = &total.witnesses;
    assert_eq!((witnesses.wrong_content, witnesses.undecryptable), (0, 0), "{witnesses:?}");
    assert_eq!((witnesses.out_of_order, witnesses.missing), (0, 0), "{witnesses:?}");
    assert_eq!(tally.saturation.receive_drops, 0);
    assert_eq!(total.joins.time.count(), total.joins.succeeded);
    let windows: u64 = tally.windows.list.iter().map(|window| window.packets).sum();
    assert_eq!(windows, total.media_packets(), "every packet is in a window");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_meeting_loses_nothing_and_everybody_hears_and_sees_everybody() {
    let (url, _stop) = serve(&[]).await;
    let media = Media { video: Some(video(1)), audio: Some(Audio::default()) };
    let mut plan = plan(url, vec![Scenario::Meeting { participants: 4, media }]);
    plan.witnesses = 4;
    let tally = measure(&plan).await;
    assert_whole(&tally);
    let total = &tally.total;
    assert_eq!((total.joins.succeeded, total.leaves.succeeded, total.most_connected), (4, 4, 4));
    assert_eq!(total.joins.first_packet.count(), 4, "all receive");
    // They also see what the server's probes repeat.
    let (witnessed, media) = (total.witnesses.packets, total.media_packets());
    assert!(witnessed >= media && witnessed < media * 11 / 10, "all are witnesses: {witnessed} of {media}");
    // Each of the four gets what the three others send, up to what was sent before it came or after it left.
    for (sent, received) in [(total.sent_video, total.video), (total.sent_audio, total.audio)] {
        assert!(sent.packets > 100 && received.packets <= 3 * sent.packets, "{sent:?} {received:?}");
        assert!(2 * received.packets > 3 * sent.packets, "{sent:?} {received:?}");
        assert_eq!((sent.not_taken, sent.not_at_hand), (0, 0));
    }
    assert!(total.sent_video.keyframe_requests > 0, "those who come later ask for key frames");
    assert!(!tally.interrupted && tally.steady_from < tally.steady_until);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_room_that_is_there_already_is_filled_and_stays() {
    let (url, _stop) = serve(&[]).await;
    let media = Media { video: None, audio: Some(Audio::default()) };
    let mut plan = plan(url, vec![Scenario::Meeting { participants: 2, media }]);
    let target = target::connect(&plan).unwrap();
    let room = target.open_room(RoomSize { participants: 4, publishers: 2 }).await.unwrap();
    plan.room = Some(room.clone());
    for _ in 0..2 {
        let tally = measure(&plan).await;
        assert_whole(&tally);
        assert_eq!(tally.total.joins.succeeded, 2);
    }
    target.close_room(&room).await.unwrap();
    plan.join_timeout_seconds = 1.0;
    assert_eq!(measure(&plan).await.total.joins.succeeded, 0, "nobody gets into a room that is over");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scenarios_mix_with_simulcast_light_receivers_and_visitors() {
    let (url, _stop) = serve(&[]).await;
    let media = Media { video: Some(video(3)), audio: None };
    let scenarios = vec![
        Scenario::Livestream { publishers: 1, viewers: 6, media },
        Scenario::Audio { speakers: 2, listeners: 4, audio: Audio::default() },
        Scenario::Churn {
            rooms: 2,
            publishers: 1,
            joins_per_second: 8.0,
            stay_seconds: 0.8,
            media: Media { video: None, audio: Some(Audio { bitrate_bps: 24_000, packet_ms: 40 }) },
        },
        Scenario::Rooms { rooms: 2, participants: 2, media: Media { video: Some(video(1)), audio: None } },
    ];
    let mut plan = plan(url, scenarios);
    plan.threads = 2;
    let phases = Arc::new(Phases::default());
    let target = target::connect(&plan).unwrap();
    let tally = run(&plan, target, phases.clone(), CancellationToken::new()).await.unwrap();
    assert_whole(&tally);
    let [livestream, audio, churn, rooms] = tally.scenarios.as_slice() else { panic!("{}", tally.scenarios.len()) };
    assert!(livestream.video.packets > 0 && livestream.audio.packets == 0);
    assert_eq!((audio.sent_video.packets, audio.video.packets), (0, 0));
    assert!(audio.audio.packets > 2 * audio.sent_audio.packets);
    assert!(churn.joins.succeeded > 10 && churn.leaves.succeeded == churn.joins.succeeded, "{churn:?}");
    assert_eq!((rooms.joins.succeeded, rooms.most_connected), (4, 4));
    assert!(tally.total.witnesses.packets > 0 && tally.total.witnesses.packets < tally.total.media_packets());
    assert_eq!(tally.saturation.busy.len(), 2);
    let expected = [Phase::Joining, Phase::Steady, Phase::Leaving, Phase::Over];
    assert_eq!(*phases.0.lock().unwrap(), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_join_that_fails_is_counted_with_its_reason() {
    let (url, _stop) = serve(&[("limits.max_participants", "2")]).await;
    let media = Media { video: None, audio: Some(Audio::default()) };
    let mut plan = plan(url, vec![Scenario::Meeting { participants: 5, media }]);
    plan.duration_seconds = 0.3;
    let tally = measure(&plan).await;
    let joins = &tally.total.joins;
    assert_eq!((joins.attempted, joins.succeeded), (5, 2));
    assert_eq!(joins.failed.iter().collect::<Vec<_>>(), [("refused: server-full", 3)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_is_stopped_tells_what_it_has() {
    let (url, _stop) = serve(&[]).await;
    let mut plan = plan(url, vec![Scenario::Meeting { participants: 2, media: Media::default() }]);
    plan.duration_seconds = 600.0;
    struct StopWhenSteady(CancellationToken);
    impl Observer for StopWhenSteady {
        fn observe(&self, snapshot: &Snapshot) {
            if snapshot.phase == Phase::Steady && snapshot.received_packets > 50 {
                self.0.cancel();
            }
        }
    }
    let stop = CancellationToken::new();
    let observer = Arc::new(StopWhenSteady(stop.clone()));
    let tally = run(&plan, target::connect(&plan).unwrap(), observer, stop).await.unwrap();
    assert!(tally.interrupted && tally.total.media_packets() > 50);
    assert_eq!(tally.total.leaves.succeeded, 2);
}
