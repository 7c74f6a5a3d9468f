//! What the configuration means for the signalling.

use super::StartError;
use crate::addresses;
use parlor_config::{AuthKey, Config, FilesUrl};
use parlor_signaling::{
    Announce, FileSettings, FileStorage, KeyError, KeySources, Keys, Policy, Rate, Rates, Settings, Spread, StoreUrl,
    WebhookSettings,
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

/// The addresses that clients are told. Takes a few seconds when a STUN server does not answer.
///
/// # Errors
/// When `media.announce` comes to nothing.
pub(super) async fn announce(config: &Config, ipv6: bool) -> Result<Announce, StartError> {
    let advertised = addresses::discover(&config.media.announce, &addresses::interfaces(), ipv6).await;
    if let Some(reason) = advertised.error() {
        return Err(StartError::Announce(reason));
    }
    advertised.log();
    let loopback_v6 = ipv6.then_some(IpAddr::V6(Ipv6Addr::LOCALHOST));
    let loopback = std::iter::once(IpAddr::V4(Ipv4Addr::LOCALHOST)).chain(loopback_v6).collect();
    Ok(Announce { addresses: advertised.addresses.into_iter().map(|(address, _)| address).collect(), loopback })
}

/// The keys of the configuration.
///
/// # Errors
/// When they cannot be used.
pub fn keys(config: &Config) -> Result<Keys, KeyError> {
    let auth = &config.auth;
    let pair = |key: &AuthKey| (key.name.clone(), key.secret.expose().to_owned());
    Keys::read(KeySources {
        secrets: auth.keys.iter().map(pair).collect(),
        jwks: auth.jwks.clone(),
        leeway: Duration::from_secs(auth.leeway_seconds.into()),
        max_lifetime: Duration::from_secs(auth.max_token_seconds.into()),
    })
}

/// What a start would find wrong with a configuration whose keys are each valid, without a look at the system beside keys' files.
pub(crate) fn problems(config: &Config) -> Vec<String> {
    let store = StoreUrl::parse(config.store.url.expose()).ok_or(StartError::StoreUrl);
    let results = [
        keys(config).map(drop).map_err(StartError::from),
        webhooks(config).map(drop),
        store.map(drop),
        super::shards::ports(config).map(drop),
    ];
    results.into_iter().filter_map(Result::err).map(|error| error.to_string()).collect()
}

/// What of the configuration a running server can be given anew.
///
/// # Errors
/// When the keys cannot be used.
pub(super) fn policy(config: &Config) -> Result<Policy, KeyError> {
    let (http, limits) = (&config.http, &config.limits);
    Ok(Policy {
        max_rooms: limits.max_rooms as usize,
        default_max_participants: limits.max_participants_per_room as usize,
        max_participants: limits.max_participants_per_room as usize,
        max_total_participants: limits.max_participants as usize,
        rates: Rates {
            room_creations: Rate::per_minute(limits.room_creations_per_minute),
            joins: Rate::per_minute(limits.joins_per_minute),
            messages: Rate::per_minute(limits.messages_per_minute),
            uploads: Rate::per_minute(limits.uploads_per_minute),
            failed_passwords: Rate::per_minute(limits.failed_passwords_per_minute),
        },
        max_sockets: limits.max_connections as usize,
        max_sockets_per_address: limits.max_connections_per_address as usize,
        keys: Arc::new(keys(config)?),
        trusted_proxies: http.trusted_proxies.clone(),
        allowed_origins: http.allowed_origins.clone(),
    })
}

/// The settings of the configuration.
///
/// # Errors
/// When keys, files or webhooks cannot be used.
pub(super) fn settings(config: &Config) -> Result<Settings, StartError> {
    Ok(Settings {
        first_policy: policy(config)?,
        empty_timeout: Duration::from_secs(config.room.empty_timeout_seconds.into()),
        resume_grace: Duration::from_secs(config.session.resume_grace_seconds.into()),
        files: FileSettings {
            storage: file_storage(&config.files.url)?,
            max_bytes: config.files.max_bytes,
            max_per_room: config.files.max_per_room as usize,
            max_room_bytes: config.files.max_room_bytes,
            types: config.files.types.clone(),
        },
        webhooks: webhooks(config)?,
        spread: Spread {
            busy: f32::from(config.media.spread_busy_percent) / 100.0,
            participants: config.media.spread_participants as usize,
        },
        ..Settings::default()
    })
}

/// The place of shared files, which is made when it is a directory.
///
/// # Errors
/// When it cannot be used.
pub(crate) fn file_storage(url: &FilesUrl) -> Result<FileStorage, StartError> {
    let (place, opened) = match url {
        FilesUrl::Off => return Ok(FileStorage::off()),
        FilesUrl::Memory => return Ok(FileStorage::memory()),
        FilesUrl::Directory(path) => (path.display().to_string(), FileStorage::local(path)),
        FilesUrl::S3(bucket) => (format!("s3://{}", bucket.name), FileStorage::s3(&bucket.name, &bucket.prefix)),
        FilesUrl::Gcs(bucket) => (format!("gs://{}", bucket.name), FileStorage::gcs(&bucket.name, &bucket.prefix)),
        FilesUrl::Azure(bucket) => (format!("az://{}", bucket.name), FileStorage::azure(&bucket.name, &bucket.prefix)),
    };
    opened.map_err(|error| StartError::Files { place, error })
}

/// Who is told what happens.
///
/// # Errors
/// When that cannot be used.
pub(crate) fn webhooks(config: &Config) -> Result<WebhookSettings, StartError> {
    let urls: Vec<_> = config.webhooks.urls.iter().map(|url| url.expose().to_owned()).collect();
    let secret = config.webhooks.secret.as_ref().map_or("", parlor_config::Secret::expose);
    WebhookSettings::new(&urls, secret, config.webhooks.include_text).map_err(StartError::Webhooks)
}
