import { openElementReader } from '../../apply/element-reader.ts';
import { noElementWriter, openElementWriter, type ElementWriter } from '../../apply/element-writer.ts';
import type { Enter, NetworkNamespace } from '../../apply/network-namespace.ts';
import { createNft, type Nft } from '../../apply/nft.ts';
import { elementsIn, type Ruleset } from '../../nftables/ruleset.ts';
import { tablesUnlike } from '../../plan/plan.ts';
import { nftKernelTables, type KernelTables, type Writer } from '../kernel-tables.ts';
import { readTables } from '../read-tables.ts';
import type { Turn } from './turns.ts';

export interface PodKernelOptions {
  readonly namespace: NetworkNamespace;
  readonly netlink: boolean;
  /** What the agent last wrote; `undefined` if that is not known. */
  readonly written: () => Ruleset | undefined;
  readonly turns: PodTurns;
  readonly wrote: (by: Writer) => void;
}

/** Runs the work of all pods: not all at once. What pods cause by writing themselves has turns of its own. */
export interface PodTurns {
  readonly write: Turn;
  readonly compare: Turn;
}

export interface PodKernel extends KernelTables {
  readonly nft: Nft;
  /** Reads all of our tables, within the same limits, without waiting for a turn. Rejects if that fails. */
  read(signal: AbortSignal): Promise<Ruleset | undefined>;
  close(): void;
}

const mebibyte = 1 << 20;
/** What an element may take in the answers of the kernel. */
const bytesOfElement = 256;

/** nft in the network namespace of a pod, which may have written anything of any size there. */
export function createPodNft(enter: Enter): Nft {
  return createNft({ enter, timeoutMs: 10_000, maxBytes: 8 * mebibyte });
}

/**
 * Our tables in the network namespace of a pod. A pod with CAP_NET_ADMIN may have written anything there. So the agent reads, within limits, only to compare with what it wrote.
 * If the tables differ, their content counts as unknown, and the next plan writes all of it anew.
 */
export function openPodKernel({ namespace, netlink, written, turns, wrote }: PodKernelOptions): PodKernel {
  const { enter, openSocket } = namespace;
  const nft = createPodNft(enter);
  const mostBytes = (): number => mebibyte + bytesOfElement * elementsIn(written());
  const reader = openElementReader({ openSocket, mostBytes });
  const writer: ElementWriter = netlink ? openElementWriter({ openSocket }) : noElementWriter;
  const kernel = nftKernelTables(nft, { writer, wrote });
  const read = (signal: AbortSignal): Promise<Ruleset | undefined> => readTables(nft, reader, signal);
  return {
    nft,
    read,
    async observe(signal) {
      const expected = written();
      if (!expected) return undefined;
      const found = await turns.compare(() => read(signal)).catch(() => undefined);
      return tablesUnlike(expected, found).length === 0 ? expected : undefined;
    },
    observeChain: (family, name, signal) => kernel.observeChain(family, name, signal),
    run: (operations, options) => turns.write(() => kernel.run(operations, options)),
    close: () => writer.close(),
  };
}
