/** A STUN server that answers binding requests of IPv4 (RFC 8489), and nothing else: node stun-responder.mjs ADDRESS PORT */
import { createSocket } from 'node:dgram';

const COOKIE = 0x2112a442;
const [address, port] = process.argv.slice(2);
const socket = createSocket('udp4');

socket.on('message', (request, { address: from, port: fromPort }) => {
  if (request.length < 20 || request.readUInt16BE(0) !== 0x0001 || request.readUInt32BE(4) !== COOKIE) return;
  const response = Buffer.alloc(32);
  response.writeUInt16BE(0x0101, 0);
  response.writeUInt16BE(12, 2);
  request.copy(response, 4, 4, 20);
  response.writeUInt16BE(0x0020, 20); // XOR-MAPPED-ADDRESS
  response.writeUInt16BE(8, 22);
  response.writeUInt8(0x01, 25);
  response.writeUInt16BE(fromPort ^ (COOKIE >>> 16), 26);
  const octets = Buffer.from(from.split('.').map(Number));
  response.writeUInt32BE((octets.readUInt32BE(0) ^ COOKIE) >>> 0, 28);
  socket.send(response, fromPort, from);
});
socket.bind(Number(port), address, () => console.log('ready'));
