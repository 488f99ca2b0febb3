import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'mocha';
import type { DenialLook } from '../../../src/agent/denials/denial-reader.ts';
import type { PodDenials } from '../../../src/agent/denials/denial-tally.ts';
import { DenialWatch, type DenialWatchOptions } from '../../../src/agent/denials/denial-watch.ts';
import type { DescribedDenial } from '../../../src/agent/denials/describe-denial.ts';
import type { RecordedDenial } from '../../../src/compile/denials.ts';
import type { Pipeline } from '../../../src/pipeline.ts';
import { node, pod, policy } from '../../support/objects.ts';
import { removeOf, startPipeline, upsertOf } from '../../support/pipeline.ts';
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

const noted = (destination: string, port: number, more: Partial<RecordedDenial> = {}): RecordedDenial => ({
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
  let audited: RecordedDenial[];
  let missed: number[];
  let newlyFound: RecordedDenial[];
  let counts: unknown[];
  let unlogged: number;
  let hasTexts: boolean;
  let isWanted: boolean;
  let pipeline: Pipeline;
  let options: DenialWatchOptions;
  let watch: DenialWatch;
  beforeEach(async () => {
    [looks, told, announced, attributed, newlyFound, counts, unlogged] = [[], [], [], [], [], [], 0];
    [hasTexts, isWanted] = [true, true];
    audited = [];
    missed = [];
    pipeline = startPipeline('n1', objects);
    options = {
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
        counted: (_verdict, direction, count) => counts.push([direction, count]),
        unlogged: (count) => (unlogged += count),
      },
      listener: {
        wants: () => isWanted,
        log: (denial) => told.push(denial),
        announce: (denials) => announced.push(denials),
      },
      audited: (connections) => audited.push(...connections),
      lookedAtAudits: ({ denied, noted: recorded }) => missed.push(denied - recorded),
      attributed: (ids, connections) => attributed.push(`${connections} ${ids.join(' ')}`),
      found: (denials) => newlyFound.push(...denials),
      now: () => 0,
    };
    watch = new DenialWatch(options);
    await watch.look(signal);
  });
  const look = (denials: readonly RecordedDenial[], denied = denials.length, unnoted = 0) => {
    looks = [
      { verdict: 'denied', direction: 'ingress', family: 'ipv4', denied, noted: denied - unnoted, denials, at: 0 },
    ];
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
    assert.deepEqual(attributed, ['1 x/a x/all']);
    assert.deepEqual(newlyFound, [noted('10.1.0.1', 80)]);
    assert.deepEqual(counts, [
      ['ingress', { packets: 5, unnoted: 2, connections: 1 }],
      ['ingress', { packets: 1, unnoted: 0, connections: 0 }],
    ]);
  });

  it('reads only so much of what a user has written: larger policies are named, and give no near misses', async () => {
    const rules = Array.from({ length: 1000 }, (_, at) => ({
      from: [{ podSelector: { matchLabels: { a: `b${at}` } } }],
    }));
    const large = Array.from({ length: 30 }, (_, at) => policy(`x/large${at}`, { podSelector: {}, ingress: rules }));
    objects.push(...large);
    for (const each of large) pipeline.receive(upsertOf(each));
    try {
      await look([noted('10.1.0.2', 80)]);
    } finally {
      objects.splice(-large.length);
    }
    assert.deepEqual([told.length, told[0]?.nearMisses, told[0]?.policies.length], [1, [], 10]);
    assert.match(told[0]!.reason, /^x\/b was isolated for ingress by 31 policies, and no rule allows this$/);
    for (const each of large.slice(1)) pipeline.receive(removeOf(each));
    objects.push(large[0]!);
    try {
      await look([...Array.from({ length: 200 }, (_, at) => noted('10.1.0.2', 1000 + at)), noted('10.1.0.1', 80)]);
    } finally {
      objects.pop();
    }
    const ofB = told.slice(1).filter(({ to }) => to === 'x/b');
    assert.ok(ofB.length > 20, `${ofB.length}`);
    assert.ok(ofB.every(({ nearMisses }) => nearMisses.length > 0));
  });

  it('tells what was denied in each family of a direction', async () => {
    const ipv6 = { family: 'ipv6', source: '2001:db8::7' } as const;
    pipeline.receive(upsertOf(pod('x/b', { ips: ['10.1.0.2', 'fd01::2'] })));
    looks = [
      {
        verdict: 'denied',
        direction: 'ingress',
        family: 'ipv4',
        denied: 2,
        noted: 2,
        denials: [noted('10.1.0.2', 80)],
        at: 0,
      },
      {
        verdict: 'denied',
        direction: 'ingress',
        family: 'ipv6',
        denied: 3,
        noted: 2,
        denials: [noted('fd01::2', 80, ipv6)],
        at: 0,
      },
    ];
    await watch.look(signal);
    assert.deepEqual(told.map(({ to, destination }) => `${to} ${destination}`).toSorted(), [
      'x/b 10.1.0.2',
      'x/b fd01::2',
    ]);
    assert.deepEqual(counts, [
      ['ingress', { packets: 2, unnoted: 0, connections: 1 }],
      ['ingress', { packets: 3, unnoted: 1, connections: 1 }],
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
    assert.match(told[0]!.reason, /y\/twin .*claim /);
    assert.equal(told[1]!.reason, '10.1.0.77 was denied ingress, but no policy isolates it any more');
    assert.deepEqual(announced, []);
  });

  it('describes so many at a look and no more, and lets no pod keep another out of the log', async () => {
    const flood = Array.from({ length: 4000 }, (_, port) => noted('10.1.0.1', port + 1));
    await look([...flood, noted('10.1.0.2', 80)]);
    assert.equal(told.length, 50);
    assert.equal(told.filter(({ to }) => to === 'x/b').length, 1);
    assert.equal(unlogged, 3951);
    assert.deepEqual(attributed, ['4000 x/a x/all', '1 x/all']);
    assert.deepEqual(
      announced.map(({ pod: name, connections }) => [name, connections]),
      [['x/a', 4000]],
    );
  });

  it('says of an address that policies keep from all pods that it is so', async () => {
    const sandbox = {
      id: 's',
      namespace: 'x',
      name: 'gone',
      uid: 'u',
      addresses: ['10.1.0.8'],
      link: undefined,
      live: true,
      order: 1,
    };
    pipeline.receive({ op: 'sandbox', id: 's', value: sandbox });
    await look([noted('10.1.0.8', 80)]);
    assert.equal(told[0]!.reason, '10.1.0.8 is an address of this node that no pod may use now');
  });

  it('lays nothing to a pod that has the address on another node', async () => {
    pipeline.receive(upsertOf(pod('y/moved', { node: 'n2', ips: ['10.1.0.50'] })));
    await look([noted('10.1.0.50', 80)]);
    assert.deepEqual([told[0]!.to, told[0]!.policies, announced], ['y/moved', [], []]);
  });

  it('says that a pod is not isolated any more whose policy is gone', async () => {
    for (const each of objects.filter(({ metadata }) => ['a', 'all'].includes(metadata.name))) {
      if (each.kind === 'NetworkPolicy') pipeline.receive(removeOf(each));
    }
    await look([noted('10.1.0.1', 80)]);
    assert.equal(told[0]!.reason, 'x/a was denied ingress, but no policy isolates it any more');
  });

  it('counts, and describes nothing, where nobody is told', async () => {
    isWanted = false;
    await look([noted('10.1.0.1', 80)]);
    assert.deepEqual([told, announced, unlogged, attributed, counts.length], [[], [], 0, ['1 x/a x/all'], 1]);
  });

  it('hands on what policies in audit would deny, and reports none of it as denied', async () => {
    const denials = [noted('10.1.0.1', 80, { verdict: 'audit' })];
    looks = [{ verdict: 'audit', direction: 'ingress', family: 'ipv4', denied: 3, noted: 1, denials, at: 0 }];
    await watch.look(signal);
    await watch.look(signal);
    assert.deepEqual(audited, denials);
    assert.deepEqual(missed, [2, 2]);
    assert.deepEqual([told, announced, attributed, unlogged], [[], [], [], 0]);
  });

  it('counts before it knows the cluster', async () => {
    const early = new DenialWatch({ ...options, knowledge: () => undefined });
    await early.look(signal);
    looks = [
      {
        verdict: 'denied',
        direction: 'ingress',
        family: 'ipv4',
        denied: 7,
        noted: 7,
        denials: [noted('10.1.0.1', 80)],
        at: 0,
      },
    ];
    await early.look(signal);
    assert.deepEqual([counts, unlogged, told], [[['ingress', { packets: 7, unnoted: 0, connections: 1 }]], 1, []]);
  });

  it('tells nothing of what was denied before it began', async () => {
    const late = new DenialWatch(options);
    looks = [
      {
        verdict: 'denied',
        direction: 'ingress',
        family: 'ipv4',
        denied: 0,
        noted: 0,
        denials: [noted('10.1.0.1', 80)],
        at: 0,
      },
    ];
    await late.look(signal);
    await late.look(signal);
    assert.deepEqual([told, attributed], [[], []]);
  });

  it('gives each of many denied pods its turn', async () => {
    for (let i = 0; i < 4; i++) {
      await look(Array.from({ length: 120 }, (_, pods) => noted(`10.9.${i}.${pods}`, 80)));
    }
    const firsts = new Set(told.map(({ destination }) => destination.split('.')[3]));
    assert.equal(told.length, 200);
    assert.equal(firsts.size, 120);
  });

  it('names ten policies of a pod with many', async () => {
    for (let i = 0; i < 30; i++) pipeline.receive(upsertOf(policy(`x/p${i}`, { podSelector: {} })));
    await look([noted('10.1.0.1', 80)]);
    assert.deepEqual([told[0]!.policies.length, told[0]!.morePolicies, told[0]!.nearMisses.length], [10, 22, 1]);
    assert.equal(told[0]!.reason, 'x/a was isolated for ingress by 32 policies, and no rule allows this');
  });
});
