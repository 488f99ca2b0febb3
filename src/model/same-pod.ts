import { isSameList } from '../lib/is-same-list.ts';
import type { Labels, NamedPort, Pod } from './cluster.ts';

type Comparison = (a: Pod, b: Pod) => boolean;

/** Has an entry for each field, so that the compiler reports a new field that nothing compares. Fields that often change come first. */
const comparisons: Readonly<Record<keyof Required<Pod>, Comparison>> = {
  labels: (a, b) => isSameLabels(a.labels, b.labels),
  addresses: (a, b) => isSameList(a.addresses, b.addresses),
  terminal: (a, b) => a.terminal === b.terminal,
  terminating: (a, b) => a.terminating === b.terminating,
  uid: (a, b) => a.uid === b.uid,
  nodeName: (a, b) => a.nodeName === b.nodeName,
  ports: (a, b) => isSameList(a.ports, b.ports, isSamePort),
  hostNetwork: (a, b) => a.hostNetwork === b.hostNetwork,
  mirrorOf: (a, b) => a.mirrorOf === b.mirrorOf,
  kind: (a, b) => a.kind === b.kind,
  namespace: (a, b) => a.namespace === b.namespace,
  name: (a, b) => a.name === b.name,
};
const all = Object.values(comparisons);

/** Whether all fields are equal. */
export function isSamePod(a: Pod, b: Pod): boolean {
  for (const isSame of all) if (!isSame(a, b)) return false;
  return true;
}

export function isSamePort(a: NamedPort, b: NamedPort): boolean {
  return a.name === b.name && a.protocol === b.protocol && a.port === b.port;
}

function isSameLabels(a: Labels, b: Labels): boolean {
  let count = 0;
  for (const key in a) {
    if (!Object.hasOwn(b, key) || a[key] !== b[key]) return false;
    count++;
  }
  for (const _ in b) count--;
  return count === 0;
}
