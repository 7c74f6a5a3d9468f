//! The closed vocabularies of what is counted: every value that a label of the signalling's metrics can have.

use super::counter::words;
use crate::protocol::ErrorCode;

words! {
    /// What carries messages.
    Carrier {
        /// The WebSocket.
        Socket = "socket";
        /// The data channel of the chat.
        DataChannel = "data_channel";
    }
}

words! {
    /// Which way.
    Direction {
        /// From clients.
        In = "in";
        /// To clients.
        Out = "out";
    }
}

words! {
    /// Why a socket was not let in.
    Turned {
        /// The server has as many as it takes.
        Limit = "limit";
        /// The address has as many as it may.
        Address = "address";
        /// It is a foreign page's.
        Origin = "origin";
        /// The server stops.
        Stopping = "stopping";
    }
}

words! {
    /// Why a socket ended.
    SocketEnd {
        /// The client closed it.
        Client = "client";
        /// It broke.
        Lost = "lost";
        /// No room was joined in time.
        NoJoin = "no_join";
        /// Nothing was heard for too long.
        Silent = "silent";
        /// The session was resumed on another one.
        Displaced = "displaced";
        /// What was written was not read in time.
        SlowReader = "slow_reader";
        /// Too many messages came.
        Flood = "flood";
        /// Binary frames came in numbers.
        Binary = "binary";
        /// A message was too large.
        TooLarge = "too_large";
        /// The server stops.
        Stopping = "stopping";
    }
}

words! {
    /// What became of somebody who wanted to join.
    JoinOutcome {
        /// It is in the room, from its door or from its lobby.
        Joined = "joined";
        /// It waits in the lobby.
        Waiting = "waiting";
        /// Its credentials do not let it in, or a host does not.
        NotAllowed = "not_allowed";
        /// There is no such room, or it is not open.
        NoRoom = "no_room";
        /// A limit of the room or of the server is reached.
        Limited = "limited";
        /// The server, its database or a shard could not.
        Failed = "failed";
        /// The request was not right.
        Invalid = "invalid";
    }
}

impl JoinOutcome {
    /// What an error comes to.
    pub(crate) fn of(code: ErrorCode) -> Self {
        match code {
            ErrorCode::Unauthorized
            | ErrorCode::TokenInvalid
            | ErrorCode::Forbidden
            | ErrorCode::Banned
            | ErrorCode::PasswordRequired
            | ErrorCode::PasswordWrong
            | ErrorCode::InviteInvalid
            | ErrorCode::LobbyDenied => Self::NotAllowed,
            ErrorCode::RoomNotFound | ErrorCode::RoomExpired | ErrorCode::RoomNotOpen | ErrorCode::RoomLocked => {
                Self::NoRoom
            }
            ErrorCode::RoomFull | ErrorCode::ServerFull | ErrorCode::RateLimited => Self::Limited,
            ErrorCode::ServerBusy | ErrorCode::Internal | ErrorCode::StoreUnavailable => Self::Failed,
            _ => Self::Invalid,
        }
    }
}

words! {
    /// What became of a wish to resume.
    ResumeOutcome {
        /// The session goes on.
        Resumed = "resumed";
        /// There is no session of that token, or no longer.
        Unknown = "unknown";
        /// What the client missed is no longer held.
        Missed = "missed";
    }
}

words! {
    /// A limit that refused something.
    Limit {
        /// `limits.max_rooms`
        Rooms = "max_rooms";
        /// `limits.max_participants`
        Participants = "max_participants";
        /// `limits.max_participants_per_room`, or what the room says.
        ParticipantsPerRoom = "max_participants_per_room";
        /// `limits.max_connections`
        Connections = "max_connections";
        /// `limits.max_connections_per_address`
        ConnectionsPerAddress = "max_connections_per_address";
        /// `limits.max_memory_mib`
        Memory = "memory";
        /// `limits.room_creations_per_minute`
        RoomCreations = "room_creations";
        /// `limits.joins_per_minute`
        Joins = "joins";
        /// `limits.messages_per_minute`
        Messages = "messages";
        /// `limits.uploads_per_minute`
        Uploads = "uploads";
        /// `limits.failed_passwords_per_minute`
        FailedPasswords = "failed_passwords";
        /// `files.max_bytes`
        FileBytes = "file_bytes";
        /// `files.max_per_room`
        FilesPerRoom = "files_per_room";
        /// `files.max_room_bytes`
        FileBytesPerRoom = "file_bytes_per_room";
    }
}

words! {
    /// What is wrong with a credential that is refused as `token-invalid`.
    CredentialFault {
        /// It is nothing that can be read.
        Malformed = "malformed";
        /// It names no key of this server.
        UnknownKey = "unknown_key";
        /// Its signature or its algorithm is not that of its key.
        Signature = "signature";
        /// It is for another audience.
        Audience = "audience";
        /// It is over.
        Expired = "expired";
        /// It is not good yet.
        NotYet = "not_yet";
        /// It is good for too long.
        TooLong = "too_long";
        /// A claim is missing or cannot be understood.
        Claims = "claims";
        /// A host secret that is not the room's, or is none.
        HostSecret = "host_secret";
        /// An access token of nobody who is there.
        AccessToken = "access_token";
        /// A request that asks for the rights of the server's own host and does not come from it.
        Loopback = "loopback";
    }
}

/// What a refusal's code leaves open, for who counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A limit was reached.
    Limit(Limit),
    /// A credential was not good.
    Credential(CredentialFault),
}
