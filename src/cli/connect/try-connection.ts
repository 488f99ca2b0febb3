import { connect } from 'node:net';

/** Three tries of the kernel to send a SYN, after 0, 1 and 3 s: one lost packet is no verdict. */
const silenceMs = 4_000;

/** `allowed` if it opens, `denied` if nothing comes back, else the code of what did: `ECONNREFUSED`. */
export function tryConnection(to: { readonly host: string; readonly port: number }): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ ...to, autoSelectFamily: false });
    const end = (outcome: string): void => {
      socket.destroy();
      resolve(outcome);
    };
    socket.once('connect', () => end('allowed'));
    socket.once('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
    socket.setTimeout(silenceMs, () => end('denied'));
  });
}
