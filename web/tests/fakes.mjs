/**
 * Stand-ins for the browser and the server.
 *
 * `FakePeerConnection` keeps the signalling states of the specification and refuses every step that they forbid, so that a wrong
 * order in the negotiation is an exception. `FakeServer` is the impolite side: one outstanding offer at a time, `glare` for a client's
 * offer that crosses it.
 */

export class FakePeerConnection {
  signalingState = 'stable';
  connectionState = 'new';
  localDescription = null;
  remoteDescription = null;
  #created = 0;
  log = [];

  async setLocalDescription(description) {
    await tick();
    if (description?.type === 'rollback') {
      this.#require('have-local-offer');
      this.#enter('stable', 'rollback');
    } else if (this.signalingState === 'have-remote-offer') {
      this.localDescription = { type: 'answer', sdp: `answer to ${this.remoteDescription.sdp}` };
      this.#enter('stable', 'local answer');
    } else {
      this.#require('stable');
      this.#created += 1;
      this.localDescription = { type: 'offer', sdp: `client offer ${this.#created}` };
      this.#enter('have-local-offer', 'local offer');
    }
  }

  async setRemoteDescription(description) {
    await tick();
    if (description.type === 'offer') {
      this.#require('stable'); // no reliance on implicit rollback
      this.remoteDescription = description;
      this.#enter('have-remote-offer', 'remote offer');
    } else {
      this.#require('have-local-offer');
      if (!description.sdp.endsWith(this.localDescription.sdp)) throw new Error(`${description.sdp} does not answer ${this.localDescription.sdp}`);
      this.remoteDescription = description;
      this.#enter('stable', 'remote answer');
    }
  }

  async addIceCandidate() {}

  #require(state) {
    if (this.signalingState !== state) throw new Error(`InvalidStateError: ${this.signalingState}, not ${state}`);
  }

  #enter(state, what) {
    this.signalingState = state;
    this.log.push(what);
  }
}

export class FakeServer {
  /** Messages under way to the server and to the client, delivered by hand. */
  toServer = [];
  toClient = [];
  outstanding = null;
  accepted = [];
  answered = [];
  #offers = 0;

  send = (message) => {
    this.toServer.push(message);
    return true;
  };

  offer() {
    this.#offers += 1;
    this.outstanding = this.#offers;
    this.toClient.push({ type: 'offer-received', offer: { type: 'offer', sdp: `server offer ${this.#offers}` }, from: 'server', negotiationId: this.#offers });
  }

  /** The server reads one message. */
  read() {
    const message = this.toServer.shift();
    if (message.type === 'offer') this.#onOffer(message);
    else if (message.type === 'answer') this.#onAnswer(message);
    return message;
  }

  #onOffer({ id, offer }) {
    if (this.outstanding !== null) {
      this.toClient.push({ type: 'error', code: 'glare', message: 'an offer is outstanding', id });
      return;
    }
    this.accepted.push(offer.sdp);
    this.toClient.push({ type: 'answer-received', answer: { type: 'answer', sdp: `answer to ${offer.sdp}` }, from: 'server', id });
  }

  #onAnswer({ id, negotiationId, answer }) {
    if (negotiationId !== this.outstanding) {
      this.toClient.push({ type: 'error', code: 'no-offer', message: 'no offer is outstanding', id });
      return;
    }
    this.outstanding = null;
    this.answered.push(answer.sdp);
  }
}

/** Lets everything that is ready run. */
export function tick() {
  return new Promise((resolve) => setImmediate(resolve));
}
