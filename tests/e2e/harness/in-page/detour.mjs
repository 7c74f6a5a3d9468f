/**
 * Runs in the page, before its own scripts: the page's connections are told other ports for the server's, in
 * descriptions and in candidates that come alone. Candidates of TCP, and of ports that are not named, are left out.
 *
 * @param {Record<string, number>} ports by port of the server
 */
export function installDetour(ports) {
  /** `null` for one that is left out. @param {string} candidate as in `a=candidate:` */
  const redirect = (candidate) => {
    const fields = candidate.trim().split(' ');
    const port = ports[fields[5]];
    if (fields[2]?.toLowerCase() !== 'udp' || port === undefined) return null;
    fields[4] = '127.0.0.1';
    fields[5] = String(port);
    return fields.join(' ');
  };
  /** @param {string} line */
  const redirectLine = (line) => (line.startsWith('a=candidate:') ? redirect(line) : line);

  // Their older signatures, with callbacks, hide the ones that are used.
  const { setRemoteDescription, addIceCandidate } = /** @type {any} */ (RTCPeerConnection.prototype);
  Object.assign(RTCPeerConnection.prototype, {
    /** @this {RTCPeerConnection} @param {RTCSessionDescriptionInit} description */
    setRemoteDescription({ type, sdp = '' }) {
      const lines = sdp.split('\r\n').map(redirectLine).filter((line) => line !== null);
      return setRemoteDescription.call(this, { type, sdp: lines.join('\r\n') });
    },
    /** @this {RTCPeerConnection} @param {RTCIceCandidateInit | null} [init] */
    async addIceCandidate(init) {
      if (!init?.candidate) return addIceCandidate.call(this, init);
      const candidate = redirect(init.candidate);
      if (candidate !== null) await addIceCandidate.call(this, { ...init, candidate });
    },
  });
}
