import type { EdgePort, PolicyMap } from '../map/policy-map.ts';

/** A port of an edge that two times of one map show differently. */
export interface Difference {
  readonly edgeId: string;
  readonly from: string;
  readonly to: string;
  readonly port: string;
  /** `denied`: answered before, and denied after. `allowed`: the other way round. */
  readonly kind: DifferenceKind;
  /** Connections of all verdicts. */
  readonly before: number;
  readonly after: number;
}

export const differenceKinds = ['denied', 'allowed', 'gone', 'new'] as const;
export type DifferenceKind = (typeof differenceKinds)[number];

/** What changed between two times: connections that were denied from then on first. */
export function compareMaps(before: PolicyMap, after: PolicyMap): Difference[] {
  const [old, young] = [portsOf(before), portsOf(after)];
  const differences = [...new Set([...old.keys(), ...young.keys()])].flatMap((key): Difference[] => {
    const [then, now] = [old.get(key), young.get(key)];
    const { edgeId, from, to, port } = (now ?? then)!;
    const kind = kindOf(then?.port, now?.port);
    if (!kind) return [];
    return [{ edgeId, from, to, port: port.name, kind, before: countOf(then?.port), after: countOf(now?.port) }];
  });
  const rank = ({ kind }: Difference): number => differenceKinds.indexOf(kind);
  return differences.sort((a, b) => rank(a) - rank(b) || b.before + b.after - a.before - a.after);
}

function kindOf(before: EdgePort | undefined, after: EdgePort | undefined): DifferenceKind | undefined {
  if (!before) return after && 'new';
  if (!after) return 'gone';
  const [was, is] = [isDenied(before), isDenied(after)];
  if (was === is) return undefined;
  return is ? 'denied' : 'allowed';
}

function isDenied({ seen }: EdgePort): boolean {
  return seen.denied !== undefined;
}

function countOf(port: EdgePort | undefined): number {
  return Object.values(port?.seen ?? {}).reduce((sum, count) => sum + count, 0);
}

function portsOf({ edges }: PolicyMap): Map<string, { edgeId: string; from: string; to: string; port: EdgePort }> {
  return new Map(
    edges.flatMap(({ id, from, to, ports }) =>
      ports
        .filter(({ seen }) => Object.keys(seen).length > 0)
        .map((port) => [`${id} ${port.name}`, { edgeId: id, from, to, port }] as const),
    ),
  );
}
