/**
 * Changes of a sender's parameters, one after the other.
 *
 * `setParameters` takes only what the last `getParameters` gave, and takes effect later: two changes at once would undo
 * one another, and one that meets a negotiation is refused. So each sender has a queue, and a refused change is made
 * again on fresh parameters.
 */

const ATTEMPTS = 3;

/** @type {WeakMap<RTCRtpSender, Promise<boolean>>} */
const queues = new WeakMap();

/**
 * @param {RTCRtpSender} sender
 * @param {(parameters: RTCRtpSendParameters) => boolean | void} change `false`: there is nothing to change
 * @returns {Promise<boolean>} whether the parameters are as wanted; never rejects
 */
export function updateParameters(sender, change) {
  const done = (queues.get(sender) ?? Promise.resolve(true)).then(() => attempt(sender, change));
  queues.set(sender, done);
  return done;
}

/**
 * @param {RTCRtpSender} sender
 * @param {(parameters: RTCRtpSendParameters) => boolean | void} change
 * @returns {Promise<boolean>}
 */
async function attempt(sender, change) {
  for (let left = ATTEMPTS; left > 0; left -= 1) {
    try {
      const parameters = sender.getParameters();
      if (change(parameters) === false) return true;
      await sender.setParameters(parameters);
      return true;
    } catch {
      // A negotiation came between, the connection is closed, or this browser does not know a field: its default
      // then holds.
    }
  }
  return false;
}
