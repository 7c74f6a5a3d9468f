//! A simulated browser's session descriptions, written by hand: what it offers, and how it answers.

use super::publisher::{AUDIO, AV1, DESCRIPTOR_ID, Media, RED, Track, VP8_RTX, VP9};
use crate::formats::Extension;
use crate::sdp::RemoteDescription;
use crate::transport::{IceCredentials, RemoteTransport};
use std::collections::BTreeMap;
use std::fmt::Write;

/// A line of the pool as the server offered it last.
#[derive(Clone, Debug)]
pub(crate) struct ServerLine {
    pub(crate) mid: String,
    pub(crate) video: bool,
    /// `m=` without its name, port and protocol.
    formats: String,
    /// `rtpmap`, `fmtp`, `rtcp-fb` and `extmap` lines.
    attributes: Vec<String>,
    pub(crate) sends: bool,
    /// Stream and track.
    pub(crate) msid: Option<(String, String)>,
    pub(crate) ssrcs: Vec<u32>,
}

impl ServerLine {
    /// The id under which its packets carry their transport-wide number.
    pub(crate) fn transport_cc_id(&self) -> Option<u8> {
        self.extension_id(Extension::TransportCc)
    }

    /// The same of a header extension.
    pub(crate) fn extension_id(&self, extension: Extension) -> Option<u8> {
        let attribute = self.attributes.iter().find(|line| line.ends_with(extension.uri()))?;
        let id = attribute.strip_prefix("a=extmap:")?.split([' ', '/']).next()?;
        id.parse().ok()
    }
}

/// One side of the session as the client sees it.
#[derive(Default)]
pub(crate) struct Session {
    /// The mids of all m-lines that both sides know, in their order.
    order: Vec<String>,
    pub(crate) lines: BTreeMap<String, ServerLine>,
    /// Mid of the data channels' m-line, which the client offers.
    pub(crate) data: Option<String>,
    /// Own mids that do not send at present.
    pub(crate) inactive: Vec<String>,
    /// Lines of the server's that the client refuses.
    pub(crate) refused: Vec<String>,
    /// The client has no RTX for what it receives.
    pub(crate) without_rtx: bool,
    /// Nor RED.
    pub(crate) without_red: bool,
    /// The client reports when each packet of video arrives (transport-cc).
    pub(crate) transport_cc: bool,
    version: u32,
}

impl Session {
    /// A session with data channels.
    pub(crate) fn with_data() -> Self {
        Self { data: Some("99".to_owned()), ..Self::default() }
    }

    /// The client's offer: all that is agreed on, and what is new.
    pub(crate) fn offer(&mut self, tracks: &[Track], transport: &RemoteTransport) -> String {
        let mut order = self.order.clone();
        let own = tracks.iter().map(|track| &track.mid).chain(&self.data);
        order.extend(own.filter(|mid| !self.order.contains(mid)).cloned());
        self.write(&order, tracks, transport, "actpass")
    }

    /// The server has answered such an offer.
    pub(crate) fn on_answer(&mut self, answer: &str) {
        self.order = sections(answer).map(|section| mid(section).to_owned()).collect();
    }

    /// Answers the server's offer.
    pub(crate) fn answer(&mut self, offer: &str, tracks: &[Track], transport: &RemoteTransport) -> String {
        for section in sections(offer) {
            let own = Some(mid(section)) == self.data.as_deref() || tracks.iter().any(|t| t.mid == mid(section));
            if !own {
                let line = server_line(section);
                if let Some(known) = self.lines.get(&line.mid).filter(|known| !known.ssrcs.is_empty()) {
                    assert!(line.ssrcs.is_empty() || line.ssrcs == known.ssrcs, "a line keeps its SSRCs");
                }
                self.lines.insert(line.mid.clone(), line);
            }
        }
        self.on_answer(offer);
        let setup = if transport.dtls_client { "passive" } else { "active" };
        self.write(&self.order.clone(), tracks, transport, setup)
    }

    fn write(&mut self, order: &[String], tracks: &[Track], transport: &RemoteTransport, setup: &str) -> String {
        self.version += 1;
        let mut sdp = format!(
            "v=0\r\no=- 42 {} IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {}\r\n",
            self.version,
            order.join(" ")
        );
        for mid in order {
            let track = tracks.iter().find(|track| track.mid == *mid);
            let (head, body) = match (track, self.lines.get(mid)) {
                (Some(track), _) => own_section(track, !self.inactive.contains(mid)),
                (None, Some(line)) => self.received_section(line),
                (None, None) => (
                    "application 9 UDP/DTLS/SCTP webrtc-datachannel".to_owned(),
                    "a=sctp-port:5000\r\na=max-message-size:262144\r\n".to_owned(),
                ),
            };
            let RemoteTransport { ufrag, pwd, fingerprints, .. } = transport;
            write!(
                sdp,
                "m={head}\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:{ufrag}\r\na=ice-pwd:{pwd}\r\n\
                 a=fingerprint:sha-256 {}\r\na=setup:{setup}\r\na=mid:{mid}\r\n{body}",
                fingerprints[0]
            )
            .expect("a string takes everything");
        }
        sdp
    }

    fn received_section(&self, line: &ServerLine) -> (String, String) {
        let kind = if line.video { "video" } else { "audio" };
        let refused = self.refused.contains(&line.mid);
        let direction = if line.sends && !refused { "recvonly" } else { "inactive" };
        let transport_cc = self.transport_cc && line.video;
        let unknown: Vec<u8> = [(VP8_RTX, self.without_rtx), (RED, self.without_red)]
            .into_iter()
            .filter_map(|(payload_type, is_unknown)| is_unknown.then_some(payload_type))
            .collect();
        let known = line.attributes.iter().filter(|line| !unknown.iter().any(|pt| is_of(line, *pt)));
        let known = known.filter(|line| transport_cc || !is_of_transport_cc(line));
        let attributes: String = known.map(|line| format!("{line}\r\n")).collect();
        let formats = line.formats.split(' ').filter(|pt| !unknown.iter().any(|unknown| *pt == unknown.to_string()));
        (
            format!("{kind} 9 UDP/TLS/RTP/SAVPF {}", formats.collect::<Vec<_>>().join(" ")),
            format!("a=rtcp-mux\r\na=rtcp-rsize\r\na={direction}\r\n{attributes}"),
        )
    }
}

fn own_section(track: &Track, active: bool) -> (String, String) {
    let direction = if active { "sendonly" } else { "inactive" };
    let common = format!(
        "a=rtcp-mux\r\na=rtcp-rsize\r\na={direction}\r\na=msid:stream track{}\r\n\
         a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
         a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n",
        track.mid
    );
    match &track.media {
        Media::Audio { .. } => (
            format!("audio 9 UDP/TLS/RTP/SAVPF {AUDIO} {RED}"),
            format!(
                "{common}a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n\
                 a=rtpmap:{AUDIO} opus/48000/2\r\na=rtcp-fb:{AUDIO} transport-cc\r\n\
                 a=fmtp:{AUDIO} minptime=10;useinbandfec=1\r\n\
                 a=rtpmap:{RED} red/48000/2\r\na=fmtp:{RED} {AUDIO}/{AUDIO}\r\n"
            ),
        ),
        Media::Video { .. } | Media::Encoded(_) => {
            let rids = track.media.rids();
            let (picture, rtx) = track.media.picture_types();
            let (name, parameters) = match picture {
                VP9 => ("VP9", format!("a=fmtp:{picture} profile-id=0\r\n")),
                AV1 => {
                    let uri = Extension::DependencyDescriptor.uri();
                    ("AV1", format!("a=fmtp:{picture} profile=0\r\na=extmap:{DESCRIPTOR_ID} {uri}\r\n"))
                }
                _ => ("VP8", String::new()),
            };
            let mut simulcast: String = rids.iter().map(|rid| format!("a=rid:{rid} send\r\n")).collect();
            if !rids.is_empty() {
                simulcast += &format!("a=simulcast:send {}\r\n", rids.join(";"));
            }
            (
                format!("video 9 UDP/TLS/RTP/SAVPF {picture} {rtx}"),
                format!(
                    "{common}a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\n\
                     a=extmap:11 urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id\r\n\
                     a=rtpmap:{picture} {name}/90000\r\n{parameters}a=rtcp-fb:{picture} transport-cc\r\na=rtcp-fb:{picture} ccm fir\r\n\
                     a=rtcp-fb:{picture} nack\r\na=rtcp-fb:{picture} nack pli\r\n\
                     a=rtpmap:{rtx} rtx/90000\r\na=fmtp:{rtx} apt={picture}\r\n{simulcast}"
                ),
            )
        }
    }
}

fn is_of_transport_cc(attribute: &str) -> bool {
    attribute.ends_with(Extension::TransportCc.uri())
        || attribute.starts_with("a=rtcp-fb:") && attribute.ends_with(" transport-cc")
}

/// Whether an attribute speaks of that payload type.
fn is_of(attribute: &str, payload_type: u8) -> bool {
    let value = attribute.split_once(':').and_then(|(_, value)| value.split(' ').next());
    !attribute.starts_with("a=extmap") && value.and_then(|value| value.parse().ok()) == Some(payload_type)
}

/// The m-lines' sections, each from behind its `m=`.
fn sections(sdp: &str) -> impl Iterator<Item = &str> {
    sdp.split("\r\nm=").skip(1)
}

fn attribute<'a>(section: &'a str, name: &str) -> Option<&'a str> {
    section.lines().find_map(|line| line.strip_prefix("a=")?.strip_prefix(name)?.strip_prefix(':'))
}

fn mid(section: &str) -> &str {
    attribute(section, "mid").expect("the server names its m-lines")
}

fn server_line(section: &str) -> ServerLine {
    let head: Vec<&str> = section.lines().next().expect("an m-line").split(' ').collect();
    let kept = ["a=rtpmap:", "a=fmtp:", "a=rtcp-fb:", "a=extmap:"];
    let attributes = section.lines().filter(|line| kept.iter().any(|prefix| line.starts_with(prefix)));
    let ssrcs = section.lines().filter_map(|line| line.strip_prefix("a=ssrc:")?.split(' ').next()?.parse().ok());
    let mut unique: Vec<u32> = ssrcs.collect();
    unique.dedup();
    let words = |text: &str| text.split_once(' ').map(|(a, b)| (a.to_owned(), b.to_owned()));
    ServerLine {
        mid: mid(section).to_owned(),
        video: head[0] == "video",
        formats: head[3..].join(" "),
        attributes: attributes.map(str::to_owned).collect(),
        sends: section.lines().any(|line| line == "a=sendonly"),
        msid: attribute(section, "msid").and_then(words),
        ssrcs: unique,
    }
}

/// The ICE credentials that a description of the server's states.
pub(crate) fn credentials(sdp: &str) -> IceCredentials {
    let value = |name| attribute(sdp, name).expect("the server states its credentials").to_owned();
    IceCredentials { ufrag: value("ice-ufrag"), pwd: value("ice-pwd") }
}

/// What the control plane hands to the shard.
pub(crate) fn parse(sdp: &str) -> Box<RemoteDescription> {
    Box::new(RemoteDescription::parse(sdp).unwrap_or_else(|error| panic!("{error}:\n{sdp}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &str = "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96 97\r\na=mid:s0\r\na=sendonly\r\n\
        a=extmap:5/sendonly http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
        a=extmap:6 http://www.webrtc.org/experiments/rtp-hdrext/playout-delay\r\n\
        a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 transport-cc\r\n\
        a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\na=ssrc:1 cname:a\r\na=ssrc:2 cname:a\r\n";

    #[test]
    fn reports_of_arrivals_are_agreed_on_by_those_that_send_them() {
        let transport = RemoteTransport {
            ufrag: "u".to_owned(),
            pwd: "p".to_owned(),
            fingerprints: vec!["AA".to_owned()],
            dtls_client: true,
            data: true,
            max_message_size: 1,
        };
        for transport_cc in [false, true] {
            let mut session = Session { transport_cc, ..Session::default() };
            let answer = session.answer(OFFER, &[], &transport);
            let agreed = ["a=extmap:5", "a=rtcp-fb:96 transport-cc"].map(|line| answer.contains(line));
            assert_eq!(agreed, [transport_cc; 2], "{answer}");
            assert!(answer.contains("a=extmap:6 ") && answer.contains("a=rtcp-fb:96 nack"), "{answer}");
            assert_eq!(session.lines["s0"].transport_cc_id(), Some(5));
        }
    }
}
