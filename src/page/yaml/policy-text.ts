import { isMap, isScalar, isSeq, LineCounter, parseDocument, stringify, type Node, type Pair } from 'yaml';
import { objectAt, textAt, type JsonObject } from '../../lib/json.ts';

const order = ['apiVersion', 'kind', 'metadata', 'spec'];
const ofServer = ['managedFields', 'uid', 'resourceVersion', 'generation', 'creationTimestamp', 'selfLink'];
const lastApplied = 'kubectl.kubernetes.io/last-applied-configuration';

/** The YAML of a policy as its owner would write it: without what the API server adds. */
export function policyText(policy: JsonObject): string {
  const { [lastApplied]: _, ...annotations } = objectAt(policy, 'metadata', 'annotations');
  const kept = Object.entries(objectAt(policy, 'metadata')).filter(
    ([key]) => key !== 'annotations' && !ofServer.includes(key),
  );
  const metadata = Object.fromEntries(
    Object.keys(annotations).length > 0 ? [...kept, ['annotations', annotations]] : kept,
  );
  const { status: __, ...rest } = policy;
  const keys = [...order.filter((key) => key in policy), ...Object.keys(rest).filter((key) => !order.includes(key))];
  const sorted = Object.fromEntries(keys.map((key) => [key, key === 'metadata' ? metadata : rest[key]]));
  return stringify(sorted, { lineWidth: 0, aliasDuplicateObjects: false, indentSeq: false });
}

/**
 * The first and last line of the field at a path like `spec.ingress[0].from[0].podSelector`, from 1. If the field is missing, of the nearest
 * field around it.
 */
export function linesOf(text: string, path: string): readonly [first: number, last: number] | undefined {
  const counter = new LineCounter();
  let found: { readonly from: number; readonly node: Node | null } | undefined;
  let node = parseDocument(text, { lineCounter: counter }).contents as Node | null;
  let rest = path;
  while (rest !== '' && node) {
    const step: Step | undefined = isMap(node)
      ? enterMap(node.items, rest)
      : isSeq(node)
        ? enterList(node.items, rest)
        : undefined;
    if (!step) break;
    ({ node, rest } = step);
    found = { from: step.from, node };
  }
  if (!found) return undefined;
  const end = found.node?.range?.[1] ?? found.from;
  const first = counter.linePos(found.from).line;
  return [first, Math.max(first, counter.linePos(Math.max(found.from, end - 1)).line)];
}

interface Step {
  readonly from: number;
  readonly node: Node | null;
  readonly rest: string;
}

/** Keys may contain dots, so the longest that fits is meant. */
function enterMap(pairs: readonly Pair[], rest: string): Step | undefined {
  const fitting = pairs.flatMap((pair) => {
    const key = isScalar(pair.key) ? String(pair.key.value) : undefined;
    return key !== undefined && rest.startsWith(key) && ['', '.', '['].includes(rest.charAt(key.length))
      ? [{ key, pair }]
      : [];
  });
  const best = fitting.sort((a, b) => b.key.length - a.key.length)[0];
  if (!best) return undefined;
  const { key, pair } = best;
  return {
    from: (pair.key as Node).range![0],
    node: pair.value as Node | null,
    rest: rest.slice(key.length).replace(/^\./, ''),
  };
}

function enterList(items: readonly unknown[], rest: string): Step | undefined {
  const [whole, index] = /^\[(\d+)\]\.?/.exec(rest) ?? [];
  const node = index === undefined ? undefined : (items[Number(index)] as Node | undefined);
  return node?.range ? { from: node.range[0], node, rest: rest.slice(whole!.length) } : undefined;
}

/** The policy of a reference of the evaluator: `shop/web`, or `ClusterNetworkPolicy guard`. */
export function findPolicy(objects: readonly JsonObject[], ref: string): JsonObject | undefined {
  const cluster = /^ClusterNetworkPolicy (.*)$/.exec(ref)?.[1];
  return objects.find((object) => {
    const name = textAt(object, 'metadata', 'name');
    if (cluster !== undefined) return object['kind'] === 'ClusterNetworkPolicy' && name === cluster;
    const namespace = textAt(object, 'metadata', 'namespace') ?? 'default';
    return object['kind'] === 'NetworkPolicy' && `${namespace}/${name ?? ''}` === ref;
  });
}
