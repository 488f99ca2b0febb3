import type { Issue } from '../model/issue.ts';
import {
  auditTier,
  directions,
  modeAnnotation,
  type Direction,
  type GroupId,
  type Policy,
  type PolicyRule,
  type Selection,
} from '../model/policy.ts';
import { groupIdOf } from '../model/selection.ts';
import { Field } from './field.ts';
import { readPeer } from './peers.ts';
import type { PolicyKind } from './policy-kind.ts';
import { readPort } from './ports.ts';
import { readSelector } from './selector.ts';

/** networking.k8s.io/v1 NetworkPolicy. */
export const networkPolicyKind: PolicyKind = {
  name: 'NetworkPolicy',
  namespaced: true,
  resource: { name: 'networkpolicies', path: '/apis/networking.k8s.io/v1/networkpolicies' },
  parse: parseNetworkPolicy,
};

const directionFields = {
  ingress: { policyType: 'Ingress', rules: 'ingress', peers: 'from' },
  egress: { policyType: 'Egress', rules: 'egress', peers: 'to' },
} as const;

function parseNetworkPolicy(raw: unknown): { policy: Policy; issues: readonly Issue[] } {
  const issues: Issue[] = [];
  const root = new Field(raw, issues);
  const metadata = root.get('metadata');
  const namespace = String(metadata.get('namespace').value);
  const spec = root.get('spec');
  const groups = new Map<GroupId, Selection>();
  const addGroup = (selection: Selection): GroupId => {
    const id = groupIdOf(selection);
    groups.set(id, selection);
    return id;
  };

  const specKnown = spec.absent || spec.hasOnly(['podSelector', 'ingress', 'egress', 'policyTypes'], 'unknown-field');
  const types = readPolicyTypes(spec);
  const subject = readSubject(spec, namespace, issues);
  // A part of the policy that we could not read may narrow it, so the policy isolates but allows nothing (S9.7, S9.9).
  const mayAllow = specKnown && types.understood && subject.complete;
  const rules = (direction: Direction): readonly PolicyRule[] => {
    if (!mayAllow) return [];
    if (types.isolates.has(direction)) return readRules(spec, direction, namespace, addGroup);
    // S2.3: these rules have no effect. Their issues are reported all the same.
    readRules(spec, direction, namespace, groupIdOf);
    return [];
  };
  const policy: Policy = {
    id: `${namespace}/${String(metadata.get('name').value)}`,
    tier: readTier(metadata),
    priority: 0,
    appliesTo: { namespaces: { name: namespace }, pods: subject.selector },
    isolates: types.isolates,
    rules: { ingress: rules('ingress'), egress: rules('egress') },
    groups,
  };
  return { policy, issues };
}

/**
 * S13.1: a policy is enforced unless it says that it is in audit. A mode that the agent does not know is a spelling mistake, or of a later version: enforced, the
 * policy opens nothing.
 */
function readTier(metadata: Field): Policy['tier'] {
  const mode = metadata.get('annotations').get(modeAnnotation);
  if (mode.value === 'audit') return auditTier;
  if (!mode.absent && mode.value !== 'enforce') {
    mode.report('invalid-mode', 'must be audit or enforce; the policy is enforced', 'enforced');
  }
  return 'NetworkPolicy';
}

/** Each issue of the subject selector also says which pods the policy still isolates (S9.7). */
function readSubject(spec: Field, namespace: string, issues: Issue[]): ReturnType<typeof readSelector> {
  const earlier = issues.length;
  const subject = readSelector(spec.get('podSelector'));
  const whom = subject.selector.length === 0 ? 'every pod' : 'every pod that matches the rest of the selector';
  for (const issue of issues.splice(earlier)) {
    issues.push({ ...issue, message: `${issue.message}; the policy isolates ${whom} in namespace ${namespace}` });
  }
  return subject;
}

/** S2.1, S2.2, S9.8. */
function readPolicyTypes(spec: Field): { isolates: ReadonlySet<Direction>; understood: boolean } {
  const field = spec.get('policyTypes');
  const items = field.items();
  if (!items) field.report('invalid-policy-type', 'must be a list');
  if (!items) return { isolates: new Set(directions), understood: false };
  if (items.length === 0) {
    const egress = spec.get('egress').items();
    return { isolates: new Set(egress?.length === 0 ? ['ingress'] : directions), understood: true };
  }
  const directionOf = ({ value }: Field): Direction | undefined =>
    directions.find((direction) => directionFields[direction].policyType === value);
  const isolates = new Set(items.flatMap((item) => directionOf(item) ?? []));
  const understood = isolates.size > 0;
  for (const item of items) {
    if (directionOf(item)) continue;
    item.report('invalid-policy-type', 'must be Ingress or Egress', understood ? 'ignored' : 'failed-closed');
  }
  return { isolates: understood ? isolates : new Set(directions), understood };
}

function readRules(
  spec: Field,
  direction: Direction,
  namespace: string,
  addGroup: (selection: Selection) => GroupId,
): readonly PolicyRule[] {
  const names = directionFields[direction];
  const list = spec.get(names.rules);
  const items = list.items();
  if (!items) list.report('unknown-field', 'must be a list of rules');
  return (items ?? []).flatMap((item) => readRule(item, names.peers, namespace, addGroup) ?? []);
}

function readRule(
  field: Field,
  peersName: 'from' | 'to',
  namespace: string,
  addGroup: (selection: Selection) => GroupId,
): PolicyRule | undefined {
  if (!field.hasOnly([peersName, 'ports'], 'unknown-field')) return undefined;
  const peers = field.get(peersName).items();
  const ports = field.get('ports').items();
  if (!peers) field.get(peersName).report('invalid-peer', 'must be a list');
  if (!ports) field.get('ports').report('invalid-port', 'must be a list');
  if (!peers || !ports) return undefined;
  // An ingress port name is resolved on the selected pod itself (S4.7), so it needs no group.
  const addDeclarers = peersName === 'to' ? addGroup : groupIdOf;
  // An empty list means "any". A list without any valid entry stays empty and matches nothing.
  return {
    action: 'Accept',
    peers: peers.length === 0 ? [{ kind: 'any' }] : peers.flatMap((peer) => readPeer(peer, namespace, addGroup) ?? []),
    ports: ports.length === 0 ? [{ kind: 'any' }] : ports.flatMap((port) => readPort(port, addDeclarers) ?? []),
  };
}
