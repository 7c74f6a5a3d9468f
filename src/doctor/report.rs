//! What was found, for people and for machines.

use crate::addresses::{Origin, Reach};
use serde_json::{Value, json};
use std::fmt::Write;
use std::net::IpAddr;

/// How a finding is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mark {
    /// As it should be.
    Good,
    /// It works, for some or with less.
    Warning,
    /// Calls do not work, or the server does not start.
    Failure,
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    subject: &'static str,
    pub(super) mark: Mark,
    pub(super) text: String,
    /// What to do about it.
    pub(super) advice: Option<String>,
}

impl Finding {
    pub(super) fn new(subject: &'static str, mark: Mark, text: impl Into<String>) -> Self {
        Self { subject, mark, text: text.into(), advice: None }
    }

    pub(super) fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }
}

/// An address that clients are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) address: IpAddr,
    pub(super) origin: Origin,
    pub(super) reach: Reach,
}

/// All that was found.
#[derive(Clone, Debug)]
pub struct Report {
    findings: Vec<Finding>,
    offers: Vec<Offer>,
}

impl Report {
    pub(super) fn new(findings: Vec<Finding>, offers: Vec<Offer>) -> Self {
        Self { findings, offers }
    }

    /// Whether a call can work from another host.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.findings.iter().all(|finding| finding.mark < Mark::Failure)
    }

    /// For people: the findings by subject, and what they come to.
    #[must_use]
    pub fn text(&self) -> String {
        let (mut text, mut last_subject) = (String::new(), "");
        // Writing to a string does not fail.
        for Finding { subject, mark, text: line, advice } in &self.findings {
            if *subject != last_subject {
                let _ = writeln!(text, "{subject}");
                last_subject = subject;
            }
            let sign = match mark {
                Mark::Good => '✓',
                Mark::Warning => '!',
                Mark::Failure => '✗',
            };
            let _ = writeln!(text, "  {sign} {line}");
            if let Some(advice) = advice {
                let _ = writeln!(text, "    → {advice}");
            }
        }
        let _ = writeln!(text, "\n{}", self.conclusion());
        text
    }

    /// For machines.
    #[must_use]
    pub fn json(&self) -> Value {
        let findings = self.findings.iter().map(|finding| {
            let mark = match finding.mark {
                Mark::Good => "good",
                Mark::Warning => "warning",
                Mark::Failure => "failure",
            };
            json!({ "subject": finding.subject, "mark": mark, "text": finding.text, "advice": finding.advice })
        });
        let advertised = self.offers.iter().map(|offer| {
            json!({ "address": offer.address, "origin": offer.origin.to_string(), "reach": offer.reach.word() })
        });
        json!({
            "good": self.is_good(),
            "conclusion": self.conclusion(),
            "advertised": advertised.collect::<Vec<_>>(),
            "findings": findings.collect::<Vec<_>>(),
        })
    }

    fn conclusion(&self) -> String {
        let count = |mark| self.findings.iter().filter(|finding| finding.mark == mark).count();
        let (warnings, failures) = (count(Mark::Warning), count(Mark::Failure));
        let reach = self.offers.iter().map(|offer| offer.reach).max().unwrap_or(Reach::Host);
        match (failures, warnings) {
            (0, 0) => format!("Calls can work for {reach}."),
            (0, _) => format!("Calls can work for {reach}; what is marked with ! is worth a look."),
            _ => "Calls do not work as they should: see what is marked with ✗.".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(reach: Reach) -> Offer {
        Offer { address: "203.0.113.7".parse().unwrap(), origin: Origin::Setting, reach }
    }

    #[test]
    fn findings_are_grouped_and_concluded() {
        let findings = vec![
            Finding::new("addresses", Mark::Good, "a"),
            Finding::new("addresses", Mark::Warning, "b").advise("do c"),
            Finding::new("ports", Mark::Good, "d"),
        ];
        let report = Report::new(findings.clone(), vec![offer(Reach::Private), offer(Reach::Internet)]);
        assert_eq!(
            report.text(),
            "addresses\n  ✓ a\n  ! b\n    → do c\nports\n  ✓ d\n\n\
             Calls can work for the internet; what is marked with ! is worth a look.\n"
        );
        assert!(report.is_good());
        let broken = [findings, vec![Finding::new("udp", Mark::Failure, "e")]].concat();
        let report = Report::new(broken, Vec::new());
        assert!(!report.is_good() && report.text().ends_with("see what is marked with ✗.\n"));
    }

    #[test]
    fn machines_read_the_same() {
        let finding = Finding::new("ports", Mark::Warning, "a").advise("b");
        let json = Report::new(vec![finding], vec![offer(Reach::Carrier)]).json();
        assert_eq!(json["findings"][0], json!({ "subject": "ports", "mark": "warning", "text": "a", "advice": "b" }));
        let offer = json!({ "address": "203.0.113.7", "origin": "media.announce", "reach": "carrier" });
        assert_eq!((&json["good"], &json["advertised"][0]), (&json!(true), &offer));
    }
}
