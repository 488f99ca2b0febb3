import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { Chain, Operation, Ruleset } from '../../src/nftables/ruleset.ts';
import { planStages, type Plan } from '../../src/plan/plan.ts';
import { clusterPolicy, namespace, pod, policy } from '../support/objects.ts';
import { removeOf, startPipeline, upsertOf, type ApiObject } from '../support/pipeline.ts';

const kinds = 110;
const policies = 100;
const each = <T>(count: number, make: (index: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i));
const team = (index: number): string => ['red', 'blue'][index % 2]!;

/** Each kind may talk to the next one only, so each local pod has a class of its own. */
const local = (kind: number): ApiObject =>
  pod(`red/l${kind}`, { ips: [`10.1.0.${kind + 1}`], labels: { kind: `${kind}` } });
const allowNext = (kind: number): ApiObject => {
  const next = [{ podSelector: { matchLabels: { kind: `${(kind + 1) % kinds}` } } }];
  return policy(`red/p${kind}`, {
    podSelector: { matchLabels: { kind: `${kind}` } },
    policyTypes: ['Ingress', 'Egress'],
    ingress: [{ from: next, ports: [{ port: 80 + kind }] }],
    egress: [{ to: next, ports: [{ port: 80 + kind }] }],
  });
};
/** For every pod, with one port of its own. */
const guard = (index: number): ApiObject => {
  const protocols = [{ tcp: { destinationPort: { number: index + 1 } } }];
  const peers = [{ namespaces: { matchLabels: { team: team(index) } } }];
  return clusterPolicy(`guard-${index}`, {
    priority: index,
    ingress: [{ action: ['Deny', 'Accept', 'Pass'][index % 3], from: peers, protocols }],
    egress: [
      { action: 'Accept', to: peers, protocols },
      { action: 'Deny', to: [{ networks: [`10.0.0.0/${8 + (index % 8)}`] }], protocols },
    ],
  });
};
const remote = (index: number): ApiObject =>
  pod(`${team(index)}/r${index}`, { node: 'n2', ips: [`10.3.0.${index}`], labels: { app: 'a' } });

function start(guards: number) {
  const objects = [
    ...[0, 1].map((index) => namespace(team(index), { team: team(index) })),
    ...[...each(kinds, local), ...each(kinds, allowNext), ...each(guards, guard), ...each(100, remote)],
  ];
  return startPipeline('n1', objects, { fastPath: true, podCidrs: ['10.1.0.0/24'] });
}

/** How many names a plan gives to the kernel: of elements, and of objects that it makes or deletes. */
const sizeOf = ({ stages }: Plan): number =>
  stages.flatMap(({ operations }) => operations).reduce((sum, operation) => sum + sizeOfOperation(operation), 0);

function sizeOfOperation(operation: Operation): number {
  if ('elements' in operation) return [...operation.elements].length;
  return operation.verb === 'add set' ? 1 + operation.set.elements.size : 1;
}

/** What the pod's event costs without ClusterNetworkPolicies and with them, and how many of their sets name it. */
function costOf(event: 'goes' | 'comes'): { readonly without: number; readonly with: number; readonly naming: number } {
  const [bare, guarded] = [0, policies].map((guards) => {
    const pipeline = start(guards);
    const all = pipeline.plan(undefined);
    pipeline.receive(removeOf(local(3)));
    const gone = pipeline.plan(all.result);
    if (event === 'goes') return { plan: gone, there: all.result };
    pipeline.receive(upsertOf(local(3)));
    return { plan: pipeline.plan(gone.result), there: all.result };
  });
  const judging = [...guarded!.there.ip!.sets.values()].filter(({ name }) => /^(allowed|else)-/.test(name));
  const naming = judging.reduce((sum, { elements }) => sum + [...elements].filter(isOfPod).length, 0);
  return { without: sizeOf(bare!.plan), with: sizeOf(guarded!.plan), naming };
}

const isOfPod = (element: string): boolean => element.split(' ')[0] === '10.1.0.4';

describe('the cost of a change with ClusterNetworkPolicies', function () {
  this.timeout(180_000);

  for (const event of ['goes', 'comes'] as const) {
    it(`adds what their sets say of a local pod, where one ${event} among ${kinds} classes that share them`, () => {
      const cost = costOf(event);
      assert.ok(cost.naming >= 10, `only ${cost.naming} elements name the pod`);
      assert.ok(cost.with - cost.without <= cost.naming + 2, JSON.stringify(cost));
    });
  }

  it('visits each of their chains once, however many classes lead to it', () => {
    const pipeline = start(policies);
    pipeline.receive(upsertOf(policy('red/from-blue', { ingress: [{ from: [{ namespaceSelector: {} }] }] })));
    const held = pipeline.plan(undefined);
    // Every class moves: all of them allow one port more. So what they read and what changes too gets another edition.
    pipeline.receive(upsertOf(policy('red/more', { ingress: [{ ports: [{ port: 9999 }] }] })));
    pipeline.receive(removeOf(remote(1)));
    const { ruleset } = pipeline.plan(held.result).compiled;
    const chains = new CountedMap(ruleset.ip!.chains);
    const desired: Ruleset = { ip: { ...ruleset.ip!, chains } };
    const { result } = planStages(desired, { ip: held.result.ip! });
    assert.ok(result.ip!.sets.keys().some((name) => name.endsWith('/2')));
    assert.ok(chains.reads < 20 * chains.size, `${chains.reads} reads of ${chains.size} chains`);
  });
});

class CountedMap extends Map<string, Chain> {
  reads = 0;
  override get(name: string): Chain | undefined {
    this.reads++;
    return super.get(name);
  }
}
