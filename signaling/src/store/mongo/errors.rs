//! The driver's errors as the store's.
//!
//! A server's message may quote what a document holds, and the room's id is the key to it: only codes and their names are told.

use super::StoreError;
use mongodb::bson::Document;
use mongodb::error::{Error, ErrorKind, RETRYABLE_ERROR, RETRYABLE_WRITE_ERROR, SYSTEM_OVERLOADED_ERROR, WriteFailure};

/// A unique index has that value already.
const DUPLICATE_KEY: i32 = 11_000;

/// Codes of a server that may do the same later: it stops, is no longer or not yet the primary, waits in vain for the others of
/// its set, ran out of time, or its disk is full.
const TRANSIENT: &[i32] = &[
    6,      // HostUnreachable
    7,      // HostNotFound
    24,     // LockTimeout
    46,     // LockBusy
    50,     // MaxTimeMSExpired
    64,     // WriteConcernFailed
    89,     // NetworkTimeout
    91,     // ShutdownInProgress
    100,    // UnsatisfiableWriteConcern
    112,    // WriteConflict
    133,    // FailedToSatisfyReadPreference
    134,    // ReadConcernMajorityNotAvailableYet
    189,    // PrimarySteppedDown
    202,    // NetworkInterfaceExceededTimeLimit
    262,    // ExceededTimeLimit
    9001,   // SocketException
    10_107, // NotWritablePrimary
    11_600, // InterruptedAtShutdown
    11_602, // InterruptedDueToReplStateChange
    13_435, // NotPrimaryNoSecondaryOk
    13_436, // NotPrimaryOrSecondary
    14_031, // OutOfDiskSpace
];

/// The most that is told of what the driver says, in characters.
const MAX_TEXT: usize = 300;

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        if is_all_duplicates(&error) {
            return Self::Conflict;
        }
        let labels = [RETRYABLE_WRITE_ERROR, RETRYABLE_ERROR, SYSTEM_OVERLOADED_ERROR];
        let is_transient = labels.iter().any(|label| error.contains_label(label));
        match error.kind.as_ref() {
            ErrorKind::Io(error) => Self::Unavailable(format!("the connection failed: {error}")),
            ErrorKind::ServerSelection { message, .. } => Self::Unavailable(clip(message)),
            ErrorKind::DnsResolve { .. } => Self::Unavailable("the names of its servers cannot be resolved".into()),
            ErrorKind::ConnectionPoolCleared { .. } => Self::Unavailable("its connections were closed".into()),
            ErrorKind::Shutdown => Self::Unavailable("the client is shut down".into()),
            ErrorKind::Authentication { .. } => Self::Failed("the server does not accept the credentials".into()),
            ErrorKind::InvalidTlsConfig { .. } => Self::Failed("the settings of TLS cannot be used".into()),
            kind => match code(kind) {
                Some((code, name)) => of_code(code, name, is_transient),
                None if is_transient => Self::Unavailable("the server asks to try again".into()),
                None => Self::Failed(unanswered(kind).into()),
            },
        }
    }
}

/// Whether the only thing wrong is that something is there already.
pub(super) fn is_all_duplicates(error: &Error) -> bool {
    match error.kind.as_ref() {
        ErrorKind::InsertMany(many) => {
            let mut errors = many.write_errors.iter().flatten();
            many.write_errors.is_some() && many.write_concern_error.is_none() && errors.all(|e| e.code == DUPLICATE_KEY)
        }
        ErrorKind::Write(WriteFailure::WriteError(error)) => error.code == DUPLICATE_KEY,
        ErrorKind::Command(error) => error.code == DUPLICATE_KEY,
        _ => false,
    }
}

/// What a write command that was run as it is answered besides that it ran.
pub(super) fn of_answer(answer: &Document) -> Result<(), StoreError> {
    let first = |field| answer.get_array(field).ok().and_then(|errors| errors.first()?.as_document());
    let Some(error) = first("writeErrors").or_else(|| answer.get_document("writeConcernError").ok()) else {
        return Ok(());
    };
    Err(of_code(error.get_i32("code").unwrap_or(0), error.get_str("codeName").unwrap_or(""), false))
}

/// The first code that is not of a duplicate, and its name.
fn code(kind: &ErrorKind) -> Option<(i32, &str)> {
    match kind {
        ErrorKind::Command(error) => Some((error.code, &error.code_name)),
        ErrorKind::Write(WriteFailure::WriteError(error)) => {
            Some((error.code, error.code_name.as_deref().unwrap_or("")))
        }
        ErrorKind::Write(WriteFailure::WriteConcernError(error)) => Some((error.code, &error.code_name)),
        ErrorKind::InsertMany(many) => {
            let errors = many.write_errors.iter().flatten().map(|e| (e.code, e.code_name.as_deref().unwrap_or("")));
            let concern = many.write_concern_error.iter().map(|error| (error.code, error.code_name.as_str()));
            errors.chain(concern).find(|&(code, _)| code != DUPLICATE_KEY)
        }
        _ => None,
    }
}

fn of_code(code: i32, name: &str, is_transient: bool) -> StoreError {
    let text = format!("the server answers with error {code} {}", clip(name));
    let text = text.trim_end().to_owned();
    if is_transient || TRANSIENT.contains(&code) { StoreError::Unavailable(text) } else { StoreError::Failed(text) }
}

/// An error that is no server's answer.
fn unanswered(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidArgument { .. } => "the driver refuses what it was asked",
        ErrorKind::InvalidResponse { .. } => "the server's answer cannot be read",
        ErrorKind::IncompatibleServer { .. } => "the server is too old, or lacks what is needed",
        ErrorKind::Bson(_) => "a document cannot be written or read",
        _ => "the driver failed",
    }
}

fn clip(text: &str) -> String {
    text.chars().take(MAX_TEXT).collect()
}
