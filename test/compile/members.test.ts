import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { defaultLimits } from '../../src/compile/shape-limits.ts';
import { Compiler, type Compiled } from '../../src/compile/compile.ts';
import { Indexer } from '../../src/indexer/indexer.ts';
import { renderRuleset } from '../../src/nftables/render.ts';
import type { Ruleset } from '../../src/nftables/ruleset.ts';
import { Pipeline } from '../../src/pipeline.ts';
import { sandbox } from '../support/objects.ts';
import { keyOf, removeOf, startPipeline, syncedEvents, upsertOf, type ApiObject } from '../support/pipeline.ts';

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
function localPod(index: number, is: string): ApiObject {
  return {
    kind: 'Pod',
    metadata: { namespace: 'x', name: `local-${index}`, uid: `local-${index}`, labels: { is } },
    spec: { nodeName: 'n1' },
    status: { podIPs: [{ ip: `10.1.0.${index + 1}` }, { ip: `fd01::${index + 1}` }] },
  };
}

const local = ['one', 'two', 'one'].map((is, index) => localPod(index, is));
/** By a device of its own, by a port of a bridge, and by what nobody knows. */
const sandboxes = [{ device: 'veth0' }, { device: 'cni0', port: 'veth1' }, undefined].map((link, index) =>
  sandbox(`x/local-${index}`, {
    uid: `local-${index}`,
    ips: [`10.1.0.${index + 1}`, `fd01::${index + 1}`],
    ...(link && { link }),
  }),
);
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

const limits = { ...defaultLimits, maxTuples: 6, maxSharedLookups: 1 };

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
      fc.property(runs, fc.boolean(), (changes, isLookedAt) => {
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
            // As the agent does after each event. More groups have changed between two plans, then, than are told one by one.
            if (isLookedAt) void pipeline.snapshot;
          }
          const plan = pipeline.plan(applied);
          const fresh = startPipeline('n1', [namespace, ...policies, ...local, ...there.values()], { limits });
          const expected = renderRuleset(fresh.plan(undefined).compiled.ruleset);
          assert.equal(renderRuleset(plan.compiled.ruleset), expected);
          applied = plan.result;
          incremental += plan.compiled.counts.builtClasses;
        }
        assert.deepEqual(pipeline.plan(applied).stages, []);
      }),
      { numRuns: 60 },
    );
    assert.ok(incremental > 150, `${incremental} classes built`);
  });

  it('end so too where pods and policies of the node change in between, and where all is more than a node may hold', () => {
    const changes = fc.oneof(
      { weight: 6, arbitrary: peers },
      { weight: 1, arbitrary: fc.record({ local: fc.nat(2), is: fc.constantFrom('one', 'two', 'three') }) },
      {
        weight: 1,
        arbitrary: fc.record({ policy: fc.nat(policies.length - 1), isolates: fc.subarray(['Ingress', 'Egress']) }),
      },
    );
    const batches = fc.array(
      fc.record({
        changes: fc.array(changes, { minLength: 1, maxLength: 12 }),
        refused: fc.subarray(policies.slice(0, 2).map(keyOf), { maxLength: 1 }),
        probed: fc.option(fc.subarray(policies.map(keyOf))),
      }),
      { minLength: 3, maxLength: 12 },
    );
    const tightness = [
      { node: 1_000_000, most: 1_000_000 },
      { node: 60, most: 1_000_000 },
      { node: 10, most: 600 },
    ];
    const seen = { tight: 0, oversized: 0, kept: 0 };
    fc.assert(
      fc.property(batches, fc.constantFrom(...tightness), (all, { node, most }) => {
        const budgets = { policy: 10 * most, namespace: most, node: 10 * most };
        const options = { limits: { ...limits, maxNodeTuples: node }, budgets };
        const objects = new Map(
          [namespace, ...policies, ...local].map((each) => [`${each.kind} ${keyOf(each)}`, each]),
        );
        const start = (): Pipeline => {
          const pipeline = startPipeline('n1', objects.values(), options);
          for (const fact of sandboxes) pipeline.receive(fact);
          return pipeline;
        };
        const pipeline = start();
        const toggle = (object: ApiObject, isThere: boolean): void => {
          if (isThere) objects.set(`${object.kind} ${keyOf(object)}`, object);
          else objects.delete(`${object.kind} ${keyOf(object)}`);
          pipeline.receive(isThere ? upsertOf(object) : removeOf(object));
        };
        for (const batch of all) {
          for (const change of batch.changes) {
            if ('local' in change) toggle(localPod(change.local, change.is), true);
            else if ('policy' in change) {
              const object = policies[change.policy]!;
              // In no direction: it is not there.
              const spec = { ...(object['spec'] as object), policyTypes: change.isolates };
              toggle({ ...object, spec }, change.isolates.length > 0);
            } else toggle(peerPod(change), change.app !== undefined);
          }
          if (batch.probed) {
            const without = new Set(batch.probed);
            const { result } = pipeline.probe(undefined, without);
            assert.equal(renderRuleset(result), renderRuleset(start().plan(undefined, without).result));
          }
          const refused = new Set(batch.refused);
          const { compiled } = pipeline.plan(undefined, refused);
          const fresh = start().plan(undefined, refused).compiled;
          assert.equal(renderRuleset(compiled.ruleset), renderRuleset(fresh.ruleset));
          assert.deepEqual(compiled.localAddresses, fresh.localAddresses);
          assert.deepEqual(compiled.oversized, fresh.oversized);
          if (compiled.oversized.size > 0) seen.oversized++;
          else if (node < 1000) seen.tight++;
          if (compiled.counts.builtClasses < fresh.counts.builtClasses) seen.kept++;
        }
      }),
      { numRuns: 150 },
    );
    assert.ok(
      Object.values(seen).every((count) => count > 100),
      JSON.stringify(seen),
    );
  });

  it('make other chains where the class shares its groups from now on, also if as many sets are read', () => {
    const objects = [
      namespace,
      localPod(0, 'one'),
      policy('p', 'one', [{ from: [app('a'), app('b')], ports: [tcp(1000, 2000)] }]),
    ];
    const peer = (number: number) => peerPod({ number, app: 'a', host: number });
    const options = { limits: { ...defaultLimits, maxClassTuples: 2 } };
    const pipeline = startPipeline('n1', [...objects, peer(1), peer(2)], options);
    const before = renderRuleset(pipeline.plan(undefined).compiled.ruleset);
    pipeline.receive(upsertOf(peer(3)));
    const after = renderRuleset(pipeline.plan(undefined).compiled.ruleset);
    const fresh = startPipeline('n1', [...objects, peer(1), peer(2), peer(3)], options);
    assert.equal(after, renderRuleset(fresh.plan(undefined).compiled.ruleset));
    const setsIn = (text: string) => new Set(text.match(/pods[46]-\w+/g));
    assert.equal(setsIn(before).intersection(setsIn(after)).size, 0, 'no set of the other layout');
  });

  const growing = {
    'make others share their groups where all together no longer fit the node': {
      options: { limits: { ...defaultLimits, maxNodeTuples: 700 } },
      hasChanged: (before: Compiled, after: Compiled) => setNames(before, 'tuples4') > setNames(after, 'tuples4'),
    },
    'take their namespace over its budget together with classes that no change has touched': {
      options: { budgets: { policy: Infinity, namespace: 4_200, node: Infinity } },
      hasChanged: (before: Compiled, after: Compiled) => before.oversized.size < after.oversized.size,
    },
  };
  for (const [title, { options, hasChanged }] of Object.entries(growing)) {
    it(title, () => {
      const ports = Array.from({ length: 10 }, (_, index) => tcp(80 + 2 * index));
      const of = (name: string, selects: string) => policy(name, selects, [{ from: [app(name)], ports }]);
      const others = Array.from({ length: 30 }, (_, index) =>
        peerPod({ number: 100 + index, app: 'b', host: 100 + index }),
      );
      const objects = [namespace, localPod(0, 'one'), localPod(1, 'two'), of('a', 'one'), of('b', 'two'), ...others];
      const pipeline = startPipeline('n1', objects, options);
      const first = pipeline.plan(undefined).compiled;
      let last = first;
      for (let number = 0; number < 60; number++) {
        objects.push(peerPod({ number, app: 'a', host: number }));
        pipeline.receive(upsertOf(objects.at(-1)!));
        last = pipeline.plan(undefined).compiled;
        const fresh = startPipeline('n1', objects, options).plan(undefined).compiled;
        assert.equal(renderRuleset(last.ruleset), renderRuleset(fresh.ruleset));
        assert.deepEqual(last.oversized, fresh.oversized);
      }
      assert.equal(first.oversized.size, 0);
      assert.ok(hasChanged(first, last));
    });
  }

  it('are not taken for those of another Snapshot where it is not told what has changed', () => {
    const compiler = new Compiler({ limits });
    const [first, second] = [1, 2].map((number) =>
      startPipeline('n1', [namespace, ...policies, ...local, peerPod({ number, app: 'b', host: number })], { limits }),
    );
    compiler.compile(first!.snapshot);
    const fresh = second!.plan(undefined).compiled.ruleset;
    assert.equal(renderRuleset(compiler.compile(second!.snapshot).ruleset), renderRuleset(fresh));
  });

  it('are compiled again after a run that failed', () => {
    const indexer = new Indexer('n1');
    for (const object of [namespace, ...policies, ...local]) indexer.receive(upsertOf(object));
    const compiler = new Compiler({ limits });
    const compile = (reads: number): Ruleset =>
      indexer.drain((snapshot, delta) => {
        let left = reads;
        const groups = new Map(snapshot.groups);
        groups.get = (id) => {
          if (left-- === 0) throw new Error('failed');
          return snapshot.groups.get(id);
        };
        return compiler.compile({ ...snapshot, groups }, delta).ruleset;
      });
    compile(Infinity);
    // A member of one group comes in one change, and of another in the next.
    for (const label of ['b', 'a']) {
      indexer.receive(upsertOf(peerPod({ number: 1, app: label, host: 1 })));
      const expected = renderRuleset(new Compiler({ limits }).compile(indexer.snapshot()).ruleset);
      // At its first read, then at its second, and so on.
      let failures = 0;
      for (let ruleset: Ruleset | undefined; !ruleset; failures++) {
        try {
          ruleset = compile(failures);
          assert.equal(renderRuleset(ruleset), expected);
        } catch (error) {
          assert.equal((error as Error).message, 'failed');
        }
      }
      assert.ok(failures > 10, `${failures} failures`);
      assert.equal(renderRuleset(compile(Infinity)), expected);
    }
  });
});

/** How many sets of this kind there are. */
function setNames({ ruleset }: Compiled, kind: string): number {
  return [...ruleset.ip!.sets.keys()].filter((name) => name.startsWith(`${kind}-`)).length;
}
