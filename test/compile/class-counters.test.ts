import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { defaultLimits } from '../../src/compile/class-shape.ts';
import { readClassCounts } from '../../src/compile/class-counters.ts';
import { Compiler } from '../../src/compile/compile.ts';
import { pod, policy } from '../support/objects.ts';
import { startPipeline } from '../support/pipeline.ts';
import { routedTables, tableOfPacket } from '../support/routed.ts';

const peers = (name: string) => [{ podSelector: { matchLabels: { app: name } } }];
/** Two classes that look up the same peers behind their ports, one of them in both families. */
const objects = [
  pod('x/a', { ips: ['10.1.0.1', 'fd01::1'], labels: { app: 'a' } }),
  pod('x/a2', { ips: ['10.1.0.4'], labels: { app: 'a' } }),
  pod('x/b', { ips: ['10.1.0.2'], labels: { app: 'b' } }),
  pod('x/c', { ips: ['10.1.0.3', 'fd01::3'], labels: { app: 'c' } }),
  policy('x/a', {
    podSelector: { matchLabels: { app: 'a' } },
    ingress: [{ from: peers('c'), ports: [{ port: 80, endPort: 9000 }] }],
  }),
  policy('x/b', {
    podSelector: { matchLabels: { app: 'b' } },
    ingress: [{ from: peers('c'), ports: [{ port: 81, endPort: 9001 }] }],
  }),
];
const limits = { ...defaultLimits, maxTuples: 0 };
const { snapshot } = startPipeline('n1', objects, { limits });
const compile = (countsClasses: boolean) => new Compiler({ limits, countsClasses }).compile(snapshot);

const rule = (chain: string, ...packets: number[]) =>
  packets.map((each) => ({
    rule: {
      family: 'ip',
      table: 'postern',
      chain,
      handle: 1,
      expr: [{ counter: { packets: each, bytes: 0 } }, { continue: null }],
    },
  }));

describe('counting packets by class', () => {
  it('is off unless it is asked for', () => {
    const { ruleset, countedClasses } = compile(false);
    assert.deepEqual(countedClasses, []);
    for (const { chains } of routedTables(ruleset)) {
      const rules = [...chains].flatMap(([name, chain]) => (/^ingress-.{12}/.test(name) ? chain.rules : []));
      assert.ok(rules.length > 0 && rules.every(({ counter }) => !counter));
    }
  });

  it('names the pods and policies of each class and family, and gives no chain to two', () => {
    const { ruleset, countedClasses } = compile(true);
    assert.deepEqual(
      countedClasses.map(({ family, pods, policies }) => [family, pods, policies]),
      [
        ['ipv4', 2, ['x/a']],
        ['ipv6', 1, ['x/a']],
        ['ipv4', 1, ['x/b']],
      ],
    );
    const names = countedClasses.flatMap(({ family, chains }) => chains.map((name) => `${family} ${name}`));
    assert.equal(new Set(names).size, names.length);
    // For both ctDirections and for errors one that leads to the class, and what is behind its ports.
    assert.equal(names.length, 18);
    for (const { family, chains, entries } of countedClasses) {
      for (const name of chains) {
        const { rules } = tableOfPacket(ruleset, { family }).chains.get(name)!;
        assert.deepEqual([rules.at(-1)!.counter, rules.at(-1)!.verdict.kind], [true, 'goto']);
        assert.equal(rules[0]!.verdict.kind === 'continue', entries.includes(name));
      }
    }
  });

  it('reads what comes to a class and what is denied, wherever that is, as a listing without elements has it', () => {
    const countedClasses = compile(true).countedClasses.filter(({ family }) => family === 'ipv4');
    const [a, b] = countedClasses;
    const [entry, reply, errors] = a!.entries as [string, string, string];
    const behind = a!.chains.filter((name) => !a!.entries.includes(name));
    const denied = behind.flatMap((name, index) => rule(name, index === 0 ? 3 : 0));
    const listed = [...rule(entry, 100, 7), ...rule(reply, 50, 0), ...rule(errors, 4, 0), ...denied];
    const partly = rule(b!.entries[0]!, 9, 9);
    const counts = readClassCounts(JSON.stringify({ nftables: [...listed, ...partly] }), countedClasses);
    assert.deepEqual([...counts], [[a, { judged: 154, denied: 10 }]]);
  });
});
