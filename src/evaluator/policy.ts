import { isJsonObject, objectAt, textAt } from '../lib/json.ts';
import type { JsonObject } from '../lib/json.ts';
import type { Issue } from '../model/issue.ts';
import type { Action, Direction, PolicyRef, Tier } from './decision.ts';
import { readPeer } from './peer.ts';
import type { Peer } from './peer.ts';
import { readPort } from './port.ts';
import type { Port } from './port.ts';
import { readFields, readList, reportBroken, show } from './reading.ts';
import type { Broken, Report } from './reading.ts';
import { readSelector } from './selector.ts';
import type { Selector } from './selector.ts';

export interface Policy {
  readonly tier: Tier;
  /** Within the tier: a lower number is judged first. */
  readonly priority: number;
  readonly ref: PolicyRef;
  /** Empty for a ClusterNetworkPolicy. */
  readonly namespace: string;
  /** Only of a ClusterNetworkPolicy: the namespaces of its pods. Other policies select pods of their own namespace. */
  readonly namespaceSelector?: Selector;
  readonly podSelector: Selector;
  /** The directions in which its tier denies what no rule of the tier matches. */
  readonly isolates: ReadonlySet<Direction>;
  readonly rules: Readonly<Record<Direction, readonly Rule[]>>;
  /** The policy is not enforced (S13.1). */
  readonly isAudited?: true;
  /** If set, the policy isolates as it says and allows nothing (S9.7–S9.9). */
  readonly failedClosed: Broken | undefined;
  /** Why a node leaves out what the policy allows (`left-out.ts`). */
  readonly leftOut?: string;
}

/** Matches if one of its peers and one of its ports match (S2.8). */
export interface Rule {
  readonly index: number;
  readonly path: string;
  /** `Accept` in a NetworkPolicy. */
  readonly action: Action;
  /** Only in a ClusterNetworkPolicy, where a rule may have one. */
  readonly name?: string;
  readonly peers: 'any' | readonly Peer[];
  readonly ports: 'any' | readonly Port[];
  /** If set, the rule matches nothing (S9.5). Of a rule that denies or passes: it denies everything (S10.20). */
  readonly broken: Broken | undefined;
}

/** The annotation of a NetworkPolicy that puts it in audit (S13.1). */
export const modeAnnotation = 'postern.dev/mode';

const directionOf: Readonly<Record<string, Direction>> = { Ingress: 'ingress', Egress: 'egress' };
const peerField: Readonly<Record<Direction, string>> = { ingress: 'from', egress: 'to' };

/** Reads a NetworkPolicy. Reports invalid parts, which allow nothing; never throws (S9.1). */
export function readPolicy(raw: JsonObject, report: Report): Policy {
  const namespace = textAt(raw, 'metadata', 'namespace') ?? 'default';
  const fields = ['podSelector', 'policyTypes', 'ingress', 'egress'];
  const spec = raw['spec'] ?? {};
  const element = readFields(spec, fields, 'spec', report, 'unknown-field');
  const given = isJsonObject(spec) ? spec : {};
  const podSelector = readSubject(given['podSelector'], namespace, report);
  const types = readPolicyTypes(given, report);
  const isAudited = readMode(raw, report) === 'audit';
  return {
    ...(isAudited && { isAudited }),
    tier: 'NetworkPolicy',
    priority: 0,
    ref: `${namespace}/${textAt(raw, 'metadata', 'name') ?? ''}`,
    namespace,
    podSelector,
    isolates: types.isolates,
    rules: { ingress: readRules(given, 'ingress', report), egress: readRules(given, 'egress', report) },
    failedClosed: (element.kind === 'broken' ? element : undefined) ?? podSelector.broken ?? types.broken,
  };
}

/** S13.1: what is no mode enforces. */
function readMode(raw: JsonObject, report: Report): 'audit' | 'enforce' {
  const mode = objectAt(raw, 'metadata', 'annotations')[modeAnnotation] ?? 'enforce';
  if (mode === 'audit' || mode === 'enforce') return mode;
  const path = `metadata.annotations.${modeAnnotation}`;
  report({
    code: 'invalid-mode',
    path,
    message: `${show(mode)} is neither audit nor enforce; the policy is enforced`,
    effect: 'enforced',
  });
  return 'enforce';
}

/** A policy with an invalid podSelector still isolates pods (S9.7), so each reported issue names those pods. */
function readSubject(raw: unknown, namespace: string, report: Report): Selector {
  const found: Issue[] = [];
  const selector = readSelector(raw, 'spec.podSelector', (issue) => found.push(issue));
  const whom = selector.requirements.length === 0 ? 'every pod' : 'every pod that matches the rest of the selector';
  for (const issue of found) {
    report({ ...issue, message: `${issue.message}; the policy isolates ${whom} in namespace ${namespace}` });
  }
  return selector;
}

/** S2.1, S9.8. */
function readPolicyTypes(
  spec: JsonObject,
  report: Report,
): { isolates: ReadonlySet<Direction>; broken: Broken | undefined } {
  const types = readList(spec['policyTypes']);
  if (types?.length === 0) {
    const egress = readList(spec['egress']);
    const isolates: Direction[] = egress?.length === 0 ? ['ingress'] : ['ingress', 'egress'];
    return { isolates: new Set(isolates), broken: undefined };
  }
  const isolates = new Set<Direction>();
  let broken: Broken | undefined;
  for (const [index, type] of (types ?? [spec['policyTypes']]).entries()) {
    const direction = typeof type === 'string' && Object.hasOwn(directionOf, type) ? directionOf[type] : undefined;
    if (types && direction) isolates.add(direction);
    else {
      const path = types ? `spec.policyTypes[${index}]` : 'spec.policyTypes';
      broken ??= reportBroken(report, 'invalid-policy-type', path, `${show(type)} is neither Ingress nor Egress`);
    }
  }
  if (isolates.size > 0) return { isolates, broken: undefined };
  return { isolates: new Set(['ingress', 'egress']), broken };
}

function readRules(spec: JsonObject, direction: Direction, report: Report): Rule[] {
  const path = `spec.${direction}`;
  const rules = readList(spec[direction]);
  if (rules) return rules.map((rule, index) => readRule(rule, index, `${path}[${index}]`, direction, report));
  const broken = reportBroken(report, 'invalid-peer', path, `expected a list of rules, found ${show(spec[direction])}`);
  return [{ index: 0, path, action: 'Accept', peers: [], ports: [], broken }];
}

function readRule(raw: unknown, index: number, path: string, direction: Direction, report: Report): Rule {
  const field = peerField[direction];
  const element = readFields(raw, [field, 'ports'], path, report, 'invalid-peer');
  if (element.kind === 'broken') return { index, path, action: 'Accept', peers: [], ports: [], broken: element };
  const peers = readList(element.fields[field]);
  const ports = readList(element.fields['ports']);
  const broken =
    (peers ? undefined : reportBroken(report, 'invalid-peer', `${path}.${field}`, 'expected a list')) ??
    (ports ? undefined : reportBroken(report, 'invalid-port', `${path}.ports`, 'expected a list'));
  return {
    index,
    path,
    action: 'Accept',
    // Tests the list as written: a list with only invalid entries is not "any" (S9.5).
    peers:
      peers?.length === 0 ? 'any' : (peers ?? []).map((peer, i) => readPeer(peer, `${path}.${field}[${i}]`, report)),
    ports: ports?.length === 0 ? 'any' : (ports ?? []).map((port, i) => readPort(port, `${path}.ports[${i}]`, report)),
    broken,
  };
}
