/**
 * The shapes of the wire protocol and of the SDK's events, as JSDoc types. No code.
 *
 * @typedef {'microphone' | 'camera' | 'screen' | 'screen-audio'} Source
 * @typedef {'audio' | 'video'} Kind
 * @typedef {'connecting' | 'waiting' | 'connected' | 'reconnecting' | 'closed'} RoomState `waiting`: in the lobby, to be let in
 * @typedef {'host' | 'speaker' | 'listener'} Role
 * @typedef {{ audio: boolean, video: boolean, screen: boolean, chat: boolean }} Rights
 *
 * @typedef {object} WireTrack
 * @property {string} trackId
 * @property {string} [mid] only in the owner's view
 * @property {Kind} kind
 * @property {Source} source
 * @property {boolean} muted
 * @property {string[]} rids
 *
 * @typedef {object} WireParticipant
 * @property {string} participantId
 * @property {string | null} displayName
 * @property {string} [identity]
 * @property {Role} [role]
 * @property {string} joinedAt ISO-8601
 * @property {WireTrack[]} tracks
 *
 * @typedef {object} Welcome what `room-joined` and `resumed` carry
 * @property {string} roomId
 * @property {string | null} name
 * @property {string} participantId
 * @property {number} participantCount
 * @property {WireParticipant[]} participants
 * @property {RTCIceServer[]} iceServers
 * @property {string} resumeToken
 * @property {number} resumeGraceSeconds
 * @property {string | null} expiresAt ISO-8601
 * @property {string} serverId
 * @property {string} [identity] one's own
 * @property {Role} [role]
 * @property {Rights} [rights]
 * @property {string} [accessToken] the credential for REST while in the room
 * @property {import('./rest.js').RoomInfo} [room]
 * @property {number} [lastSeq] the number of the newest chat message
 *
 * @typedef {object} Limits
 * @property {number} maxTextBytes
 * @property {number} maxNameBytes
 * @property {number} maxFrameBytes
 *
 * @typedef {object} ChatMessage
 * @property {string} id
 * @property {number} seq position in the room's order
 * @property {string} text
 * @property {string} sender participant id
 * @property {string} displayName may be empty
 * @property {string} timestamp ISO-8601
 * @property {string | null} replyTo message id
 * @property {string | null} identity of the sender: who it is, whatever the name says
 * @property {string | null} to identity of the one it is for; `null`: everyone
 * @property {FileInfo | null} file
 * @property {string | null} editedAt ISO-8601
 * @property {string | null} deletedAt ISO-8601; the text is empty then
 * @property {{ emoji: string, identity: string }[]} reactions
 * @property {boolean} own from this person
 * @property {'sent' | 'saved'} state `saved`: durable, as the server said; told of own messages only
 *
 * @typedef {object} OutgoingMessage one that the room does not have yet
 * @property {string} nonce
 * @property {string} text
 * @property {string | null} replyTo
 * @property {string | null} to
 * @property {FileInfo | null} file
 * @property {string} timestamp ISO-8601
 * @property {'sending' | 'failed'} state
 * @property {import('./errors.js').ParlorError | null} error why it failed
 *
 * @typedef {object} FileInfo
 * @property {string} fileId
 * @property {string} name
 * @property {number} size bytes
 * @property {string} contentType as its sender said: not to be trusted
 * @property {string} uploader identity
 * @property {string} uploadedAt ISO-8601
 *
 * @typedef {{ participantId: string, identity: string, displayName: string }} WaitingPerson
 *
 * @typedef {object} PublishOptions
 * @property {Source} source
 * @property {boolean} [simulcast] default: camera with a long side of at least 640 pixels, unless `codec` is VP9 or AV1, which carry their sizes in one stream
 * @property {'vp8' | 'vp9' | 'h264' | 'av1'} [codec] preferred video codec
 * @property {number} [maxBitrate] bits per second of the best encoding
 * @property {boolean} [muted]
 *
 * @typedef {object} RemoteTrack
 * @property {string} trackId
 * @property {string} participantId
 * @property {Kind} kind
 * @property {Source} source
 * @property {boolean} muted
 * @property {string[]} rids simulcast streams that can be asked for with `setLayer`
 * @property {MediaStreamTrack | null} mediaTrack set while subscribed
 * @property {string | null} paused why the server sends nothing of it for a while: `bandwidth`, the connection is too slow
 *
 * @typedef {object} RemoteParticipant
 * @property {string} participantId
 * @property {string} displayName may be empty
 * @property {string | null} identity who it is, whatever the name says; the same on all their devices
 * @property {Role} role
 * @property {Date} joinedAt
 * @property {Map<string, RemoteTrack>} tracks by track id
 * @property {Quality | null} quality how good their connection is; `null` while that is not known
 *
 * @typedef {object} Quality
 * @property {'excellent' | 'good' | 'poor' | 'lost'} level `lost`: the server has heard nothing of them for ten seconds
 * @property {number | null} score 1 to 5, the lower one of `up` and `down`
 * @property {number | null} up of what comes from them
 * @property {number | null} down of what goes to them
 *
 * @typedef {object} WireQuality
 * @property {string} participantId
 * @property {Quality['level'] | 'unknown'} level
 * @property {number | null} score
 * @property {number | null} up
 * @property {number | null} down
 *
 * @typedef {object} RoomEvents
 * @property {{ state: RoomState, reason?: string }} state
 * @property {{ participant: RemoteParticipant }} participant-joined
 * @property {{ participant: RemoteParticipant, reason: string }} participant-left
 * @property {{ track: RemoteTrack }} track-published
 * @property {{ track: RemoteTrack }} track-unpublished
 * @property {{ track: RemoteTrack, mediaTrack: MediaStreamTrack }} track-subscribed
 * @property {{ track: RemoteTrack }} track-unsubscribed also of a microphone in a large room while louder voices are heard
 * @property {{ mediaTrack: MediaStreamTrack }} sound-track an m-line on which sound may arrive: play it for as long as we are in the room
 * @property {{ track: RemoteTrack }} track-muted also when unmuted: see `track.muted`
 * @property {{ track: RemoteTrack }} track-paused also when it goes on: see `track.paused`
 * @property {{ trackId: string, rid: string | null }} layer-changed
 * @property {{ trackId: string, reason: string }} subscription-failed
 * @property {{ participantId: string }} lobby-waiting a host has to let us in
 * @property {{ person: WaitingPerson }} lobby-joined to hosts: somebody waits
 * @property {{ person: WaitingPerson }} lobby-left to hosts: somebody waits no more
 * @property {{ participantId: string, role: Role }} role-changed also one's own
 * @property {{ rights: Rights }} rights-changed one's own
 * @property {{ room: import('./rest.js').RoomInfo }} room-updated
 * @property {{ mid: string, source: Source }} publish-refused
 * @property {{ publication: import('./publications.js').Publication }} muted-by-host
 * @property {{ message: ChatMessage }} message
 * @property {{ messages: ChatMessage[] }} history older messages, the oldest first
 * @property {{ message: OutgoingMessage }} outgoing see `room.outgoing`
 * @property {{ message: ChatMessage }} message-edited
 * @property {{ message: ChatMessage }} message-deleted
 * @property {{ message: ChatMessage }} message-reacted
 * @property {{ messages: ChatMessage[] }} messages-saved own ones
 * @property {{ count: number, fromSeq: number, toSeq: number }} messages-lost not in the history: the server could not save them
 * @property {{ fileId: string, messages: ChatMessage[] }} file-removed
 * @property {{ participantId: string, typing: boolean }} typing
 * @property {{ speakers: { participantId: string, level: number }[] }} speakers level in -dBov: 0 is loudest, 127 silence
 * @property {{ participantId: string, quality: Quality | null }} quality how good a connection is, also one's own, when its level changes
 * @property {{ secondsLeft: number }} server-draining the server ends by then at the latest; we come back by ourselves
 * @property {{ connected: boolean, protocol: string | null }} media
 * @property {{ error: import('./errors.js').ParlorError }} error
 */

export {};
