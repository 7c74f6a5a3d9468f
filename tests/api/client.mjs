/** A participant without media: the protocol over a WebSocket, as docs/protocol.md has it. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { ROOT } from '../e2e/harness/paths.mjs';
import { eventually } from '../e2e/harness/wait.mjs';

const { WebSocket } = createRequire(join(ROOT, 'tests', 'e2e', 'package.json'))('ws');

export class Client {
  /** All that was said to it. @type {any[]} */ received = [];
  closed = false;

  /** @param {string} url of the server */
  constructor(url) {
    this.socket = new WebSocket(`${url.replace(/^http/, 'ws')}/ws`);
    this.socket.on('message', (/** @type {Buffer} */ data) => this.received.push(JSON.parse(data.toString())));
    this.socket.on('close', () => { this.closed = true; });
    this.socket.on('error', () => { this.closed = true; });
  }

  /** One that is in a room. @param {string} url @param {object} join the fields of `join-room` */
  static async join(url, join) {
    const client = new Client(url);
    await client.receives('hello');
    client.send({ type: 'join-room', ...join });
    client.joined = await client.receives('room-joined');
    client.roomId = client.joined.roomId;
    return client;
  }

  /** @param {object} message */
  send(message) {
    this.socket.send(JSON.stringify(message));
  }

  /** @param {string} text @param {object} [more] */
  say(text, more = {}) {
    this.send({ type: 'send-message', roomId: this.roomId, text, nonce: text.slice(0, 60), ...more });
  }

  /** The first message of a type, past or to come, that `is` the one. @param {string} type @param {(message: any) => boolean} [is] @returns {Promise<any>} */
  async receives(type, is = () => true) {
    let found;
    await eventually(`${type} comes`, () => {
      found = this.received.find((message) => message.type === type && is(message));
      const error = this.received.find((message) => message.type === 'error');
      if (!found && error) throw new Error(`an error came: ${error.code}: ${error.message}`);
      return found !== undefined;
    });
    return found;
  }

  close() {
    this.socket.terminate();
  }
}

/** A room and the secret of its host. @param {string} url @param {object} [settings] @param {string} [bearer] @returns {Promise<{ room: any, hostSecret: string }>} */
export async function createRoom(url, settings = {}, bearer) {
  return api(url, 'POST', '/api/rooms', { body: settings, bearer });
}

/** The answer's body; fails unless it is a success. @param {string} url @param {string} method @param {string} path @param {{ body?: object, bearer?: string }} [options] @returns {Promise<any>} */
export async function api(url, method, path, { body, bearer } = {}) {
  const headers = {
    ...(body ? { 'content-type': 'application/json' } : {}),
    ...(bearer ? { authorization: `Bearer ${bearer}` } : {}),
  };
  const response = await fetch(url + path, { method, headers, body: body && JSON.stringify(body) });
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
  return response.json();
}
