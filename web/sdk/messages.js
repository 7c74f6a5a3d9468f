/**
 * Every message this client sends, built in one place; the golden files under `signaling/protocol/` are checked against it.
 *
 * Undefined fields vanish in JSON, so optional values are passed through as they are.
 */

/** @typedef {{ type: string, [field: string]: any }} Message */

/**
 * @typedef {object} Credentials what lets somebody into a room, as far as the room asks for it
 * @property {string} [token] a JSON Web Token of the application's own server
 * @property {string} [hostSecret] given to the creator of a room
 * @property {string} [invite] admits one person once
 * @property {string} [password]
 * @property {string} [guestKey] 16 to 128 characters of a secret of this browser's own: the same guest at the next visit
 */

/** @param {{ roomId: string, displayName?: string, autoSubscribe?: boolean, id?: string } & Credentials} fields @returns {Message} */
export const joinRoom = ({ roomId, displayName, autoSubscribe = true, token, hostSecret, invite, password, guestKey, id }) => ({
  type: 'join-room', id, roomId, displayName, followsBindings: true, autoSubscribe, token, hostSecret, invite, password, guestKey,
});

/** @param {{ resumeToken: string, received: number, id?: string }} fields @returns {Message} */
export const resume = ({ resumeToken, received, id }) => ({ type: 'resume', id, resumeToken, received });

/** @param {{ roomId: string, id?: string }} fields @returns {Message} */
export const leaveRoom = ({ roomId, id }) => ({ type: 'leave-room', id, roomId });

/**
 * @param {{ roomId: string, text: string, replyTo?: string | null, to?: string | null, fileId?: string | null, nonce?: string, id?: string }} fields
 * @returns {Message} `to` is the one participant who is to see it
 */
export const sendMessage = ({ roomId, text, replyTo, to, fileId, nonce, id }) => ({
  type: 'send-message', id, roomId, text, replyTo: replyTo ?? undefined, to: to ?? undefined, fileId: fileId ?? undefined, nonce,
});

/** @param {{ roomId: string, messageId: string, text: string, id?: string }} fields @returns {Message} */
export const editMessage = ({ roomId, messageId, text, id }) => ({ type: 'edit-message', id, roomId, messageId, text });

/** @param {{ roomId: string, messageId: string, id?: string }} fields @returns {Message} */
export const deleteMessage = ({ roomId, messageId, id }) => ({ type: 'delete-message', id, roomId, messageId });

/** @param {{ roomId: string, messageId: string, emoji: string, on: boolean, id?: string }} fields @returns {Message} */
export const react = ({ roomId, messageId, emoji, on, id }) => ({ type: 'react', id, roomId, messageId, emoji, on });

/** @param {{ roomId: string, before?: number, after?: number, limit?: number, id?: string }} fields @returns {Message} */
export const getMessages = ({ roomId, before, after, limit, id }) => ({ type: 'get-messages', id, roomId, before, after, limit });

/** Goes over the data channel only. @param {{ count: number }} fields frames received on it since it opened @returns {Message} */
export const chatReceived = ({ count }) => ({ type: 'chat-received', count });

/** @param {{ roomId: string, token: string, id?: string }} fields @returns {Message} */
export const renewToken = ({ roomId, token, id }) => ({ type: 'renew-token', id, roomId, token });

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

/** @param {{ roomId: string, views: import('./views.js').TrackView[] }} fields @returns {Message} */
export const setView = ({ roomId, views }) => ({
  type: 'set-view',
  roomId,
  views: views.map(({ trackId, visible, width, height, pinned }) => ({ trackId, visible, width, height, pinned })),
});

/** @param {{ id?: string }} [fields] @returns {Message} */
export const ping = ({ id } = {}) => ({ type: 'ping', id });

/** Longest list of track ids that one `subscribe` or `unsubscribe` may carry. */
export const MAX_TRACK_IDS = 64;

/** Longest list of one `set-view`. */
export const MAX_VIEWS = 96;
