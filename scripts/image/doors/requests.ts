// What client-node sends its own requests with. The watch room sends ours with node:https, and nothing comes by here.
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
