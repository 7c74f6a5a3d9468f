//! The web server: whether its port can be had, and what browsers think of how it is reached; who is let in.

use super::facts::Facts;
use super::ports::of_port;
use super::report::{Finding, Mark};
use crate::server::keys;
use parlor_config::{Config, TlsMode};

const SUBJECT: &str = "web";

pub(super) fn judge(config: &Config, facts: &Facts) -> Vec<Finding> {
    let finding = |mark, text: String| Finding::new(SUBJECT, mark, text);
    let listen = config.http.listen;
    let mut findings = vec![
        of_port(SUBJECT, &format!("TCP {}", listen.port()), "http.listen", &facts.ports.http)
            .unwrap_or_else(|| finding(Mark::Good, format!("{listen} can be listened on"))),
    ];
    findings.push(if config.http.tls != TlsMode::Off {
        of_tls(config, facts)
    } else if listen.ip().is_loopback() {
        finding(Mark::Good, format!("pages are for this host, and for others through a proxy on it ({listen})"))
            .advise("the proxy must speak https://, and be named in http.trusted_proxies")
    } else {
        finding(
            Mark::Warning,
            "pages are served without TLS: browsers give camera and microphone to localhost only".to_owned(),
        )
        .advise("put a proxy before it that speaks https://, and name it in http.trusted_proxies")
    });
    findings.push(match keys(config) {
        Ok(keys) if keys.is_open() => {
            finding(Mark::Good, "whoever knows a room's id can join it; auth.keys would require tokens".to_owned())
        }
        Ok(_) => finding(Mark::Good, "tokens are required".to_owned()),
        Err(error) => finding(Mark::Failure, error.to_string()),
    });
    findings
}

fn of_tls(config: &Config, facts: &Facts) -> Finding {
    let finding = |mark, text: &str| Finding::new(SUBJECT, mark, text);
    match (&facts.certificate, config.http.tls) {
        (Err(reason), _) => finding(Mark::Failure, reason).advise("see docs/tls.md"),
        (Ok(()), TlsMode::SelfSigned) => {
            finding(Mark::Warning, "pages are served by https:// with a certificate that browsers warn of").advise(
                "that is for trying things out; others need a certificate of an authority (http.tls = \"files\")",
            )
        }
        (Ok(()), _) => finding(Mark::Good, "pages are served by https://: browsers give camera and microphone"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::facts::{PortState, sound};
    use super::*;

    fn judged(config: &Config) -> Vec<Finding> {
        judge(config, &sound(config))
    }

    #[test]
    fn what_browsers_want_is_said() {
        let mut config = Config::default();
        let findings = judged(&config);
        assert_eq!(findings.iter().map(|f| f.mark).collect::<Vec<_>>(), [Mark::Good, Mark::Warning, Mark::Good]);
        assert!(findings[1].text.contains("camera"));
        config.http.listen = "127.0.0.1:8080".parse().unwrap();
        assert!(judged(&config).iter().all(|finding| finding.mark == Mark::Good));
    }

    #[test]
    fn certificates_are_judged() {
        let mut config = Config::default();
        let mark = |config: &Config, certificate| judge(config, &Facts { certificate, ..sound(config) })[1].mark;
        config.http.tls = TlsMode::Files;
        assert_eq!(mark(&config, Ok(())), Mark::Good);
        assert_eq!(mark(&config, Err("cannot read cert.pem".to_owned())), Mark::Failure);
        config.http.tls = TlsMode::SelfSigned;
        assert_eq!(mark(&config, Ok(())), Mark::Warning);
    }

    #[test]
    fn a_taken_port_and_unreadable_keys_are_failures() {
        let mut config = Config::default();
        config.auth.jwks = Some("/nonexistent/keys.json".into());
        assert_eq!(judged(&config)[2].mark, Mark::Failure);
        let mut facts = sound(&config);
        facts.ports.http = PortState::Refused("Permission denied".to_owned());
        assert_eq!(judge(&config, &facts)[0].mark, Mark::Failure);
    }
}
