import { closeSync, openSync } from 'node:fs';
import { load } from 'koffi';
import { openNetlinkSocket, type OpenNetlinkSocket } from '../../src/apply/netlink-socket.ts';

/** CLONE_NEWNET. */
const network = 0x4000_0000;
const setns = load(null).func('setns', 'int', ['int', 'int']) as (fd: number, type: number) => number;

/** Opens sockets in a network namespace. A socket stays in the namespace in which its thread was. */
export function openNetlinkIn(namespacePath: string): OpenNetlinkSocket {
  return async () => {
    const own = openSync('/proc/thread-self/ns/net', 'r');
    try {
      enter(namespacePath);
      return await openNetlinkSocket();
    } finally {
      enter(own);
      closeSync(own);
    }
  };
}

function enter(namespace: string | number): void {
  const fd = typeof namespace === 'number' ? namespace : openSync(namespace, 'r');
  if (setns(fd, network) !== 0) throw new Error('could not enter a network namespace');
  if (fd !== namespace) closeSync(fd);
}
