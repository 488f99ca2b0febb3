/** Programs for `node -e` that make a fault on a node. They print a line when it is made, which whoever starts them waits for. */

const ready = "() => process.stdout.write('ready\\n')";

/** A cache of names as node-local DNS is one: it has the address, and answers nothing. */
export const nameCache = `require('node:dgram').createSocket('udp4').bind(53, '169.254.20.10', ${ready})`;

/** An API server whose clock is an hour ahead, where an agent in a lab expects its own. */
export const hastyApiServer = `require('node:http').createServer((_, response) => {
  response.setHeader('date', new Date(Date.now() + 3600e3).toUTCString());
  response.end('{"items": []}');
}).listen(6443, '127.0.0.1', ${ready})`;
