import { deepEqual } from 'node:assert/strict';
import { describe, it } from 'mocha';
import { prepareCluster } from '../../src/evaluator/cluster.ts';
import { Touch } from '../../src/impact/touch.ts';
import { namespace, pod, policy } from '../support/objects.ts';
import type { ApiObject } from '../support/pipeline.ts';

const names = Array.from({ length: 20 }, (_, index) => `ns-${index}`);
const address = (index: number): string => `10.0.0.${index + 1}`;
const toTeam = [{ podSelector: {}, namespaceSelector: { matchLabels: { team: 'x' } } }];
/** One pod in each namespace. Policies select the pods of four: two of them have peers by the label `team`. */
const cluster: readonly ApiObject[] = [
  ...names.map((name) => namespace(name)),
  ...names.map((name, index) => pod(`${name}/web`, { ips: [address(index)], labels: { app: 'web' } })),
  policy('ns-1/from-team', { podSelector: {}, policyTypes: ['Ingress'], ingress: [{ from: toTeam }] }),
  policy('ns-2/to-team', { podSelector: {}, policyTypes: ['Egress'], egress: [{ to: toTeam }] }),
  policy('ns-3/deny', { podSelector: {}, policyTypes: ['Ingress', 'Egress'] }),
  policy('ns-4/other', {
    podSelector: {},
    ingress: [{ from: [{ namespaceSelector: { matchLabels: { other: 'x' } } }, { podSelector: {} }] }],
  }),
];

/** All pairs whose verdict can change if the objects replace those of the same kind and name. */
function touchedBy(...given: readonly ApiObject[]): string[] {
  const idOf = ({ kind, metadata }: ApiObject): string => `${kind} ${String(metadata['namespace'])}/${metadata.name}`;
  const objects = new Map([...cluster, ...given].map((object) => [idOf(object), object]));
  const touch = new Touch(prepareCluster(cluster), prepareCluster(objects.values()));
  const ends = names.map((name) => [name, touch.endAt({ pod: `${name}/web` }, 'ipv4')] as const);
  return ends.flatMap(([from, source]) =>
    ends.flatMap(([to, destination]) => (touch.canChange(source, destination) ? [`${from} > ${to}`] : [])),
  );
}

const allOf = (name: string): string[] =>
  names.flatMap((from) => names.flatMap((to) => (from === name || to === name ? [`${from} > ${to}`] : [])));

describe('the flows that a change can affect', () => {
  it('of a label of a namespace: from or to its pods, if a policy at the other end selects peers by this label', () =>
    deepEqual(touchedBy(namespace('ns-7', { team: 'x' })), ['ns-2 > ns-7', 'ns-7 > ns-1']));

  it('of a label of a namespace that no policy asks for: none', () =>
    deepEqual(touchedBy(namespace('ns-7', { color: 'x' })), []));

  it('of a policy: those of the pods that it selects', () =>
    deepEqual(touchedBy(policy('ns-3/deny', { podSelector: {}, policyTypes: ['Ingress'] })), allOf('ns-3')));

  it('of a policy that appears: those of the pods that it selects', () =>
    deepEqual(touchedBy(policy('ns-9/new', { podSelector: {} })), allOf('ns-9')));

  it('of a pod: its own', () => {
    const moved = { ips: [address(9)], labels: { app: 'other' } };
    deepEqual(touchedBy(pod('ns-9/web', moved)), allOf('ns-9'));
  });

  it('of a pod that claims the address of another: those of the address', () =>
    deepEqual(touchedBy(pod('ns-9/twin', { ips: [address(5)] })), allOf('ns-5')));

  it('of objects that are only written anew: none', () =>
    deepEqual(touchedBy(...cluster.map((object) => structuredClone(object))), []));
});
