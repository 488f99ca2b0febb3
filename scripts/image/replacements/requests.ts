// Replaces the HTTP library of client-node. The watch room sends requests with node:https, so nothing calls this.
function absent(): never {
  throw new Error('the bundle has only the credentials of client-node');
}

export {
  absent as createConfiguration,
  absent as ServerConfiguration,
  absent as of,
  absent as Agent,
  absent as ProxyAgent,
};
