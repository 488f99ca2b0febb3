import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { objectEvent } from '../../src/agent/object-event.ts';
import { LabNames } from '../../src/lab/names.ts';
import { groupIdOf } from '../../src/model/selection.ts';
import type { Selection } from '../../src/model/policy.ts';
import { pod, policy } from '../support/objects.ts';
import { compileNode, keyOf, startPipeline, upsertOf, type ApiObject } from '../support/pipeline.ts';
import { assertVerdicts } from './compare.ts';

/** One text, cut in two ways: where a key joins the parts by what they are cut at, or by nothing, both have the same. */
const cuts = fc
  .record({
    words: fc.array(fc.constantFrom('a', 'b', 'a1', '1'), { minLength: 3, maxLength: 6 }),
    // A namespace has no dot, and may come second in a key.
    separator: fc.constantFrom('-', ''),
    first: fc.nat(),
    second: fc.nat(),
  })
  .map(({ words, separator, first, second }) =>
    [first, second].map((at): Identity => {
      const place = 1 + (at % (words.length - 1));
      return [words.slice(0, place).join(separator), words.slice(place).join(separator)];
    }),
  ) as fc.Arbitrary<[Identity, Identity]>;

type Identity = readonly [namespace: string, name: string];

/** As the reports have them, name first: the second is one text where they are joined, the first where also what a ReplicaSet adds is cut off. */
const reported = [
  [
    ['deny-me-x', 'ns1'],
    ['deny', 'me-ns1'],
  ],
  [
    ['ab', 'c'],
    ['a', 'bc'],
  ],
] as const;

const names = new LabNames('collide');

/** Every text that stands for an object, made of the parts of its identity. */
const derived: Readonly<Record<string, (namespace: string, name: string) => string>> = {
  'the key of an object': (namespace, name) => (upsertOf(pod(`${namespace}/${name}`)) as { key: string }).key,
  'the id of a policy': (namespace, name) => {
    const [only] = startPipeline('n1', [pod(`${namespace}/p`), policy(`${namespace}/${name}`, {})]).snapshot.policies;
    return only![1].id;
  },
  'the key of a pod on the node': (namespace, name) => {
    const { localPods } = startPipeline('n1', [pod(`${namespace}/${name}`, { uid: 'u' })]).snapshot;
    return [...localPods.keys()].join();
  },
  'the id of a group': (namespace, name) =>
    groupIdOf({ namespaces: { name: namespace }, pods: [{ key: 'k', operator: 'In', values: [name] }] }),
  'the id of the group of a port': (namespace, name) =>
    groupIdOf({ namespaces: { name: namespace }, pods: [], declares: { name, protocol: 'TCP' } }),
  'the path of an Event': (namespace, name) => {
    const version = { uid: 'u', resourceVersion: '1', generation: 1 };
    const issue = { code: 'invalid-port', path: 'p', message: 'm', effect: 'ignored' } as const;
    const target = { resource: 'pods', key: `${namespace}/${name}`, version } as const;
    const event = objectEvent(target, issue, { node: 'n1', now: 0 });
    return `${event.path}/${event.name}`;
  },
  'the network namespace of a pod of the lab': (namespace, name) => names.pod(namespace, name),
};

describe('two identities that read alike when their parts are joined (replay of key collisions)', () => {
  for (const [what, derive] of Object.entries(derived)) {
    it(`have two texts: ${what}`, () => {
      for (const [one, other] of reported) {
        assert.notEqual(derive(one[1], one[0]), derive(other[1], other[0]));
        assert.notEqual(derive(one[0], one[1]), derive(other[0], other[1]));
      }
      fc.assert(
        fc.property(cuts, ([one, other]) => {
          const isSame = one.join('/') === other.join('/');
          const told = `${one.join('/')} and ${other.join('/')}`;
          assert.equal(derive(...one) === derive(...other), isSame, told);
          const turned = [one, other].map(([namespace, name]) => derive(name, namespace));
          assert.equal(turned[0] === turned[1], isSame, told);
        }),
        { numRuns: 500 },
      );
    });
  }

  it('have two groups where only the place of a term differs, whatever characters it has', () => {
    const word = fc.constantFrom('a', 'b', 'a=b', 'a b', 'a|b', 'a&b', 'a","b', ']', '', 'a.b', 'a-b', 'é');
    const selections = fc.record({
      namespaces: fc.oneof(fc.constant('all' as const), fc.record({ name: word })),
      pods: fc.array(
        fc.record({ key: word, operator: fc.constantFrom('In', 'NotIn'), values: fc.array(word, { maxLength: 2 }) }),
        { maxLength: 2 },
      ),
    }) as fc.Arbitrary<Selection>;
    const plain = ({ namespaces, pods }: Selection): string => {
      const terms = pods.map(({ key, operator, values }) => [key, operator, ...[...new Set(values)].sort()]);
      return JSON.stringify([namespaces, [...new Set(terms.map((each) => JSON.stringify(each)))].sort()]);
    };
    const seen = new Map<string, string>();
    fc.assert(
      fc.property(selections, (selection) => {
        const [id, text] = [groupIdOf(selection), plain(selection)];
        assert.equal(seen.get(id) ?? text, text);
        seen.set(id, text);
      }),
      { numRuns: 5000 },
    );
    assert.equal(new Set(seen.values()).size, seen.size);
    assert.ok(seen.size > 2000, `${seen.size} selections`);
  });

  for (const [one, other] of reported) {
    it(`are two pods with their own policies: ${one.join(' of ')}, ${other.join(' of ')}`, () => {
      const client = pod('clients/c', { node: 'n2', ips: ['10.2.0.1'], labels: { app: 'client' } });
      const from = [{ namespaceSelector: {}, podSelector: { matchLabels: { app: 'client' } } }];
      /** One pod each, and a policy of the pod's own name that opens another port of each. */
      const of = (name: string, space: string, ip: string, port: number): ApiObject[] => [
        { kind: 'Namespace', metadata: { name: space, uid: space, labels: { space } } },
        pod(`${space}/${name}`, { ips: [ip], labels: { name } }),
        policy(`${space}/${name}`, { podSelector: { matchLabels: { name } }, ingress: [{ from, ports: [{ port }] }] }),
      ];
      const objects = [
        { kind: 'Namespace', metadata: { name: 'clients', uid: 'clients' } },
        client,
        ...of(one[0], one[1], '10.1.0.1', 81),
        ...of(other[0], other[1], '10.1.0.2', 82),
      ];
      assert.equal(new Set(objects.map((each) => `${each.kind} ${keyOf(each)}`)).size, objects.length);
      const ask = (left: readonly ApiObject[], answers: Readonly<Record<string, 'allowed' | 'denied'>>): void =>
        assertVerdicts(
          left,
          { n1: compileNode('n1', left), n2: compileNode('n2', left) },
          Object.entries(answers).map(([key, answer]) => {
            const [to, port] = key.split(' ') as [string, string];
            return { from: '10.2.0.1', to, port: Number(port), answer };
          }),
        );
      ask(objects, {
        '10.1.0.1 81': 'allowed',
        '10.1.0.1 82': 'denied',
        '10.1.0.2 81': 'denied',
        '10.1.0.2 82': 'allowed',
      });
      // The policy of one goes, and with it nothing of the other's.
      ask(
        objects.filter((each) => keyOf(each) !== `${one[1]}/${one[0]}` || each.kind !== 'NetworkPolicy'),
        { '10.1.0.1 82': 'allowed', '10.1.0.2 81': 'denied', '10.1.0.2 82': 'allowed' },
      );
    });
  }
});
