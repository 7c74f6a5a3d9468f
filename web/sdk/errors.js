/**
 * The one error type of the SDK.
 *
 * `code` is either a code of the wire protocol (`room-full`, `rate-limited`, …) or one of the client's own: `unreachable`, `timeout`,
 * `closed`, `media-failed`, `permission-denied`, `device-missing`, `device-busy`, `insecure-context`, `unsupported`, `cancelled`.
 */
export class ParlorError extends Error {
  /**
   * @param {string} code
   * @param {string} [message]
   * @param {{ field?: string, retryAfter?: number }} [details]
   */
  constructor(code, message, { field, retryAfter } = {}) {
    super(message ?? code);
    this.name = 'ParlorError';
    this.code = code;
    /** The field that is to blame, if it is one. @type {string | null} */
    this.field = field ?? null;
    /** Seconds after which it may work, if the server knows. @type {number | null} */
    this.retryAfter = retryAfter ?? null;
  }

  /**
   * Wraps anything that was thrown; a `ParlorError` stays what it is.
   *
   * @param {unknown} cause
   * @param {string} code used when `cause` has no code of its own
   */
  static from(cause, code = 'internal') {
    if (cause instanceof ParlorError) return cause;
    return new ParlorError(code, cause instanceof Error ? cause.message : String(cause));
  }

  /** The refusal that an `error` of the wire tells of. @param {import('./messages.js').Message} wire */
  static ofWire({ code, message, field, retryAfterSeconds }) {
    return new ParlorError(String(code), message, { field, retryAfter: retryAfterSeconds });
  }
}

/** Failures that pass by themselves: the same request may succeed a moment later. */
const TRANSIENT = new Set(['unreachable', 'timeout', 'closed', 'rate-limited', 'server-busy', 'store-unavailable', 'internal']);

/** @param {string} code */
export function isTransient(code) {
  return TRANSIENT.has(code);
}
