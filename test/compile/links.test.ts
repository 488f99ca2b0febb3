import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { Compiler } from '../../src/compile/compile.ts';
import type { Link } from '../../src/model/cluster.ts';
import { pod, policy, sandbox } from '../support/objects.ts';
import { startPipeline } from '../support/pipeline.ts';
import { routedTables } from '../support/routed.ts';

const a = pod('x/a', { ips: ['10.1.0.2', 'fd01::2'], labels: { app: 'a' } });
const b = pod('x/b', { ips: ['10.1.0.3'], labels: { app: 'b' } });

function compile(links: Readonly<Record<string, Link>>, ...policies: readonly ReturnType<typeof policy>[]) {
  const pipeline = startPipeline('n1', [a, b, ...policies]);
  pipeline.receive({ op: 'links', links: new Map(Object.entries(links)) });
  const { ruleset } = pipeline.plan(undefined).compiled;
  const [ip, ip6] = routedTables(ruleset);
  const ports = ruleset.bridge && elementsOf(ruleset.bridge.sets);
  return { links: elementsOf(ip.sets), links6: elementsOf(ip6.sets), ports };
}

function elementsOf(sets: ReadonlyMap<string, { readonly elements: Iterable<string> }>): Record<string, string[]> {
  const named = [...sets].filter(([name]) => /guarded-ips|routed-ips|if-ips|pod-ifs|pod-and-bridge|port/.test(name));
  return Object.fromEntries(named.map(([name, { elements }]) => [name, [...elements].sort()]));
}

describe('what the guard knows of devices', () => {
  it('a pod may use all that is its own, where the link of one of its addresses is known, and is held to that one', () => {
    const { links, links6, ports } = compile({ '10.1.0.2': { device: 'veth-a' } });
    const known = { 'pod-ifs': ['veth-a'], 'pod-and-bridge-ifs': ['veth-a'] };
    assert.deepEqual(links, {
      ...known,
      'if-ips4': ['veth-a . 10.1.0.2'],
      'guarded-ips4': ['10.1.0.2'],
      'routed-ips4': ['10.1.0.2'],
    });
    assert.deepEqual(links6, {
      ...known,
      'egress-pod-ifs': [],
      'if-ips6': ['veth-a . fd01::2'],
      'guarded-ips6': [],
      'routed-ips6': [],
    });
    assert.equal(ports, undefined);
  });

  it('a device of its own and a port of the same name are two', () => {
    const { links, ports } = compile({ '10.1.0.2': { device: 'eth' }, '10.1.0.3': { device: 'cni0', port: 'eth' } });
    assert.deepEqual(links['if-ips4'], ['cni0 . 10.1.0.3', 'eth . 10.1.0.2']);
    assert.deepEqual([links['pod-ifs'], links['pod-and-bridge-ifs']], [['eth'], ['cni0', 'eth']]);
    assert.deepEqual(ports?.['if-ips4'], ['eth . 10.1.0.3']);
    // A packet to the bridged pod leaves by the bridge, so the device decides nothing about it here.
    assert.deepEqual([links['guarded-ips4'], links['routed-ips4']], [['10.1.0.2', '10.1.0.3'], ['10.1.0.2']]);
  });

  it('an isolated pod is isolated also where its policies allow everything (S1.16)', () => {
    const everything = policy('x/p', {
      podSelector: {},
      policyTypes: ['Ingress', 'Egress'],
      ingress: [{}],
      egress: [{}],
    });
    const seats = { '10.1.0.2': { device: 'eth' }, '10.1.0.3': { device: 'cni0', port: 'eth' } };
    const { links6, ports } = compile(seats, everything);
    assert.deepEqual(links6['egress-pod-ifs'], ['eth']);
    assert.deepEqual([ports?.['egress-ports'], ports?.['ingress-ports']], [['eth'], ['eth']]);
  });

  it('what was compiled before does not show', () => {
    const compiler = new Compiler();
    const pipeline = startPipeline('n1', [a], { gate: true });
    const compiled = () => {
      const tables = routedTables(compiler.compile(pipeline.snapshot).ruleset);
      return tables.map(({ chains }) => [chains.has('gate'), chains.has('anti-spoof')]);
    };
    const inBoth = (gate: boolean, guard: boolean) => [0, 1].map(() => [gate, guard]);
    assert.deepEqual(compiled(), inBoth(false, false));
    pipeline.receive({ op: 'ranges', cidrs: ['10.1.0.0/24', 'fd01::/64'] });
    assert.deepEqual(compiled(), inBoth(true, false));
    pipeline.receive(sandbox('x/a', { ips: ['10.1.0.2'], link: { device: 'veth-a' } }));
    assert.deepEqual(compiled(), inBoth(true, true));
  });
});
