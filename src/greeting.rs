//! What the server prints when it is ready: where to open it, and with a certificate of its own, how phones get there.

use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

/// See the module.
#[derive(Debug)]
pub(crate) struct Greeting {
    url: String,
    own_certificate: Option<OwnCertificate>,
}

#[derive(Debug)]
struct OwnCertificate {
    /// Addresses for other hosts of the network, the likeliest first.
    elsewhere: Vec<String>,
    fingerprint: String,
}

impl Greeting {
    pub(crate) fn new(url: String) -> Self {
        Self { url, own_certificate: None }
    }

    pub(crate) fn self_signed(self, elsewhere: Vec<String>, fingerprint: String) -> Self {
        Self { own_certificate: Some(OwnCertificate { elsewhere, fingerprint }), ..self }
    }

    /// The first line is the same for all; a QR code leads a phone to the first address.
    pub(crate) fn text(&self, is_terminal: bool) -> String {
        let mut text = format!("Parlor is ready: open {}\n", self.url);
        let Some(own) = &self.own_certificate else { return text };
        // Writing to a string does not fail.
        for url in &own.elsewhere {
            let _ = writeln!(text, "On this network: {url}");
        }
        if let Some(code) = own.elsewhere.first().filter(|_| is_terminal).and_then(|url| qr_code(url)) {
            let _ = writeln!(text, "{code}");
        }
        let _ = writeln!(
            text,
            "The certificate is Parlor's own: browsers warn of it once. Its SHA-256 fingerprint: {}",
            own.fingerprint
        );
        text
    }
}

/// `https://192.0.2.1:8443`; `None` is `localhost`.
pub(crate) fn url(tls: bool, ip: Option<IpAddr>, port: u16) -> String {
    let scheme = if tls { "https" } else { "http" };
    match ip {
        None => format!("{scheme}://localhost:{port}"),
        Some(ip) => format!("{scheme}://{}", SocketAddr::new(ip, port)),
    }
}

/// In half blocks, for the dark ground that most terminals have; cameras read it on a light one as well.
fn qr_code(url: &str) -> Option<String> {
    let code = QrCode::new(url).ok()?;
    Some(code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_server_says_where_it_is() {
        let greeting = Greeting::new(url(false, None, 8080));
        assert_eq!(greeting.text(true), "Parlor is ready: open http://localhost:8080\n");
    }

    #[test]
    fn phones_are_shown_the_way_where_somebody_looks() {
        let elsewhere = ["192.0.2.1", "2001:db8::1"].map(|ip| url(true, ip.parse().ok(), 8443)).to_vec();
        let greeting = Greeting::new(url(true, None, 8443)).self_signed(elsewhere, "AB:CD".to_owned());
        let plain = greeting.text(false);
        assert_eq!(
            plain,
            "Parlor is ready: open https://localhost:8443\nOn this network: https://192.0.2.1:8443\n\
             On this network: https://[2001:db8::1]:8443\n\
             The certificate is Parlor's own: browsers warn of it once. Its SHA-256 fingerprint: AB:CD\n"
        );
        let code = greeting.text(true);
        // A version 2 code has 25 modules, and four on each side are quiet: two in a line of text.
        let lines = code.lines().filter(|line| line.chars().count() == 25 + 8).count();
        assert_eq!(lines, 17, "{code}");
        assert_eq!(code.lines().filter(|line| plain.contains(*line)).count(), plain.lines().count());
    }
}
