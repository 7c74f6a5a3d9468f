/**
 * Runs in the page, before its own scripts: notes how long after `join-room` was sent each step of the way into the call was, and when
 * each picture of somebody else could first be seen.
 */
export function installFirstPictures() {
  let began = NaN;
  /** @type {Record<string, number>} milliseconds by step */ const steps = {};
  /** @type {Map<string, number>} milliseconds by id of the media track */ const pictures = new Map();
  /** @type {Set<string>} ids of media tracks that are received */ const received = new Set();
  /** @param {string} step the first time counts */
  const note = (step) => { steps[step] ??= performance.now() - began; };

  const { send } = WebSocket.prototype;
  /** @this {WebSocket} @param {any} data */
  WebSocket.prototype.send = function (data) {
    if (String(data).includes('"join-room"')) {
      began = performance.now();
      this.addEventListener('message', (event) => {
        const { type } = JSON.parse(String(event.data));
        note(type);
      });
    }
    if (String(data).includes('"sdp"')) note(`${JSON.parse(String(data)).type} sent`);
    send.call(this, data);
  };
  window.RTCPeerConnection = class extends RTCPeerConnection {
    /** @param {RTCConfiguration} [configuration] */
    constructor(configuration) {
      super(configuration);
      this.addEventListener('connectionstatechange', () => note(this.connectionState));
      this.addEventListener('track', ({ track }) => {
        received.add(track.id);
        note('first track');
      });
    }
  };
  // Media events do not bubble, but can be captured.
  document.addEventListener('loadeddata', ({ target }) => {
    const [video] = target instanceof HTMLVideoElement && target.srcObject instanceof MediaStream ? target.srcObject.getVideoTracks() : [];
    if (video && received.has(video.id) && !pictures.has(video.id)) pictures.set(video.id, performance.now() - began);
  }, true);
  Object.assign(window, { firstPictures: { steps, times: () => [...pictures.values()] } });
}
