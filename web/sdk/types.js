/**
 * The shapes of the wire protocol and of the SDK's events, as JSDoc types. No code.
 *
 * @typedef {'microphone' | 'camera' | 'screen' | 'screen-audio'} Source
 * @typedef {'audio' | 'video'} Kind
 * @typedef {'connecting' | 'connected' | 'reconnecting' | 'closed'} RoomState
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
 * @property {boolean} own sent from this page
 *
 * @typedef {object} PublishOptions
 * @property {Source} source
 * @property {boolean} [simulcast] default: camera with a long side of at least 960 pixels, unless `codec` is VP9 or AV1
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
 *
 * @typedef {object} RemoteParticipant
 * @property {string} participantId
 * @property {string} displayName may be empty
 * @property {Date} joinedAt
 * @property {Map<string, RemoteTrack>} tracks by track id
 *
 * @typedef {object} RoomEvents
 * @property {{ state: RoomState, reason?: string }} state
 * @property {{ participant: RemoteParticipant }} participant-joined
 * @property {{ participant: RemoteParticipant, reason: string }} participant-left
 * @property {{ track: RemoteTrack }} track-published
 * @property {{ track: RemoteTrack }} track-unpublished
 * @property {{ track: RemoteTrack, mediaTrack: MediaStreamTrack }} track-subscribed
 * @property {{ track: RemoteTrack }} track-unsubscribed
 * @property {{ track: RemoteTrack }} track-muted also when unmuted: see `track.muted`
 * @property {{ trackId: string, rid: string | null }} layer-changed
 * @property {{ trackId: string, reason: string }} subscription-failed
 * @property {{ message: ChatMessage }} message
 * @property {{ participantId: string, typing: boolean }} typing
 * @property {{ speakers: { participantId: string, level: number }[] }} speakers level in -dBov: 0 is loudest, 127 silence
 * @property {{ connected: boolean, protocol: string | null }} media
 * @property {{ error: import('./errors.js').ParlorError }} error
 */

export {};
