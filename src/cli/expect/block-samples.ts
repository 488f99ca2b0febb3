import { textOf } from '../../evaluator/cluster.ts';
import type { Cluster } from '../../evaluator/cluster.ts';
import { subtractRanges } from '../../model/address.ts';
import type { AddressRange, Family } from '../../model/address.ts';

/** Addresses that policies do not tell apart: none belongs to a pod or node, and the same blocks of policies contain them. */
export interface Sample {
  /** The first address of the range that nobody in the cluster has. */
  readonly address: bigint;
  /** The range; it may contain addresses of pods and nodes. */
  readonly range: AddressRange;
}

/**
 * Cuts a block where blocks of policies begin and end. One address of each part then stands for all of the part, because policies select addresses outside of
 * the cluster by blocks alone. So the verdicts on the samples are the verdicts on all addresses of the block outside of the cluster.
 */
export function sampleBlock(cluster: Cluster, block: AddressRange, except: readonly AddressRange[]): Sample[] {
  const cuts = cutsOf(cluster, block.family);
  return subtractRanges(block, except).flatMap((part) =>
    cutRange(part, cuts).flatMap((range) => {
      const address = firstOutside(cluster, range);
      return address === undefined ? [] : [{ address, range }];
    }),
  );
}

/** The first addresses of parts, ascending. */
function cutsOf(cluster: Cluster, family: Family): readonly bigint[] {
  const rules = cluster.policies.all.flatMap(({ rules: each }) => [...each.ingress, ...each.egress]);
  const peers = rules.flatMap(({ peers: each }) => (each === 'any' ? [] : each));
  const ranges = peers.flatMap((peer) =>
    peer.kind === 'block' ? [peer.cidr.range, ...peer.except.map(({ range }) => range)] : [],
  );
  const own = ranges.filter((range) => range.family === family);
  return [...new Set(own.flatMap(({ first, last }) => [first, last + 1n]))].sort((a, b) => (a < b ? -1 : 1));
}

function cutRange({ family, first, last }: AddressRange, cuts: readonly bigint[]): AddressRange[] {
  const starts = [first, ...cuts.filter((cut) => cut > first && cut <= last)];
  return starts.map((start, index) => ({ family, first: start, last: (starts[index + 1] ?? last + 1n) - 1n }));
}

/** Looks at no more addresses than the cluster has. */
function firstOutside({ claimants, nodeAddresses, nodesAt }: Cluster, range: AddressRange): bigint | undefined {
  for (let value = range.first; value <= range.last; value++) {
    const text = textOf({ family: range.family, value });
    if (!claimants.has(text) && !nodeAddresses.has(text) && !nodesAt.has(text)) return value;
  }
  return undefined;
}
