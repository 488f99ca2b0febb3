import { shortHash } from '../../lib/hash.ts';
import { isJsonObject, listAt, textAt } from '../../lib/json.ts';
import type { SpecVersion } from '../../model/node-policies.ts';

/**
 * What a node's kernel holds, as its agent reports it to the elected one: sorted marks of policies, each as long as `markLength`, without a separator. It has
 * no resourceVersion, so a write of a status changes no report.
 */
export interface HeldReport {
  /** Policies that the kernel holds as their spec says. */
  readonly held: string;
  /** Policies whose rules the node leaves out (S9.10, S10.23): it denies instead. */
  readonly leftOut: string;
}

/** 35 bits: with 1,000 policies, the odds that a node seems to hold a new one by chance are about 3 in 100 million. */
const markLength = 7;
/** Annotations of one object have 256 KiB at most. What is left out counts as not held. */
const mostMarks = 30_000;

const heldAnnotation = 'postern.dev/held';
const leftOutAnnotation = 'postern.dev/left-out';
/** Names of objects have 253 characters at most. */
const longestName = 240;

/** The mark of one version of a policy's spec. */
export function markOf({ uid, generation }: SpecVersion): string {
  return shortHash(`${uid}/${generation}`).slice(0, markLength);
}

/** @param leftOut names of policies */
export function writeHeld(held: ReadonlyMap<string, SpecVersion>, leftOut: ReadonlySet<string>): HeldReport {
  const marks = (isLeftOut: boolean): string => {
    const chosen = [...held].filter(([name]) => leftOut.has(name) === isLeftOut);
    const sorted = chosen.map(([, version]) => markOf(version)).sort();
    return sorted.slice(0, mostMarks / 2).join('');
  };
  return { held: marks(false), leftOut: marks(true) };
}

/** A text that is no list of marks has none. */
export function readMarks(text: string): ReadonlySet<string> {
  if (text.length % markLength !== 0 || !/^[a-z2-7]*$/.test(text)) return new Set();
  const marks = new Set<string>();
  for (let i = 0; i < text.length; i += markLength) marks.add(text.slice(i, i + markLength));
  return marks;
}

/** The report without marks of other policies, so that it is no longer than the marks of all. A text that is too long for honest marks has none. */
export function withMarksOf<T extends HeldReport>(report: T, known: ReadonlySet<string>): T {
  const longest = markLength * (2 * known.size + 100);
  const only = (text: string): string =>
    text.length > longest ? '' : [...readMarks(text)].filter((mark) => known.has(mark)).join('');
  return { ...report, held: only(report.held), leftOut: only(report.leftOut) };
}

/** The Lease of a node's report. A cut name has a hash, so that no two nodes share one. */
export function leaseNameOf(node: string): string {
  return `node.${node.slice(0, longestName - 18).replace(/[^a-z0-9]+$/, '')}.${shortHash(node)}`;
}

/** The report of one node, from its Lease. */
export interface NodeReport extends HeldReport {
  readonly node: string;
  /** The uid of the Node object that the report is about. */
  readonly nodeUid: string;
}

/** The Lease object. The Node owns it, so the API server deletes it with the Node. */
export function leaseBody({ node, nodeUid, held, leftOut }: NodeReport, time: string): object {
  return {
    metadata: {
      labels: { 'app.kubernetes.io/name': 'postern' },
      annotations: { [heldAnnotation]: held, [leftOutAnnotation]: leftOut },
      ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: node, uid: nodeUid }],
    },
    spec: { holderIdentity: node, renewTime: time },
  };
}

/** `undefined` if the Lease is not the one of its node. */
export function readLease(raw: unknown): NodeReport | undefined {
  const node = textAt(raw, 'spec', 'holderIdentity');
  if (node === undefined || textAt(raw, 'metadata', 'name') !== leaseNameOf(node)) return undefined;
  const owners = listAt(raw, 'metadata', 'ownerReferences').filter(isJsonObject);
  const nodeUid = textAt(
    owners.find((owner) => owner['kind'] === 'Node' && owner['name'] === node),
    'uid',
  );
  if (nodeUid === undefined) return undefined;
  const annotation = (name: string): string => textAt(raw, 'metadata', 'annotations', name) ?? '';
  return { node, nodeUid, held: annotation(heldAnnotation), leftOut: annotation(leftOutAnnotation) };
}
