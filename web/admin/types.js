/**
 * What the server answers, as `/api/docs` describes it.
 *
 * @typedef {object} EncodingStats
 * @property {string | null} rid
 * @property {string | null} codec
 * @property {boolean} alive
 * @property {number} packets
 * @property {number} bytes
 * @property {number} bitrateBps
 * @property {number | null} framesPerSecond
 * @property {number | null} lossFraction
 * @property {number | null} jitterMs
 * @property {number} nackedPackets
 * @property {number} keyframeRequests
 *
 * @typedef {object} PublicationStats
 * @property {string} trackId
 * @property {'audio' | 'video'} kind
 * @property {'microphone' | 'camera' | 'screen' | 'screen-audio'} source
 * @property {boolean} muted
 * @property {number} subscriberCount
 * @property {EncodingStats[]} encodings
 *
 * @typedef {object} SubscriptionStats
 * @property {string} trackId
 * @property {string} participantId
 * @property {'negotiating' | 'waiting' | 'forwarding' | 'hidden' | 'paused' | 'unsupported'} state
 * @property {string | null} codec
 * @property {string | null} rid
 * @property {number} packets
 * @property {number} bytes
 * @property {number} bitrateBps
 * @property {number | null} framesPerSecond
 * @property {number | null} lossFraction
 * @property {number | null} jitterMs
 * @property {number} nackedPackets
 * @property {number} resentPackets
 *
 * @typedef {object} PersonStats
 * @property {string} participantId
 * @property {string} identity
 * @property {string | null} displayName
 * @property {'host' | 'speaker' | 'listener'} role
 * @property {string} joinedAt
 * @property {{ connectedSeconds: number | null, protocol: 'udp' | 'tcp' | null, rttMs: number | null, estimateBps: number | null }} connection
 * @property {{ level: 'excellent' | 'good' | 'poor' | 'lost' | 'unknown', score: number | null, up: number | null, down: number | null }} quality
 * @property {PublicationStats[]} publications
 * @property {SubscriptionStats[]} subscriptions
 * @property {number} subscriptionsLeftOut
 *
 * @typedef {object} ServerOverview
 * @property {string} version
 * @property {number} uptimeSeconds
 * @property {'open' | 'keys'} access
 * @property {boolean} draining
 * @property {string[]} reasons
 * @property {number} roomCount
 * @property {number} participantCount
 * @property {number} socketCount
 * @property {{ port: number, roomCount: number, participantCount: number, load: number }[]} shards
 * @property {{ name: string, awaySince: string | null, queuedWrites: number, lostWrites: number }} store
 *
 * @typedef {{ rooms: import('../sdk/rest.js').RoomInfo[], trackCounts: Record<string, number>, nextCursor: string | null }} RoomPage
 */
export {};
