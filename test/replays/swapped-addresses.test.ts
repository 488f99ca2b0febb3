import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import type { NodeFact, ResourceEvent } from '../../src/model/cluster.ts';
import { renderRuleset } from '../../src/nftables/render.ts';
import type { Ruleset } from '../../src/nftables/ruleset.ts';
import { endOf, namespace, pod, policy, sandbox } from '../support/objects.ts';
import { compileNode, removeOf, startPipeline, upsertOf, type ApiObject } from '../support/pipeline.ts';
import { judge, type Question } from './compare.ts';

const restarts = Number(process.env['POSTERN_REPLAYS_RESTARTS'] ?? 500);

/** What a StatefulSet and its clients are: each pod keeps its name and labels, and gets other addresses each time. */
const names = ['db-0', 'db-1', 'web-0', 'web-1', 'idle-0'];
const rules = [
  policy('x/db', {
    podSelector: { matchLabels: { app: 'db' } },
    policyTypes: ['Ingress', 'Egress'],
    ingress: [{ from: [{ podSelector: { matchLabels: { app: 'web' } } }], ports: [{ port: 5432 }] }],
    egress: [{ to: [{ podSelector: { matchLabels: { app: 'db' } } }] }],
  }),
  policy('x/web', {
    podSelector: { matchLabels: { app: 'web' } },
    ingress: [{ from: [{ podSelector: { matchLabels: { app: 'idle' } } }] }],
  }),
];

/** Of this node, and stays; it lets those in that are `web` by now, wherever they are. */
const standing = pod('x/db-2', { ips: ['10.1.1.1', 'fd01:1::1'], labels: { app: 'db' } });
const itsSandbox = sandbox('x/db-2', { ips: ['10.1.1.1', 'fd01:1::1'] });
const unchanged = [namespace('x'), ...rules, standing];

interface Incarnation {
  readonly number: number;
  readonly ipv4: number;
  /** Of another number than the IPv4 address, so that the families change hands by themselves. */
  readonly ipv6: number;
}

/** Which pods restart together, who gets whose addresses of each family, and what of the old ones is told late. */
const story = fc.array(
  fc.record({
    pods: fc.subarray(names, { minLength: 1 }),
    turn4: fc.nat(),
    turn6: fc.nat(),
    endsLate: fc.boolean(),
  }),
  { minLength: 25, maxLength: 25 },
);

describe('pods that restart with the addresses of others (replay of k3s #10053)', function () {
  this.timeout(0);

  it(`have their own rules in both families after each of ${restarts} restarts`, () => {
    const verdicts = { allowed: 0, denied: 0 };
    let done = 0;
    fc.assert(
      fc.property(story, fc.boolean(), (waves, isLocal) => {
        const node = isLocal ? 'n1' : 'n2';
        const now = new Map(names.map((name, index) => [name, { number: 0, ipv4: index, ipv6: index }]));
        const pipeline = startPipeline('n1', unchanged);
        pipeline.receive(itsSandbox);
        const tell = (...events: readonly (ResourceEvent | NodeFact)[]): void =>
          events.forEach((event) => pipeline.receive(event));
        const both = (name: string, each: Incarnation): (ResourceEvent | NodeFact)[] => [
          ...(isLocal ? [sandboxOf(name, each)] : []),
          upsertOf(podOf(name, each, node)),
        ];
        for (const [name, each] of now) tell(...both(name, each));
        let applied: Ruleset | undefined = pipeline.plan(undefined).result;
        for (const { pods, turn4, turn6, endsLate } of waves) {
          const old = pods.map((name) => [name, now.get(name)!] as const);
          const next = old.map(([name, each], index) => {
            const from = (turn: number): Incarnation => old[(index + turn) % old.length]![1];
            return [name, { number: each.number + 1, ipv4: from(turn4).ipv4, ipv6: from(turn6).ipv6 }] as const;
          });
          const ends = old.flatMap(([name, each]) => (isLocal ? [endOf(sandboxOf(name, each))] : []));
          const gone = old.map(([name, each]) => removeOf(podOf(name, each, node)));
          if (!endsLate) tell(...ends, ...gone);
          // Made again under its name, a pod may be seen before anybody says that the other one has gone.
          for (const [name, each] of next) tell(...both(name, each));
          if (endsLate) tell(...ends);
          for (const [name, each] of next) now.set(name, each);
          const { result, compiled } = pipeline.plan(applied);
          applied = result;
          const objects = [...unchanged, ...[...now].map(([name, each]) => podOf(name, each, node))];
          const direct = startPipeline('n1', objects);
          direct.receive(itsSandbox);
          if (isLocal) for (const [name, each] of now) direct.receive(sandboxOf(name, each));
          const wanted = direct.plan(undefined).compiled.ruleset;
          assert.equal(renderRuleset(compiled.ruleset), renderRuleset(wanted));
          // What is told late is this node's matter; the other one knows.
          const n2 = compileNode('n2', objects);
          for (const each of questionsOf([...now.values()], isLocal))
            verdicts[judge(objects, { n1: applied, n2 }, each)]++;
          done += pods.length;
        }
      }),
      { numRuns: Math.ceil(restarts / 60) },
    );
    assert.ok(
      done >= restarts && verdicts.allowed > restarts && verdicts.denied > restarts,
      `${done} restarts, ${JSON.stringify(verdicts)}`,
    );
  });
});

/** Of what is on this node: from each to the pod that stays, and where all are here, from each to each. */
function questionsOf(all: readonly Incarnation[], areLocal: boolean): Question[] {
  const ends = all.map(addressesOf);
  return ends.flatMap((from) => {
    const others = areLocal ? ends.filter((each) => each !== from) : [];
    return [...others, ['10.1.1.1', 'fd01:1::1']].flatMap((to) =>
      [5432, 80].flatMap((port) => from.map((address, family) => ({ from: address, to: to[family]!, port }))),
    );
  });
}

function addressesOf({ ipv4, ipv6 }: Incarnation): string[] {
  return [`10.1.0.${ipv4 + 2}`, `fd01::${ipv6 + 2}`];
}

function podOf(name: string, each: Incarnation, node: string): ApiObject {
  const labels = { app: name.split('-')[0]! };
  return pod(`x/${name}`, { node, uid: `${name} ${each.number}`, ips: addressesOf(each), labels });
}

function sandboxOf(name: string, each: Incarnation) {
  const id = `${name} ${each.number}`;
  return sandbox(`x/${name}`, { id, uid: id, ips: addressesOf(each), order: each.number });
}
