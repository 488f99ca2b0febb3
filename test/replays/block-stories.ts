import fc from 'fast-check';
import type { ResourceEvent } from '../../src/model/cluster.ts';
import { pod, policy } from '../support/objects.ts';
import { keyOf, removeOf, upsertOf, type ApiObject } from '../support/pipeline.ts';
import type { Question } from './compare.ts';

/** Each lies in the one before it, or beside its end. */
const nestedBlocks = [
  '0.0.0.0/0',
  '128.0.0.0/1',
  '10.0.0.0/8',
  '10.0.0.0/9',
  '10.20.0.0/16',
  '10.20.30.0/24',
  '10.20.30.0/31',
  '10.20.30.0/32',
  '10.20.30.255/32',
  '10.20.31.0/24',
  '255.255.255.255/32',
  '::/0',
  '8000::/1',
  'fd00::/16',
  'fd00:20::/32',
  'fd00:20::1/128',
  'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128',
];

/** Inside each of them, and just outside. */
const addresses = [
  '10.20.30.0',
  '10.20.30.1',
  '10.20.30.255',
  '10.20.31.0',
  '10.21.0.0',
  '10.128.0.0',
  '9.255.255.255',
  '127.255.255.255',
  '128.0.0.0',
  '255.255.255.255',
  '0.0.0.0',
  'fd00:20::1',
  'fd00:20::2',
  'fd00:21::',
  'fd01::',
  '7fff:ffff::',
  'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff',
];

/** What a rule opens; none: every port. */
const portLists = [
  [{ port: 443 }],
  [{ port: 443 }, { port: 8080 }],
  [{ port: 400, endPort: 500 }],
  [{ port: 80, endPort: 8080 }],
  [{ port: 443, protocol: 'UDP' }],
  [],
] as const;
/** In some of them, and at their borders. */
const ports = [79, 443, 501, 8080];

export const isolated = pod('x/web', { ips: ['10.1.0.1', 'fd01::1'] });

export const questions: readonly Question[] = addresses.flatMap((to) =>
  ports.map((port) => ({ from: to.includes(':') ? 'fd01::1' : '10.1.0.1', to, port })),
);

/** A block is added to a policy, or taken away; with a narrower block that it excepts, where that lies inside. */
interface BlockStep {
  readonly policy: number;
  readonly block: string;
  readonly except: string | undefined;
  readonly ports: (typeof portLists)[number];
  readonly op: 'add' | 'remove';
}

const step = fc
  .record({
    policy: fc.nat(2),
    block: fc.constantFrom(...nestedBlocks),
    except: fc.option(fc.constantFrom(...nestedBlocks), { freq: 2, nil: undefined }),
    ports: fc.constantFrom(...portLists),
    op: fc.constantFrom('add', 'add', 'remove'),
  })
  .map((each) => each as BlockStep);

/** Three policies of one pod share few blocks, so most steps meet one that is there. */
export const blockStories = fc.array(step, { minLength: 8, maxLength: 20 });

/** What the API server says between the step before this one and this one. */
export function eventsOf(story: readonly BlockStep[], step: number): ResourceEvent[] {
  const before = step === 0 ? [] : objectsAfter(story, step - 1);
  const after = objectsAfter(story, step);
  const textOf = (objects: readonly ApiObject[], key: string): string =>
    JSON.stringify(objects.find((each) => keyOf(each) === key));
  return [
    ...before.filter((each) => !after.some((other) => keyOf(other) === keyOf(each))).map(removeOf),
    ...after.filter((each) => JSON.stringify(each) !== textOf(before, keyOf(each))).map(upsertOf),
  ];
}

/** The cluster after so many steps. */
export function objectsAfter(story: readonly BlockStep[], steps: number): ApiObject[] {
  const blocks = [new Map<string, BlockStep>(), new Map<string, BlockStep>(), new Map<string, BlockStep>()];
  for (const each of story.slice(0, steps)) {
    if (each.op === 'add') blocks[each.policy]!.set(each.block, each);
    else blocks[each.policy]!.delete(each.block);
  }
  return [isolated, ...blocks.flatMap((own, index) => policyOf(index, [...own.values()]))];
}

function policyOf(index: number, steps: readonly BlockStep[]): ApiObject[] {
  // The first is always there: without a policy the pod is not isolated.
  if (steps.length === 0 && index > 0) return [];
  const rules = steps.map(({ block, except, ports }) => ({
    to: [{ ipBlock: { cidr: block, ...(except !== undefined && { except: [except] }) } }],
    ports,
  }));
  return [policy(`x/p${index}`, { podSelector: {}, policyTypes: ['Egress'], egress: rules })];
}
