import { encodeConnectionsRequest, readConnections, type TrackedConnection } from '../nftables/conntrack-dump.ts';
import type { NetlinkSocket, OpenNetlinkSocket } from './netlink-socket.ts';

/** Reads all tracked connections of this network namespace in parts, as slowly as the caller likes. */
export interface ConnectionReader {
  /** Begins a look at all connections. Rejects if there is no socket, or if the kernel refuses. */
  begin(): Promise<void>;
  /** Reads some 150 connections. Returns true after the last. Throws if the answer is not as expected: then `begin` opens another socket. */
  readPart(into: TrackedConnection, visit: () => void): boolean;
  close(): void;
}

/**
 * The kernel fills the next datagram of a dump when one is read (`netlink_recvmsg` of af_netlink.c), and holds no lock in between. So a look may take a minute, and
 * meets each connection that lives longer than that at least once.
 */
export function openConnectionReader(openSocket: OpenNetlinkSocket): ConnectionReader {
  let socket: NetlinkSocket | undefined;
  let sequence = 0;
  const close = (): void => {
    socket?.close();
    socket = undefined;
  };
  return {
    async begin() {
      socket ??= await openSocket();
      try {
        socket.ask(encodeConnectionsRequest(++sequence));
      } catch (error) {
        close();
        throw error;
      }
    },
    readPart(into, visit) {
      try {
        const datagram = socket?.receive();
        if (!datagram) throw new Error('the kernel did not answer');
        return readConnections(datagram, sequence, into, visit);
      } catch (error) {
        close();
        throw error;
      }
    },
    close,
  };
}
