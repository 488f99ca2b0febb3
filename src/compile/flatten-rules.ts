import type { GroupId, Peer, PortMatch } from '../model/policy.ts';
import { isOfNetworkPolicies, type ClassRule, type ClassSpec } from './class-spec.ts';
import { borderIndex, endOf, portBetween, startOf } from './port-line.ts';
import { mergePorts, portSetOf, type PortRange, type PortSet } from './port-set.ts';
import { levelOf } from './rule-order.ts';
import { Walk, type DeclaredNumber, type Step } from './walk.ts';

/** A rule of a ClusterNetworkPolicy, as far as it judges the ports of a part. */
interface Judge {
  readonly level: number;
  readonly action: ClassRule['action'];
  readonly peers: readonly Peer[];
  readonly declares?: DeclaredNumber;
}

/** Ports that the rules of ClusterNetworkPolicies judge alike. */
export interface Part {
  /** `any`: every protocol and port that no other part has. */
  readonly ports: PortSet;
  /** In order, without those that decide nothing here. */
  readonly judges: readonly Judge[];
}

/** By protocol and name of a port (`nameKey`), the numbers that pods declare. */
export type DeclaredNumbers = ReadonlyMap<string, NumbersOfName>;

export interface NumbersOfName {
  readonly known: readonly number[];
  /** Pods declare more numbers than `known` has room for. */
  readonly areMore: boolean;
}

export function nameKey({ protocol, name }: { readonly protocol: string; readonly name: string }): string {
  return `${protocol}/${name}`;
}

type Named = Extract<PortMatch, { readonly kind: 'named' }>;

/** The egress port names in rules of ClusterNetworkPolicies: each destination resolves them itself. */
export function namesOf({ rules, direction, role }: ClassSpec): Named[] {
  if (direction === 'ingress' || isOfNetworkPolicies(role)) return [];
  return rules.flatMap(({ ports }) => ports.filter((port): port is Named => 'kind' in port && port.kind === 'named'));
}

const noNumbers: NumbersOfName = { known: [], areMore: false };

/** The last entry of a walk that allows what no rule decides. */
const everyone: readonly Peer[] = [{ kind: 'any' }];
const lastLevel = levelOf('Baseline') + 1;

/**
 * Cuts the ports so that within a part, each rule of a ClusterNetworkPolicy judges all ports or none. Then the order of rules concerns peers only (`Walk`), and
 * each packet belongs to one part. The last part is the one with `any`.
 */
export function partsOf(spec: ClassSpec, numbers: DeclaredNumbers): readonly Part[] {
  const rules = spec.rules.flatMap((rule) => judgesOf(rule, numbers));
  const everywhere = rules.flatMap(({ ports, judge }, index) => (ports === 'any' ? [{ judge, index }] : []));
  const borders = [
    ...new Set(
      rules.flatMap(({ ports }) => (ports === 'any' ? [] : ports.flatMap((port) => [startOf(port), endOf(port)]))),
    ),
  ].sort((a, b) => a - b);
  const columns = borders.map((): number[] => everywhere.map(({ index }) => index));
  for (const [index, { ports }] of rules.entries()) {
    if (ports === 'any') continue;
    for (const port of ports) {
      const end = borderIndex(borders, endOf(port));
      for (let column = borderIndex(borders, startOf(port)); column < end; column++) columns[column]!.push(index);
    }
  }
  const rest = reduce(
    everywhere.map(({ judge }) => judge),
    spec.isIsolated,
  );
  const textOfRest = textOf(rest);
  const parts = new Map<string, { ports: PortRange[]; judges: readonly Judge[] }>();
  const reduced = new Map<string, { readonly judges: readonly Judge[]; readonly text: string }>();
  for (const [column, indexes] of columns.entries()) {
    if (indexes.length === everywhere.length) continue;
    const key = [...new Set(indexes)].sort((a, b) => a - b);
    let known = reduced.get(key.join());
    if (!known) {
      const judges = reduce(
        key.map((index) => rules[index]!.judge),
        spec.isIsolated,
      );
      reduced.set(key.join(), (known = { judges, text: textOf(judges) }));
    }
    if (known.text === textOfRest) continue;
    const port = portBetween(borders[column]!, borders[column + 1]!);
    const part = parts.get(known.text);
    if (part) part.ports.push(port);
    else parts.set(known.text, { ports: [port], judges: known.judges });
  }
  const cut = Array.from(parts.values(), ({ ports, judges }) => ({ ports: mergePorts(ports), judges }));
  return [...cut, { ports: 'any', judges: rest }];
}

/**
 * A rule once for each number that one of its port names means. A pod that declares a number which is not known would evade a `Deny` or `Pass` rule: so the
 * rule denies all ports of the protocol on that pod (S10.17).
 */
function judgesOf(
  { tier, action, peers, ports }: ClassRule,
  numbers: DeclaredNumbers,
): { readonly ports: PortSet; readonly judge: Judge }[] {
  const judge: Judge = { level: levelOf(tier), action, peers };
  const plain = portSetOf(ports);
  const named = ports.flatMap((port) => ('kind' in port && port.kind === 'named' ? [port] : []));
  const ofNames = named.flatMap(({ name, protocol, declarers }) => {
    const { known, areMore } = numbers.get(nameKey({ protocol, name })) ?? noNumbers;
    const ofKnown = known.map((port) => {
      const declares: DeclaredNumber = { name, protocol, port, declarers };
      return { ports: [{ protocol, first: port, last: port }], judge: { ...judge, declares } };
    });
    if (!areMore || action === 'Accept') return ofKnown;
    const declares: DeclaredNumber = { name, protocol, port: { not: known }, declarers };
    const closing: Judge = { ...judge, action: 'Deny', declares };
    return [...ofKnown, { ports: [{ protocol, first: 0, last: 65_535 }], judge: closing }];
  });
  return plain === 'any' || plain.length > 0 ? [{ ports: plain, judge }, ...ofNames] : ofNames;
}

/** Leaves out judges that nothing reaches, and those after which nothing differs, and merges neighbours with the same action. */
function reduce(judges: readonly Judge[], isIsolated: boolean): readonly Judge[] {
  const kept: Judge[] = [];
  let closed: number | undefined;
  for (const judge of judges) {
    if (judge.level === closed) continue;
    const before = kept.at(-1);
    const isAlike =
      before?.level === judge.level && before.action === judge.action && !before.declares && !judge.declares;
    if (isAlike) kept[kept.length - 1] = { ...before, peers: [...before.peers, ...judge.peers] };
    else kept.push(judge);
    if (judge.declares || !judge.peers.some(({ kind }) => kind === 'any')) continue;
    const isPassed = kept.some(({ level, action }) => level === judge.level && action === 'Pass');
    if (!isPassed) break;
    closed = judge.level;
  }
  // What is left at the end of a tier goes to the next one anyway.
  const needed = kept.filter(
    ({ level, action }, index) =>
      action !== 'Pass' || kept.slice(index + 1).some((later) => later.level === level && later.action !== 'Pass'),
  );
  // Where the rest is allowed, nothing has to be accepted at the end.
  const last = isIsolated ? needed.length - 1 : needed.findLastIndex(({ action }) => action === 'Deny');
  return needed.slice(0, last + 1);
}

function textOf(judges: readonly Judge[]): string {
  return walkOf(judges, true).text;
}

/**
 * The ordered list of one lookup.
 * @param isRestDenied whether it denies what no judge decides
 */
export function walkOf(judges: readonly Judge[], isRestDenied: boolean): Walk {
  const verdicts = { Accept: 'allow', Deny: 'deny', Pass: 'pass' } as const;
  const steps = judges.map(({ level, action, peers, declares }): Step => ({
    ...{ level, verdict: verdicts[action], peers },
    ...(declares && { declares }),
  }));
  return new Walk(isRestDenied ? steps : [...steps, { level: lastLevel, verdict: 'allow', peers: everyone }]);
}

/** The groups of judges and the names in them. */
export function groupsOfJudges(rules: readonly ClassRule[]): GroupId[] {
  return rules.flatMap(({ peers, ports }) => [
    ...peers.flatMap((peer) => (peer.kind === 'pods' ? [peer.group] : [])),
    ...ports.flatMap((port) => ('kind' in port && port.kind === 'named' ? [port.declarers] : [])),
  ]);
}
