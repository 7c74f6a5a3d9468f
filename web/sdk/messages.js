/**
 * Every message this client sends, built in one place; the golden files under `signaling/protocol/` are checked against it.
 *
 * Undefined fields vanish in JSON, so optional values are passed through as they are.
 */

/** @typedef {{ type: string, [field: string]: any }} Message */

/** @param {{ roomId: string, displayName?: string, autoSubscribe?: boolean, id?: string }} fields @returns {Message} */
export const joinRoom = ({ roomId, displayName, autoSubscribe = true, id }) => ({
  type: 'join-room', id, roomId, displayName, followsBindings: true, autoSubscribe,
});

/** @param {{ resumeToken: string, received: number, id?: string }} fields @returns {Message} */
export const resume = ({ resumeToken, received, id }) => ({ type: 'resume', id, resumeToken, received });

/** @param {{ roomId: string, id?: string }} fields @returns {Message} */
export const leaveRoom = ({ roomId, id }) => ({ type: 'leave-room', id, roomId });

/** @param {{ roomId: string, text: string, replyTo?: string | null, nonce?: string, id?: string }} fields @returns {Message} */
export const sendMessage = ({ roomId, text, replyTo, nonce, id }) => ({
  type: 'send-message', id, roomId, text, replyTo: replyTo ?? undefined, nonce,
});

/** @param {{ roomId: string, typing: boolean }} fields @returns {Message} */
export const typing = ({ roomId, typing: active }) => ({ type: 'typing', roomId, typing: active });

/**
 * @param {{ roomId: string, sdp: string, tracks: { mid: string, source: string, muted: boolean }[], id?: string }} fields
 * @returns {Message}
 */
export const offer = ({ roomId, sdp, tracks, id }) => ({ type: 'offer', id, roomId, offer: { type: 'offer', sdp }, tracks });

/** @param {{ roomId: string, sdp: string, negotiationId?: number | string, id?: string }} fields @returns {Message} */
export const answer = ({ roomId, sdp, negotiationId, id }) => ({
  type: 'answer', id, roomId, answer: { type: 'answer', sdp }, negotiationId,
});

/** @param {{ roomId: string, trackId: string, muted: boolean }} fields @returns {Message} */
export const trackState = ({ roomId, trackId, muted }) => ({ type: 'track-state', roomId, trackId, muted });

/** @param {{ roomId: string, trackIds: string[] }} fields @returns {Message} */
export const subscribe = ({ roomId, trackIds }) => ({ type: 'subscribe', roomId, trackIds });

/** @param {{ roomId: string, trackIds: string[] }} fields @returns {Message} */
export const unsubscribe = ({ roomId, trackIds }) => ({ type: 'unsubscribe', roomId, trackIds });

/** @param {{ roomId: string, trackId: string, rid: string | null }} fields @returns {Message} */
export const setLayer = ({ roomId, trackId, rid }) => ({ type: 'set-layer', roomId, trackId, rid });

/** @param {{ id?: string }} [fields] @returns {Message} */
export const ping = ({ id } = {}) => ({ type: 'ping', id });

/** Longest list of track ids that one `subscribe` or `unsubscribe` may carry. */
export const MAX_TRACK_IDS = 64;
