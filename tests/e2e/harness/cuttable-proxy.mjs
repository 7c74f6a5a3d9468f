/**
 * A TCP relay in front of the server's web port that can be cut: connections break without a goodbye, as on a train in a tunnel.
 * Media goes past it, directly to the server.
 */
import { connect, createServer } from 'node:net';
import { once } from 'node:events';
import { freePort } from './server.mjs';

export class CuttableProxy {
  /** @type {Set<import('node:net').Socket>} */ #sockets = new Set();
  #cut = false;

  /** @param {import('./server.mjs').Server} server */
  static async before(server) {
    const proxy = new CuttableProxy(server.httpPort, await freePort());
    proxy.listener.listen(proxy.port, '127.0.0.1');
    await once(proxy.listener, 'listening');
    return proxy;
  }

  /** @param {number} serverPort @param {number} port */
  constructor(serverPort, port) {
    this.port = port;
    this.origin = `http://127.0.0.1:${port}`;
    this.listener = createServer((inner) => {
      if (this.#cut) {
        inner.destroy();
        return;
      }
      const outer = connect(serverPort, '127.0.0.1');
      for (const [socket, other] of [[inner, outer], [outer, inner]]) {
        this.#sockets.add(socket);
        socket.on('error', () => other.destroy());
        socket.on('close', () => {
          this.#sockets.delete(socket);
          other.destroy();
        });
      }
      inner.pipe(outer).pipe(inner);
    });
  }

  /** Breaks every connection; new ones fail until `mend`. */
  cut() {
    this.#cut = true;
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  mend() {
    this.#cut = false;
  }

  close() {
    this.cut();
    this.listener.close();
  }
}
