/**
 * Runs in the page, before its own scripts: counts the types of the signalling messages, can cut the socket, and collects breaches of
 * the page's Content-Security-Policy.
 */
export function installWiretap() {
  const TAIL = 200;
  const wiretap = {
    /** @type {WebSocket[]} */ sockets: [],
    /** @type {Record<string, number>} by type, errors by `error:<code>` */ received: {},
    /** @type {Record<string, number>} by type */ sent: {},
    /** @type {string[]} */ violations: [],
    /** The last messages of both directions. @type {string[]} */ tail: [],
    /** How long each message to the server is held back; their order stays. */ latencyMs: 0,
    /** How often a message of this type has come. @param {string} type */
    count: (type) => wiretap.received[type] ?? 0,
  };
  /** @param {Record<string, number>} counts @param {unknown} data */
  const note = (counts, data) => {
    wiretap.tail.push(`${counts === wiretap.sent ? '>' : '<'} ${String(data)}`);
    wiretap.tail.splice(0, wiretap.tail.length - TAIL);
    const { type, code } = JSON.parse(String(data));
    const key = type === 'error' ? `error:${code}` : type;
    counts[key] = (counts[key] ?? 0) + 1;
  };

  window.WebSocket = class extends WebSocket {
    /** @param {string | URL} url @param {string | string[]} [protocols] */
    constructor(url, protocols) {
      super(url, protocols);
      wiretap.sockets.push(this);
      this.addEventListener('message', ({ data }) => note(wiretap.received, data));
    }

    /** @param {string} data */
    send(data) {
      note(wiretap.sent, data);
      if (wiretap.latencyMs === 0) super.send(data);
      else setTimeout(() => super.send(data), wiretap.latencyMs);
    }
  };
  document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI, sample }) => {
    wiretap.violations.push(`${violatedDirective}: ${blockedURI} ${sample}`);
  });
  Object.assign(window, { wiretap });
}
