import type { Packet } from '../../src/nftables/packet.ts';
import type { Hook, Ruleset } from '../../src/nftables/ruleset.ts';
import { trace } from '../../src/nftables/trace.ts';

/** Where an address lives: in a pod on a node, on a node itself, or outside the cluster. */
export type Place =
  | { readonly pod: true; readonly node: string }
  | { readonly pod: false; readonly node: string | undefined };

export interface Flow {
  readonly family: 'ipv4' | 'ipv6';
  readonly source: string;
  readonly destination: string;
  readonly protocol: string;
  readonly sourcePort?: number;
  readonly destinationPort?: number;
}

export type Orientation = 'original' | 'reply';

/** Which hooks of which nodes a flow's packets cross (S0.2, S5.1, S5.2, S5.7). */
export function hooksOf(source: Place, destination: Place): { node: string; hook: Hook }[] {
  if (!source.pod && !destination.pod) return [];
  if (source.pod && destination.pod) {
    const nodes = new Set([source.node, destination.node]);
    return [...nodes].map((node) => ({ node, hook: 'forward' }));
  }
  const [pod, other] = source.pod ? [source, destination] : [destination, source as Place];
  if (other.node !== pod.node) return [{ node: pod.node!, hook: 'forward' }];
  return [{ node: pod.node!, hook: source.pod ? 'input' : 'output' }];
}

const mirroredHook: Readonly<Record<Hook, Hook>> = { forward: 'forward', input: 'output', output: 'input' };

/** Whether every node on the way lets a packet of the flow pass. */
export function passes(
  rulesets: Readonly<Record<string, Ruleset>>,
  flow: Flow,
  places: { source: Place; destination: Place },
  orientation: Orientation,
): boolean {
  const packet: Omit<Packet, 'hook'> =
    orientation === 'original'
      ? {
          ...flow,
          ctState: 'new',
          direction: 'original',
          tcpSyn: true,
          sctpInit: true,
          hopLimit: 64,
          icmpType: flow.family === 'ipv4' ? 8 : 128,
        }
      : {
          ...flow,
          source: flow.destination,
          destination: flow.source,
          ...(flow.destinationPort === undefined
            ? {}
            : { sourcePort: flow.destinationPort, destinationPort: flow.sourcePort! }),
          ctState: 'established',
          direction: 'reply',
          tcpSyn: false,
          sctpInit: false,
          hopLimit: 64,
          icmpType: flow.family === 'ipv4' ? 0 : 129,
        };
  return hooksOf(places.source, places.destination).every(({ node, hook }) => {
    const seenAt = orientation === 'original' ? hook : mirroredHook[hook];
    return trace(rulesets[node]!, { ...packet, hook: seenAt }).verdict === 'accept';
  });
}
