//! Writing the server's side of the session: answers and offers differ only in what they say of the DTLS role.

use super::candidate::CandidateLine;
use super::pool::{Line, Msid};
use super::section::Section;
use super::{IceLocal, LocalParameters, MAX_MESSAGE_BYTES, SCTP_PORT};
use crate::command::MediaKind;
use crate::sdp::write::{Writer, line};
use crate::sdp::{Direction, RemoteFormat, SectionKind};

/// All that a description is written from.
pub(super) struct Description<'a> {
    pub(super) local: &'a LocalParameters,
    pub(super) ice: &'a IceLocal,
    /// Counts descriptions (RFC 8866 section 5.2).
    pub(super) version: u64,
    /// `actpass` in offers, the server's role in answers.
    pub(super) setup: &'static str,
    pub(super) extmap_allow_mixed: bool,
    pub(super) sections: &'a [Section],
    pub(super) lines: &'a [Line],
}

impl Description<'_> {
    pub(super) fn write(&self) -> String {
        let mut out = Writer::new();
        line!(out, "v=0");
        line!(out, "o=- {} {} IN IP4 127.0.0.1", self.local.session_id, self.version);
        line!(out, "s=-");
        line!(out, "t=0 0");
        line!(out, "a=ice-lite");
        line!(out, "a=fingerprint:sha-256 {}", self.local.fingerprint);
        let live = self.sections.iter().filter(|s| !s.rejected);
        let mids = live.filter_map(|s| s.mid).map(|mid| format!(" {mid}")).collect::<String>();
        if !mids.is_empty() {
            line!(out, "a=group:BUNDLE{mids}");
        }
        if self.extmap_allow_mixed {
            line!(out, "a=extmap-allow-mixed");
        }
        line!(out, "a=msid-semantic:WMS *");
        let tagged = self.sections.iter().position(|s| !s.rejected);
        for (index, section) in self.sections.iter().enumerate() {
            if section.rejected {
                rejected(&mut out, section);
                continue;
            }
            match section.kind {
                SectionKind::Media(kind) => self.media(&mut out, section, kind, tagged == Some(index)),
                SectionKind::Data | SectionKind::Other => self.data(&mut out, section, tagged == Some(index)),
            }
        }
        out.finish()
    }

    fn data(&self, out: &mut Writer, section: &Section, tagged: bool) {
        line!(out, "m=application 9 {} webrtc-datachannel", section.words.protocol);
        self.transport(out, section, tagged);
        line!(out, "a=sctp-port:{SCTP_PORT}");
        line!(out, "a=max-message-size:{MAX_MESSAGE_BYTES}");
    }

    /// What all m-lines have: they repeat the transport's attributes, as some stacks look for them in each.
    fn transport(&self, out: &mut Writer, section: &Section, tagged: bool) {
        line!(out, "c=IN IP4 0.0.0.0");
        if let Some(mid) = section.mid {
            line!(out, "a=mid:{mid}");
        }
        line!(out, "a=ice-ufrag:{}", self.ice.ufrag);
        line!(out, "a=ice-pwd:{}", self.ice.pwd);
        line!(out, "a=setup:{}", self.setup);
        if tagged {
            for (position, candidate) in self.local.candidates.iter().enumerate() {
                line!(out, "a=candidate:{}", CandidateLine(position, *candidate));
            }
            line!(out, "a=end-of-candidates");
        }
    }

    fn media(&self, out: &mut Writer, section: &Section, kind: MediaKind, tagged: bool) {
        let types = section.formats.iter().flat_map(|f| [Some(f.payload_type), f.rtx]).flatten();
        let types = types.map(|pt| format!(" {pt}")).collect::<String>();
        line!(out, "m={} 9 {}{types}", section.words.media, section.words.protocol);
        self.transport(out, section, tagged);
        line!(out, "a=rtcp-mux");
        if section.rtcp_rsize {
            line!(out, "a=rtcp-rsize");
        }
        let line = section.line.and_then(|line| self.lines.get(line.index()));
        let sending = line.filter(|l| section.client_receives && l.wanted(self.local.follows_bindings).sends);
        line!(out, "a={}", Direction::new(sending.is_some(), section.client_sends).as_str());
        for known in section.described_extensions() {
            let direction = known.direction.map(|d| format!("/{}", d.as_str())).unwrap_or_default();
            line!(out, "a=extmap:{}{direction} {}", known.id, known.extension.uri());
        }
        for format in section.formats.iter() {
            write_format(out, format, kind);
        }
        if let Some(line) = sending {
            self.stream(out, line);
        }
        if section.client_sends && !section.rids.is_empty() {
            for rid in &section.rids {
                line!(out, "a=rid:{} recv", rid.as_str());
            }
            let rids = section.rids.iter().map(|rid| rid.as_str()).collect::<Vec<_>>();
            line!(out, "a=simulcast:recv {}", rids.join(";"));
        }
    }

    fn stream(&self, out: &mut Writer, line: &Line) {
        match &line.msid {
            Some(Msid { stream, track }) => line!(out, "a=msid:{stream} {track}"),
            // No stream yet (RFC 8830 section 2).
            None => line!(out, "a=msid:- {}", line.mid),
        }
        let cname = &self.local.cname;
        if let Some(rtx) = line.rtx_ssrc {
            line!(out, "a=ssrc-group:FID {} {rtx}", line.ssrc);
        }
        // The media's SSRC comes first: libwebrtc takes the first for the primary one.
        for ssrc in [Some(line.ssrc), line.rtx_ssrc].into_iter().flatten() {
            line!(out, "a=ssrc:{ssrc} cname:{cname}");
        }
    }
}

fn rejected(out: &mut Writer, section: &Section) {
    line!(out, "m={} 0 {} {}", section.words.media, section.words.protocol, section.words.format);
    line!(out, "c=IN IP4 0.0.0.0");
    if let Some(mid) = section.mid {
        line!(out, "a=mid:{mid}");
    }
    line!(out, "a=inactive");
}

fn write_format(out: &mut Writer, format: &RemoteFormat, kind: MediaKind) {
    let (pt, known) = (format.payload_type, format.id.format());
    match kind {
        MediaKind::Audio => line!(out, "a=rtpmap:{pt} {}/{}/{}", known.name, known.clock_rate, known.channels),
        MediaKind::Video => line!(out, "a=rtpmap:{pt} {}/{}", known.name, known.clock_rate),
    }
    for value in format.feedback.values() {
        line!(out, "a=rtcp-fb:{pt} {value}");
    }
    if !format.fmtp.is_empty() {
        line!(out, "a=fmtp:{pt} {}", format.fmtp);
    }
    if let Some(rtx) = format.rtx {
        line!(out, "a=rtpmap:{rtx} rtx/{}", known.clock_rate);
        line!(out, "a=fmtp:{rtx} apt={pt}");
    }
}
