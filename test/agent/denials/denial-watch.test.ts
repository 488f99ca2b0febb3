import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'mocha';
import type { DenialLook } from '../../../src/agent/denials/denial-reader.ts';
import type { PodDenials } from '../../../src/agent/denials/denial-tally.ts';
import { DenialWatch } from '../../../src/agent/denials/denial-watch.ts';
import type { DescribedDenial } from '../../../src/agent/denials/describe-denial.ts';
import type { NotedDenial } from '../../../src/compile/denials.ts';
import { node, pod, policy } from '../../support/objects.ts';
import { startPipeline } from '../../support/pipeline.ts';
import { knowledgeOf } from './attribution.ts';

const { signal } = new AbortController();
const objects = [
  node('n1', '192.0.2.1'),
  pod('x/a', { ips: ['10.1.0.1'], labels: { app: 'a' } }),
  pod('x/b', { ips: ['10.1.0.2'] }),
  pod('y/twin', { ips: ['10.1.0.9'], uid: 'one' }),
  pod('y/other', { ips: ['10.1.0.9'], uid: 'two' }),
  policy('x/a', {
    podSelector: { matchLabels: { app: 'a' } },
    policyTypes: ['Ingress'],
    ingress: [{ ports: [{ port: 443 }] }],
  }),
  policy('x/all', { podSelector: {} }),
  policy('y/all', { podSelector: {} }),
];

const noted = (destination: string, port: number, more: Partial<NotedDenial> = {}): NotedDenial => ({
  direction: 'ingress',
  family: 'ipv4',
  source: '203.0.113.7',
  destination,
  protocol: 'tcp',
  port,
  packets: 1,
  secondsAgo: 0,
  ...more,
});

describe('watching what is denied', () => {
  let looks: DenialLook[];
  let told: DescribedDenial[];
  let announced: PodDenials[];
  let attributed: string[];
  let counts: unknown[];
  let unlogged: number;
  let hasTexts: boolean;
  let watch: DenialWatch;
  beforeEach(() => {
    [looks, told, announced, attributed, counts, unlogged, hasTexts] = [[], [], [], [], [], 0, true];
    const pipeline = startPipeline('n1', objects);
    watch = new DenialWatch({
      read: async () => looks,
      knowledge: () => knowledgeOf(pipeline),
      texts: async (ids) =>
        hasTexts
          ? objects.filter(
              ({ kind, metadata }) =>
                kind === 'NetworkPolicy' && ids.includes(`${metadata.namespace}/${metadata.name}`),
            )
          : undefined,
      metrics: {
        denied: (direction, count) => counts.push([direction, count]),
        unlogged: (count) => (unlogged += count),
      },
      log: (denial) => told.push(denial),
      announce: (denials) => announced.push(denials),
      attributed: (ids) => attributed.push(ids.join(' ')),
      now: () => 0,
    });
  });
  const look = (denials: readonly NotedDenial[], denied = denials.length, unnoted = 0) => {
    looks = [{ direction: 'ingress', denied, noted: denied - unnoted, denials }];
    return watch.look(signal);
  };

  it('tells of a connection once, with policies, reason and near misses, by log, Event and metrics', async () => {
    await look([noted('10.1.0.1', 80)], 5, 2);
    await look([noted('10.1.0.1', 80, { packets: 9, secondsAgo: 0 })], 1);
    assert.equal(told.length, 1);
    assert.partialDeepStrictEqual(told[0], {
      from: '203.0.113.7',
      to: 'x/a',
      protocol: 'TCP',
      port: 80,
      policies: ['x/a', 'x/all'],
      nearMisses: [{ policy: 'x/a', path: 'spec.ingress[0].ports[0].port' }],
    });
    assert.deepEqual(
      announced.map(({ pod: name, connections }) => [name, connections]),
      [['x/a', 1]],
    );
    assert.deepEqual(attributed, ['x/a x/all']);
    assert.deepEqual(counts, [
      ['ingress', { packets: 5, unnoted: 2, connections: 1 }],
      ['ingress', { packets: 1, unnoted: 0, connections: 0 }],
    ]);
  });

  it('names the policies also where their texts cannot be had', async () => {
    hasTexts = false;
    await look([noted('10.1.0.1', 80)]);
    assert.deepEqual([told[0]!.policies, told[0]!.nearMisses], [['x/a', 'x/all'], []]);
    assert.equal(told[0]!.reason, 'x/a was isolated for ingress by x/a, x/all, and no rule allows this');
  });

  it('says where a policy allows by now what was denied', async () => {
    await look([noted('10.1.0.1', 443)]);
    assert.match(told[0]!.reason, /^x\/a was isolated .*, allowed now: .* rule 1 of x\/a allows this$/);
  });

  it('says of an address that is of no one pod what it is, and tells no pod of it', async () => {
    await look([noted('10.1.0.9', 80), noted('10.1.0.77', 80)]);
    assert.deepEqual(
      told.map(({ policies }) => policies),
      [['y/all'], []],
    );
    assert.match(told[0]!.reason, /claimed by .*y\/twin/);
    assert.equal(told[1]!.reason, '10.1.0.77 is an address of this node that no pod may use now');
    assert.deepEqual(announced, []);
  });

  it('describes so many at a look and no more, and lets no pod keep another out of the log', async () => {
    const flood = Array.from({ length: 4000 }, (_, port) => noted('10.1.0.1', port + 1));
    await look([...flood, noted('10.1.0.2', 80)]);
    assert.equal(told.length, 50);
    assert.equal(told[1]!.to, 'x/b');
    assert.equal(unlogged, 3951);
    assert.equal(attributed.length, 4001);
    assert.deepEqual(
      announced.map(({ pod: name, connections }) => [name, connections]),
      [['x/a', 4000]],
    );
  });
});
