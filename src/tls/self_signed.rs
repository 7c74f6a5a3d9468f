//! A certificate that the server makes itself, to try phones with: browsers give camera and microphone to `https` pages only.
//!
//! It is kept with its key in one file that nobody else may read, so that who has accepted it need not do so again after each
//! start. It is made anew when the host has got another name or address, and before it ends.

use super::certificate::{Certificate, Stamp, TlsError};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SanType,
};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::time::{Duration, SystemTime};
use x509_parser::extensions::GeneralName;

/// Beside the default database.
pub(super) const FILE: &str = "parlor-data/self-signed.pem";

const DAY: Duration = Duration::from_secs(24 * 3600);
/// Browsers refuse certificates that are good for longer than 398 days.
const LIFETIME: Duration = Duration::from_secs(396 * 24 * 3600);
/// How far clocks of clients may be behind.
const SLACK: Duration = DAY;
/// One that ends sooner is made anew.
const RENEW_BEFORE: Duration = Duration::from_secs(30 * 24 * 3600);
/// A file that is larger is none of ours: certificate and key take two kilobytes.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// What clients may call the server by.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    pub(super) dns: Vec<String>,
    pub(super) ips: Vec<IpAddr>,
}

impl Names {
    /// Those of this host: loopback, its name, alone and as its network announces it (RFC 6762), and the addresses.
    pub(super) fn of(addresses: &[IpAddr]) -> Self {
        let mut dns = vec!["localhost".to_owned()];
        if let Some(name) = host_name().filter(|name| name != "localhost") {
            if !name.contains('.') {
                dns.push(format!("{name}.local"));
            }
            dns.push(name);
        }
        let mut ips = vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        ips.extend(addresses.iter().filter(|address| !address.is_loopback()));
        Self { dns, ips }
    }

    /// Whether a certificate is for all of them.
    fn are_in(&self, certificate: &Certificate) -> bool {
        let Ok(own) = certificate.own() else { return false };
        let Ok(Some(named)) = own.subject_alternative_name() else { return false };
        let named = &named.value.general_names;
        let has_ip = |ip: &IpAddr| {
            let octets = match ip {
                IpAddr::V4(v4) => v4.octets().to_vec(),
                IpAddr::V6(v6) => v6.octets().to_vec(),
            };
            named.iter().any(|name| matches!(name, GeneralName::IPAddress(bytes) if *bytes == octets))
        };
        let has_dns = |dns: &String| named.iter().any(|name| matches!(name, GeneralName::DNSName(text) if text == dns));
        self.dns.iter().all(has_dns) && self.ips.iter().all(has_ip)
    }
}

/// The certificate that is kept at `path`, or a new one, kept there from now on.
///
/// # Errors
/// When it cannot be kept.
pub(super) fn certificate(path: &Path, names: &Names, now: SystemTime) -> Result<Certificate, TlsError> {
    if let Some(kept) = kept(path)
        && kept.remaining(now).is_some_and(|remaining| remaining > RENEW_BEFORE)
        && names.are_in(&kept)
    {
        return Ok(kept);
    }
    let failed = |problem: String| TlsError::SelfSigned { path: path.to_owned(), problem };
    let pem = make(names, now).map_err(|error| failed(error.to_string()))?;
    let made = Certificate::parse(pem.as_bytes(), pem.as_bytes(), Stamp::new());
    let made = made.map_err(|blame| failed(format!("{blame:?}")))?;
    keep(path, &pem).map_err(|error| failed(error.to_string()))?;
    tracing::info!(path = %path.display(), expires = %made.expires(), "a self-signed certificate was made");
    Ok(made)
}

fn kept(path: &Path) -> Option<Certificate> {
    if fs::metadata(path).ok()?.len() > MAX_FILE_BYTES {
        return None;
    }
    let pem = fs::read(path).ok()?;
    Certificate::parse(&pem, &pem, Stamp::new()).ok()
}

/// Certificate and key in PEM.
fn make(names: &Names, now: SystemTime) -> Result<String, rcgen::Error> {
    let mut params = CertificateParams::default();
    for dns in &names.dns {
        params.subject_alt_names.push(SanType::DnsName(dns.as_str().try_into()?));
    }
    params.subject_alt_names.extend(names.ips.iter().copied().map(SanType::IpAddress));
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "Parlor, self-signed");
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.not_before = (now - SLACK).into();
    params.not_after = (now + LIFETIME - SLACK).into();
    let key = KeyPair::generate()?;
    Ok(params.self_signed(&key)?.pem() + &key.serialize_pem())
}

/// Writes it whole or not at all, readable for this user alone.
fn keep(path: &Path, pem: &str) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let unfinished = path.with_extension("unfinished");
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(&unfinished)?.write_all(pem.as_bytes())?;
    fs::rename(&unfinished, path)
}

/// What this host calls itself, if a certificate can say it.
#[cfg(unix)]
fn host_name() -> Option<String> {
    // POSIX allows 255 bytes.
    let mut bytes = [0_u8; 256];
    // SAFETY: the pointer and length are those of an array that lives through the call, which writes nothing beyond.
    let result = unsafe { libc::gethostname(bytes.as_mut_ptr().cast(), bytes.len()) };
    let name = bytes.split(|&byte| byte == 0).next().filter(|_| result == 0)?;
    let name = std::str::from_utf8(name).ok()?.to_ascii_lowercase();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    (!name.is_empty() && name.chars().all(is_plain)).then_some(name)
}

#[cfg(not(unix))]
fn host_name() -> Option<String> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(ip: &str) -> Names {
        Names { dns: vec!["localhost".to_owned()], ips: vec![ip.parse().unwrap()] }
    }

    #[test]
    fn a_certificate_is_kept_until_names_change_or_it_ends() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("data/own.pem");
        let now = SystemTime::now();
        let at = |ip: &str, now| certificate(&path, &names(ip), now).unwrap().fingerprint();
        let first = at("192.0.2.1", now);
        assert_eq!(at("192.0.2.1", now + DAY * 300), first);
        let moved = at("192.0.2.2", now);
        assert_ne!(moved, first);
        assert_eq!(at("192.0.2.2", now), moved);
        let renewed = at("192.0.2.2", now + DAY * 370);
        assert_ne!(renewed, moved);
        fs::write(&path, "-----BEGIN CERTIFICATE-----\nnonsense").unwrap();
        assert_ne!(at("192.0.2.2", now), renewed);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing unfinished is left");
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_may_read_the_key() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("own.pem");
        certificate(&path, &names("192.0.2.1"), SystemTime::now()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn browsers_take_what_is_in_it() {
        let directory = tempfile::tempdir().unwrap();
        let names = Names::of(&["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()]);
        let made = certificate(&directory.path().join("own.pem"), &names, SystemTime::now()).unwrap();
        let own = made.own().unwrap();
        let days = (own.validity().not_after.timestamp() - own.validity().not_before.timestamp()) / (24 * 3600);
        assert!((300..=397).contains(&days), "{days}");
        assert!(own.extended_key_usage().unwrap().unwrap().value.server_auth);
        assert!(!own.is_ca());
        assert!(names.are_in(&made) && names.ips.len() == 4 && names.dns.contains(&"localhost".to_owned()));
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named() {
        let error =
            certificate(Path::new("/proc/nowhere/own.pem"), &names("192.0.2.1"), SystemTime::now()).unwrap_err();
        let error = error.to_string();
        assert!(error.starts_with("cannot keep a certificate in /proc/nowhere/own.pem (http.tls = \"self-signed\"): "));
    }
}
