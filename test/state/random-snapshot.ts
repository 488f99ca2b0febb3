import fc from 'fast-check';
import type { Link, NamedPort } from '../../src/model/cluster.ts';
import { directions, protocols, tiers, type Policy, type PolicyRule, type Selection } from '../../src/model/policy.ts';
import type { AddressGroup, LocalPod, Snapshot } from '../../src/model/snapshot.ts';

/** Of the right types, and otherwise whatever: names are any text, addresses need not fit together. */
const name = fc.string({ maxLength: 4, unit: 'grapheme' });
const names = fc.array(name, { maxLength: 3 });
const address = fc.oneof(fc.ipV4(), fc.ipV6());
const addresses = fc.array(address, { maxLength: 2 });
const direction = fc.constantFrom(...directions);
const protocol = fc.constantFrom(...protocols);
const portNumber = fc.integer({ min: 1, max: 65_535 });

const namedPort: fc.Arbitrary<NamedPort> = fc.record({ name, protocol, port: portNumber });
const ports = fc.array(namedPort, { maxLength: 2 });
const link: fc.Arbitrary<Link> = fc.record({ device: name, port: name }, { requiredKeys: ['device'] });

const selector = fc.array(
  fc.record({ key: name, operator: fc.constantFrom('In' as const, 'Exists' as const), values: names }),
  { maxLength: 2 },
);
const selection: fc.Arbitrary<Selection> = fc.record(
  {
    namespaces: fc.oneof(fc.constant('all' as const), fc.record({ name }), fc.record({ selector })),
    pods: selector,
    declares: fc.record({ name, protocol }),
  },
  { requiredKeys: ['namespaces', 'pods'] },
);

const value = fc.bigInt({ min: 0n, max: (1n << 128n) - 1n });
const range = fc.record({ family: fc.constantFrom('ipv4' as const, 'ipv6' as const), first: value, last: value });
const rule: fc.Arbitrary<PolicyRule> = fc.record({
  action: fc.constantFrom('Accept' as const, 'Deny' as const, 'Pass' as const),
  peers: fc.array(
    fc.oneof(
      fc.record({ kind: fc.constant('any' as const) }),
      fc.record({ kind: fc.constant('pods' as const), group: name }),
      fc.record({ kind: fc.constant('cidr' as const), ranges: fc.array(range, { maxLength: 2 }) }),
    ),
    { maxLength: 2 },
  ),
  ports: fc.array(
    fc.oneof(
      fc.record({ kind: fc.constant('range' as const), protocol, first: portNumber, last: portNumber }),
      fc.record({ kind: fc.constant('named' as const), name, protocol, declarers: name }),
    ),
    { maxLength: 2 },
  ),
});

const policy: fc.Arbitrary<Policy> = fc.record({
  id: name,
  tier: fc.constantFrom(...tiers),
  priority: fc.nat(1000),
  appliesTo: selection,
  isolates: setOf(direction),
  rules: fc.record({ ingress: fc.array(rule, { maxLength: 2 }), egress: fc.array(rule, { maxLength: 2 }) }),
  groups: mapOf(name, selection),
});

const localPod: fc.Arbitrary<LocalPod> = fc.record(
  { key: name, mirrorOf: name, addresses, links: mapOf(address, link), ports, policies: names },
  { requiredKeys: ['key', 'addresses', 'links', 'ports', 'policies'] },
);

const group: fc.Arbitrary<AddressGroup> = fc.record({
  id: name,
  members: mapOf(name, fc.record({ addresses, ports })),
});

/** Cloned, for what fast-check makes has no prototype, and what is read from text has the ordinary one. */
export const randomSnapshot: fc.Arbitrary<Snapshot> = fc
  .record({
    revision: fc.nat(),
    inSync: fc.boolean(),
    localPods: mapBy(localPod, ({ key }) => key),
    policies: mapBy(policy, ({ id }) => id),
    groups: mapBy(group, ({ id }) => id),
    denied: mapOf(address, setOf(direction)),
    deniedLinks: mapOf(address, link),
    gatedRanges: names,
    nodeAddresses: fc.record({ own: setOf(address), others: setOf(address), podCidrs: names }),
  })
  .map((snapshot) => structuredClone(snapshot));

function mapOf<V>(key: fc.Arbitrary<string>, each: fc.Arbitrary<V>): fc.Arbitrary<ReadonlyMap<string, V>> {
  return fc.array(fc.tuple(key, each), { maxLength: 3 }).map((entries) => new Map(entries));
}

function setOf<V>(each: fc.Arbitrary<V>): fc.Arbitrary<ReadonlySet<V>> {
  return fc.array(each, { maxLength: 2 }).map((values) => new Set(values));
}

function mapBy<V>(each: fc.Arbitrary<V>, key: (value: V) => string): fc.Arbitrary<ReadonlyMap<string, V>> {
  return fc.array(each, { maxLength: 3 }).map((values) => new Map(values.map((value) => [key(value), value])));
}
