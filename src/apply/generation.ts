import { encodeGenerationRequest, readGeneration } from '../nftables/element-dump.ts';
import type { NetlinkSocket, OpenNetlinkSocket } from './netlink-socket.ts';

/** Asks the kernel for its generation of rules, which grows by one with each transaction in a network namespace (K46). */
export interface GenerationReader {
  /** Rejects if no socket can be opened. */
  read(): Promise<number>;
  close(): void;
}

export function openGenerationReader(openSocket: OpenNetlinkSocket): GenerationReader {
  let opening: Promise<NetlinkSocket> | undefined;
  let sequence = 0;
  const close = (): void => {
    void opening?.then((socket) => socket.close()).catch(() => {});
    opening = undefined;
  };
  return {
    async read() {
      try {
        const socket = await (opening ??= openSocket());
        socket.ask(encodeGenerationRequest(++sequence));
        const answer = socket.receive();
        if (!answer) throw new Error('the kernel did not answer');
        return readGeneration(answer, sequence);
      } catch (error) {
        close();
        throw error;
      }
    },
    close,
  };
}
