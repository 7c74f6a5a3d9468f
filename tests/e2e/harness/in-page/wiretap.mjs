/**
 * Runs in the page, before its own scripts: counts the types of the signalling messages, can cut the socket, and collects breaches of
 * the page's Content-Security-Policy.
 */
export function installWiretap() {
  const wiretap = {
    /** @type {WebSocket[]} */ sockets: [],
    /** @type {Record<string, number>} by type */ received: {},
    /** @type {Record<string, number>} by type */ sent: {},
    /** @type {string[]} */ violations: [],
    /** How often a message of this type has come. @param {string} type */
    count: (type) => wiretap.received[type] ?? 0,
  };
  /** @param {Record<string, number>} counts @param {unknown} data */
  const note = (counts, data) => {
    const { type } = JSON.parse(String(data));
    counts[type] = (counts[type] ?? 0) + 1;
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
      super.send(data);
    }
  };
  document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI, sample }) => {
    wiretap.violations.push(`${violatedDirective}: ${blockedURI} ${sample}`);
  });
  Object.assign(window, { wiretap });
}
