import type { JsonObject } from '../lib/json.ts';
import { compareText, sorted } from '../lib/sort.ts';
import { foldBlocks, type InsideAddresses } from './blocks.ts';
import type { Anyone, Need, Peer, RulePort } from './peer.ts';

/** A run of ports becomes a range if it has so many. */
const leastRange = 3;

/** Writes rules that allow these needs, and nothing else but what `foldBlocks` adds: peers with the same ports share a rule. */
export function writeRules(
  needs: readonly Need[],
  direction: 'ingress' | 'egress',
  namespace: string,
  inside: InsideAddresses,
): JsonObject[] {
  const portsOf = new Map<string, { readonly peer: Peer | Anyone; readonly ports: Map<string, RulePort> }>();
  for (const { peer, port } of foldNeeds(needs, inside)) {
    const key = JSON.stringify(peer);
    const known = portsOf.get(key) ?? { peer, ports: new Map<string, RulePort>() };
    known.ports.set(`${port.protocol}/${port.port}`, port);
    portsOf.set(key, known);
  }
  const rules = Map.groupBy(portsOf.values(), ({ peer, ports }) =>
    [peer.kind === 'any', ...sorted(ports.keys())].join(' '),
  );
  const written = Array.from(rules.values(), (group) => {
    const peers = group
      .map(({ peer }) => peer)
      .filter((peer) => peer.kind !== 'any')
      .sort((a, b) => compareText(rankPeer(a, namespace), rankPeer(b, namespace)))
      .map((peer) => writePeer(peer, namespace));
    // A rule without peers allows all of them.
    return {
      ...(peers.length > 0 && { [direction === 'ingress' ? 'from' : 'to']: peers }),
      ports: writePorts([...group[0]!.ports.values()]),
    };
  });
  return written.sort((a, b) => compareText(JSON.stringify(a), JSON.stringify(b)));
}

/** Folds the blocks of each port. Where anyone may use a port, no other peer is named. */
function foldNeeds(all: readonly Need[], inside: InsideAddresses): Need[] {
  const ofAnyone = all.filter(({ peer }) => peer.kind === 'any');
  const open = new Set(ofAnyone.map(({ port }) => `${port.protocol}/${port.port}`));
  const needs = all.filter(({ port }) => !open.has(`${port.protocol}/${port.port}`));
  const ofPods = needs.filter(({ peer }) => peer.kind === 'pods');
  const byPort = Map.groupBy(
    needs.filter(({ peer }) => peer.kind === 'block'),
    ({ port }) => `${port.protocol}/${port.port}`,
  );
  const ofBlocks = [...byPort.values()].flatMap((same) => {
    const cidrs = same.flatMap(({ peer }) => (peer.kind === 'block' ? [peer.cidr] : []));
    return foldBlocks(cidrs, inside).map((cidr): Need => ({ peer: { kind: 'block', cidr }, port: same[0]!.port }));
  });
  return [...ofAnyone, ...ofPods, ...ofBlocks];
}

/** Own namespace, other namespaces, blocks. */
function rankPeer(peer: Peer, namespace: string): string {
  if (peer.kind === 'block') return `2 ${peer.cidr}`;
  return `${peer.namespace === namespace ? 0 : 1} ${peer.namespace} ${JSON.stringify(peer.labels)}`;
}

function writePeer(peer: Peer, namespace: string): JsonObject {
  if (peer.kind === 'block') return { ipBlock: { cidr: peer.cidr } };
  const pods = { podSelector: writeSelector(peer.labels) };
  if (peer.namespace === namespace) return pods;
  return { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': peer.namespace } }, ...pods };
}

export function writeSelector(labels: Readonly<Record<string, string>>): JsonObject {
  return Object.keys(labels).length === 0 ? {} : { matchLabels: labels };
}

/** Names first, then numbers; runs of three ports or more as a range. */
function writePorts(ports: readonly RulePort[]): JsonObject[] {
  const names = ports
    .filter(({ port }) => typeof port === 'string')
    .sort((a, b) => compareText(`${a.port} ${a.protocol}`, `${b.port} ${b.protocol}`))
    .map(({ port, protocol }) => ({ port, protocol }));
  const ofProtocol = Map.groupBy(
    ports.filter(({ port }) => typeof port === 'number'),
    ({ protocol }) => protocol,
  );
  const numbers = sorted(ofProtocol.keys()).flatMap((protocol) => {
    const all = ofProtocol.get(protocol as RulePort['protocol'])!.map(({ port }) => port as number);
    return runsOf(all.sort((a, b) => a - b)).flatMap(([first, last]): JsonObject[] =>
      last - first + 1 >= leastRange
        ? [{ port: first, endPort: last, protocol }]
        : Array.from({ length: last - first + 1 }, (_, index) => ({ port: first + index, protocol })),
    );
  });
  return [...names, ...numbers];
}

function runsOf(ascending: readonly number[]): [first: number, last: number][] {
  const runs: [number, number][] = [];
  for (const port of ascending) {
    const run = runs.at(-1);
    if (run && port === run[1] + 1) run[1] = port;
    else runs.push([port, port]);
  }
  return runs;
}
