import type { Link, NodeFact, ResourceEvent } from '../../src/model/cluster.ts';
import { resourceNames } from '../../src/model/cluster.ts';
import { renderScript } from '../../src/nftables/render.ts';
import { Pipeline } from '../../src/pipeline.ts';
import { readIdentity } from '../../src/watch/decode.ts';
import { watchedResources } from '../../src/watch/resources.ts';
import { bridge, range, receiver, sender, type Layout } from './scene.ts';

/** What the node is told to enforce. */
export interface Variant {
  readonly name: string;
  /** Whether policies isolate both ends, and allow what is sent. */
  readonly isolated: boolean;
  readonly gate: boolean;
  readonly guard: boolean;
}

export const variants: readonly Variant[] = [false, true].flatMap((isolated) => {
  const ends = isolated ? 'both ends isolated' : 'no policy selects the ends';
  return [
    { name: `${ends}, without gate and guard`, isolated, gate: false, guard: false },
    { name: `${ends}, gate`, isolated, gate: true, guard: false },
    { name: `${ends}, gate and guard`, isolated, gate: true, guard: true },
  ];
});

/** Connection tracking alone, as a node with a service proxy has it anyway: what the others are compared with. */
export const baseline = `table inet base {
  chain forward { type filter hook forward priority 0; policy accept; ct state established accept; }
}
`;

/** The rules of a node with 250 other isolated pods, and the connection tracking of the baseline. */
export function rulesOf({ isolated, gate, guard }: Variant, layout: Layout): string {
  const pipeline = new Pipeline('n1', { gate, guard });
  for (const event of events(isolated, layout)) pipeline.receive(event);
  const { stages } = pipeline.plan(undefined);
  return baseline + stages.map(({ operations }) => renderScript(operations)).join('');
}

const neighbours = 250;

function* events(isolated: boolean, layout: Layout): Generator<ResourceEvent | NodeFact> {
  yield upsert('nodes', { metadata: { name: 'n1' }, spec: { podCIDRs: [range] } });
  yield upsert('namespaces', { metadata: { name: 'x' } });
  yield upsert('networkpolicies', policy('neighbours', 'neighbour'));
  if (isolated) yield upsert('networkpolicies', policy('ends', 'end'));
  const ends = [sender, receiver].map(({ address, device }) => ({ app: 'end', address, device }));
  const others = Array.from({ length: neighbours }, (_, i) => {
    return { app: 'neighbour', address: `10.99.1.${i + 1}`, device: `other-${i}` };
  });
  for (const { app, address, device } of [...ends, ...others]) {
    const uid = `uid-${device}`;
    const metadata = { namespace: 'x', name: device, uid, labels: { app } };
    yield upsert('pods', { metadata, spec: { nodeName: 'n1' }, status: { podIPs: [{ ip: address }] } });
    const link: Link = layout === 'bridged' ? { device: bridge, port: device } : { device };
    const sandbox = { id: device, namespace: 'x', name: device, uid, addresses: [address], link, live: true, order: 1 };
    yield { op: 'sandbox', id: device, value: sandbox };
  }
  for (const resource of resourceNames) yield { op: 'synced', resource };
}

/** Its pods may talk to each other on UDP port 9. */
function policy(name: string, app: string): object {
  const podSelector = { matchLabels: { app } };
  const ports = [{ protocol: 'UDP', port: 9 }];
  const spec = {
    podSelector,
    policyTypes: ['Ingress', 'Egress'],
    ingress: [{ from: [{ podSelector }], ports }],
    egress: [{ to: [{ podSelector }], ports }],
  };
  return { metadata: { namespace: 'x', name }, spec };
}

function upsert(resource: ResourceEvent['resource'], raw: object): ResourceEvent {
  const watched = watchedResources.find((each) => each.resource === resource)!;
  const identity = readIdentity(raw)!;
  const key = watched.namespaced ? `${identity.namespace}/${identity.name}` : identity.name;
  const { uid, resourceVersion, generation } = identity;
  return { op: 'upsert', resource, key, uid, resourceVersion, generation, ...watched.decode(raw, identity) };
}
