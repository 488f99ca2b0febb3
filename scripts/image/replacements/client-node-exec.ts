// Separate from client-node.ts, so that the agent does not load a WebSocket.
export { KubeConfig } from '@kubernetes/client-node/dist/config.js';
export { Exec } from '@kubernetes/client-node/dist/exec.js';
