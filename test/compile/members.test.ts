import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { defaultLimits } from '../../src/compile/class-shape.ts';
import { renderRuleset } from '../../src/nftables/render.ts';
import { Pipeline } from '../../src/pipeline.ts';
import { removeOf, startPipeline, syncedEvents, upsertOf, type ApiObject } from '../support/pipeline.ts';

const apps = ['a', 'b', 'c'] as const;
const app = (name: string) => ({ podSelector: { matchLabels: { app: name } } });
const tcp = (port: number, endPort?: number) => ({ protocol: 'TCP', port, ...(endPort && { endPort }) });
const named = { protocol: 'TCP', port: 'web' };

function policy(name: string, selects: string, rules: readonly object[], egress: readonly object[] = []): ApiObject {
  const spec = {
    podSelector: { matchLabels: { is: selects } },
    policyTypes: ['Ingress', 'Egress'],
    ingress: rules,
    egress,
  };
  return { kind: 'NetworkPolicy', metadata: { namespace: 'x', name, uid: name }, spec };
}

/** Groups behind exact ports, ranges, every port, merged with others, named in the peer's own way, and too large to be written out. */
const policies = [
  policy('exact', 'one', [
    { from: [app('a')], ports: [tcp(80), tcp(81)] },
    { from: [app('b')], ports: [tcp(81)] },
  ]),
  policy('merged', 'one', [{ from: [app('b'), app('c')], ports: [tcp(90)] }, { from: [app('c')] }]),
  policy('ranges', 'two', [{ from: [app('a'), { ipBlock: { cidr: '10.0.0.0/8' } }], ports: [tcp(1000, 2000)] }]),
  policy(
    'also',
    'two',
    [{ from: [app('b')], ports: [tcp(80), tcp(82)] }],
    [{ to: [app('c')], ports: [named, tcp(70)] }],
  ),
];
const local = ['one', 'two', 'one'].map((is, index): ApiObject => ({
  kind: 'Pod',
  metadata: { namespace: 'x', name: `local-${index}`, uid: `local-${index}`, labels: { is } },
  spec: { nodeName: 'n1' },
  status: { podIPs: [{ ip: `10.1.0.${index + 1}` }, { ip: `fd01::${index + 1}` }] },
}));
const namespace: ApiObject = { kind: 'Namespace', metadata: { name: 'x', uid: 'x' } };

interface Peer {
  readonly number: number;
  readonly app: string | undefined;
  readonly host: number;
}

/** Some share an address by turns, so that it goes from one to another. */
const peers = fc.record({
  number: fc.nat(40),
  app: fc.option(fc.constantFrom(...apps), { nil: undefined }),
  host: fc.nat(30),
});

function peerPod({ number, app: label, host }: Peer): ApiObject {
  return {
    kind: 'Pod',
    metadata: { namespace: 'x', name: `peer-${number}`, uid: `peer-${number}`, labels: label ? { app: label } : {} },
    spec: { nodeName: 'n2', containers: [{ ports: [{ name: 'web', containerPort: 8000 + (number % 3) }] }] },
    status: { podIPs: [{ ip: `10.2.0.${host + 1}` }, { ip: `fd02::${(host + 1).toString(16)}` }] },
  };
}

const limits = { ...defaultLimits, product: 6, sharedRules: 1 };

describe('members that come and go', function () {
  this.timeout(0);

  it('end in the rule set that is compiled from nothing, however many changes lie between two runs', () => {
    let incremental = 0;
    // More between two runs than a group remembers, too.
    const runs = fc.array(fc.array(peers, { minLength: 1, maxLength: 300, size: 'max' }), {
      minLength: 1,
      maxLength: 5,
    });
    fc.assert(
      fc.property(runs, (changes) => {
        const pipeline = new Pipeline('n1', { limits });
        for (const object of [namespace, ...policies, ...local]) pipeline.receive(upsertOf(object));
        for (const event of syncedEvents()) pipeline.receive(event);
        let applied = pipeline.plan(undefined).result;
        const there = new Map<number, ApiObject>();
        for (const batch of changes) {
          for (const peer of batch) {
            const object = peerPod(peer);
            if (there.has(peer.number) && peer.app === undefined) {
              there.delete(peer.number);
              pipeline.receive(removeOf(object));
            } else {
              there.set(peer.number, object);
              pipeline.receive(upsertOf(object));
            }
          }
          const plan = pipeline.plan(applied);
          const fresh = startPipeline('n1', [namespace, ...policies, ...local, ...there.values()], { limits });
          assert.equal(renderRuleset(plan.compiled.ruleset), renderRuleset(fresh.plan(undefined).compiled.ruleset));
          applied = plan.result;
          incremental += plan.compiled.counts.builtClasses;
        }
        assert.deepEqual(pipeline.plan(applied).stages, []);
      }),
      { numRuns: 60 },
    );
    assert.ok(incremental > 150, `${incremental} classes built`);
  });
});
