import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { Ruleset } from '../../src/nftables/ruleset.ts';
import { passes } from '../support/path.ts';
import { compileNode, startPipeline, upsertOf, type ApiObject } from '../support/pipeline.ts';
import { namespace, pod } from '../support/objects.ts';

const named = (name: string): ApiObject => namespace(name, { 'kubernetes.io/metadata.name': name });
const client = '10.1.0.1';
const crowd = Array.from({ length: 200 }, (_, index) => `10.2.0.${index + 1}`);
const port = (index: number): number => 8000 + index;

/** Each pod of the crowd declares a number of its own under one name. The first ones do so twice, so they are known. */
const objects: readonly ApiObject[] = [
  ...[named('x'), named('y'), pod('x/client', { ips: [client] })],
  ...crowd.map((ip, index) => {
    return pod(`y/p${index}`, { node: 'n2', ips: [ip], ports: [{ name: 'web', containerPort: port(index) }] });
  }),
  ...crowd.slice(0, 64).map((_, index) => {
    const ports = [{ name: 'web', containerPort: port(index) }];
    return pod(`y/again${index}`, { node: 'n2', ips: [`10.3.0.${index + 1}`], ports });
  }),
  pod('y/other', { node: 'n2', ips: ['10.2.1.1'] }),
];

function rules(...actions: readonly string[]): ApiObject {
  const to = [{ namespaces: { matchLabels: { 'kubernetes.io/metadata.name': 'y' } } }];
  const egress = actions.map((action) =>
    action === 'DenyAll' ? { action: 'Deny', to } : { action, to, protocols: [{ destinationNamedPort: 'web' }] },
  );
  const subject = { namespaces: { matchLabels: { 'kubernetes.io/metadata.name': 'x' } } };
  const spec = { tier: 'Admin', priority: 1, subject, egress };
  return { kind: 'ClusterNetworkPolicy', metadata: { name: 'c', uid: 'c' }, spec };
}

function reaches(
  policy: ApiObject,
  destination: string,
  destinationPort: number,
  more: readonly ApiObject[] = [],
): boolean {
  const [n1, n2] = ['n1', 'n2'].map((node) => compileNode(node, [...objects, ...more, policy])) as [Ruleset, Ruleset];
  const flow = { family: 'ipv4', source: client, destination, protocol: 'tcp', sourcePort: 40_000 } as const;
  const [source, other] = [{ pod: true, node: 'n1' } as const, { pod: true, node: 'n2' } as const];
  return passes({ n1, n2 }, { ...flow, destinationPort }, { source, destination: other }, 'original');
}

describe('a port name with more numbers than a node knows (S10.17)', () => {
  const [known, unknown] = [10, 150];

  it('is denied by a Deny rule: on known pods that number, on others the whole protocol', () => {
    const deny = rules('Deny');
    assert.equal(reaches(deny, crowd[known]!, port(known)), false);
    assert.equal(reaches(deny, crowd[known]!, 443), true);
    assert.equal(reaches(deny, crowd[unknown]!, port(unknown)), false);
    assert.equal(reaches(deny, crowd[unknown]!, 443), false);
    assert.equal(reaches(deny, '10.2.1.1', port(unknown)), true);
  });

  it('is not passed on, because the rest of the tier may deny it', () => {
    const pass = rules('Pass', 'DenyAll');
    assert.equal(reaches(pass, crowd[known]!, port(known)), true);
    assert.equal(reaches(pass, crowd[unknown]!, port(unknown)), false);
    assert.equal(reaches(rules('Pass'), crowd[unknown]!, port(unknown)), false);
  });

  it('is reported, with the direction, until all numbers are known', () => {
    const pipeline = startPipeline('n1', [...objects, rules('Deny')]);
    const limits = () => [...pipeline.plan(undefined).compiled.limitedNames];
    assert.deepEqual(limits(), [['/c', ['egress']]]);
    for (let index = 64; index < 200; index++) {
      assert.deepEqual(limits().length, 1, `pod ${index}`);
      const ports = [{ name: 'web', containerPort: port(0) }];
      pipeline.receive(upsertOf(pod(`y/p${index}`, { node: 'n2', ips: [crowd[index]!], ports })));
    }
    assert.deepEqual(limits(), []);
  });

  it('is not accepted', () => {
    const accept = rules('Accept', 'DenyAll');
    assert.equal(reaches(accept, crowd[known]!, port(known)), true);
    assert.equal(reaches(accept, crowd[unknown]!, port(unknown)), false);
  });
});

describe('the numbers that a node knows of a port name (S10.17)', () => {
  const ports = Array.from({ length: 64 }, (_, index) => ({ name: 'web', containerPort: 20_000 + index }));
  /** More pods declare each of these than any other number. */
  const crowdOut = Array.from({ length: 3 }, (_, index) => pod(`a/p${index}`, { ips: [`10.4.0.${index + 1}`], ports }));

  it('have a share for each namespace, however often another declares its own', () => {
    const more = [named('a'), ...crowdOut];
    assert.equal(reaches(rules('Accept', 'DenyAll'), crowd[10]!, port(10), more), true);
    assert.equal(reaches(rules('Deny'), crowd[10]!, 443, more), true);
  });

  it('are those of pods that have an address', () => {
    const pending = Array.from({ length: 3 }, (_, index) => pod(`y/q${index}`, { ips: [], ports }));
    assert.equal(reaches(rules('Accept', 'DenyAll'), crowd[10]!, port(10), pending), true);
  });
});

describe('a port name with peers by label', () => {
  const rule = (action: string) => ({
    ...{ action, to: [{ pods: { podSelector: { matchLabels: { app: 'db' } } } }] },
    protocols: [{ destinationNamedPort: 'web' }],
  });
  const all = { action: 'Deny', to: [{ namespaces: {} }] };
  const db = (app: string): ApiObject =>
    pod('y/db', { node: 'n2', ips: ['10.2.2.2'], labels: { app }, ports: [{ name: 'web', containerPort: 8080 }] });
  const flow = {
    ...({ family: 'ipv4', protocol: 'tcp' } as const),
    ...{ source: client, destination: '10.2.2.2', sourcePort: 40_000, destinationPort: 8080 },
  };
  const places = { source: { pod: true, node: 'n1' }, destination: { pod: true, node: 'n2' } } as const;

  for (const [what, egress, isAllowedAs] of [
    ['a Deny', [rule('Deny')], 'z'],
    ['an Accept before a Deny', [rule('Accept'), all], 'db'],
  ] as const) {
    it(`follows ${what} when the destination gets another label`, () => {
      const guard = { kind: 'ClusterNetworkPolicy', metadata: { name: 'c', uid: 'c' } };
      const spec = { tier: 'Admin', priority: 1, subject: { namespaces: {} }, egress };
      const base = [named('x'), named('y'), pod('x/client', { ips: [client] }), { ...guard, spec }];
      const n2 = compileNode('n2', []);
      const pipeline = startPipeline('n1', [...base, db('z')]);
      let applied: Ruleset | undefined;
      for (const app of ['z', 'db', 'z', 'db']) {
        pipeline.receive(upsertOf(db(app)));
        const { compiled, result } = pipeline.plan(applied);
        applied = result;
        const isAllowed = passes({ n1: compiled.ruleset, n2 }, flow, places, 'original');
        assert.equal(isAllowed, app === isAllowedAs, app);
      }
    });
  }
});
