/** Programs for `node -e` that make a fault on a node. They print `ready` when the fault is in place; the caller waits for it. */

const ready = "() => process.stdout.write('ready\\n')";

/** A socket in place of node-local DNS: it has the address and never answers. */
export const nameCache = `require('node:dgram').createSocket('udp4').bind(53, '169.254.20.10', ${ready})`;

/** An API server whose clock is an hour ahead, at the address that an agent of a lab uses. */
export const hastyApiServer = `require('node:http').createServer((_, response) => {
  response.setHeader('date', new Date(Date.now() + 3600e3).toUTCString());
  response.end('{"items": []}');
}).listen(6443, '127.0.0.1', ${ready})`;
