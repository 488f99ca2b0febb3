import type { Issue } from '../model/issue.ts';
import { everything } from '../model/order.ts';
import {
  type Action,
  type Direction,
  type GroupId,
  type GroupSelection,
  type Policy,
  type PolicyRule,
  type RuleOrigin,
  type Selection,
  type Tier,
} from '../model/policy.ts';
import { groupIdOf } from '../model/selection.ts';
import { readClusterPeer, type ClusterPeer } from './cluster-peers.ts';
import { readProtocols } from './cluster-ports.ts';
import { Field } from './field.ts';
import type { PolicyKind } from './policy-kind.ts';
import { readStrictSelector } from './selector.ts';

/** policy.networking.k8s.io ClusterNetworkPolicy, as of v1alpha2. */
export const clusterNetworkPolicyKind: PolicyKind = {
  name: 'ClusterNetworkPolicy',
  namespaced: false,
  hasStatus: true,
  resource: { name: 'clusternetworkpolicies', group: 'policy.networking.k8s.io' },
  parse: parseClusterNetworkPolicy,
};

const tierNames: readonly string[] = ['Admin', 'Baseline'] satisfies Tier[];
const actionNames: readonly string[] = ['Accept', 'Deny', 'Pass'] satisfies Action[];
const peersFields = { ingress: 'from', egress: 'to' } as const;

/** A rule of the API object. If the agent cannot read all of it, an `Accept` rule allows less, and a `Deny` or `Pass` rule denies everything (S10.20). */
interface ReadRule {
  readonly action: Action;
  readonly origin: RuleOrigin;
  readonly isComplete: boolean;
  readonly peers: readonly ClusterPeer[];
  readonly rules: readonly PolicyRule[];
  readonly groups: ReadonlyMap<GroupId, GroupSelection>;
}

const nobody: Selection = { namespaces: 'all', pods: [{ key: '', operator: 'In', values: [] }] };
/** The API admits no longer name of a rule. */
const longestName = 100;

function parseClusterNetworkPolicy(raw: unknown): { policy: Policy; issues: readonly Issue[] } {
  const issues: Issue[] = [];
  const root = new Field(raw, issues);
  const id = `/${String(root.get('metadata').get('name').value)}`;
  const spec = root.get('spec');
  const specKnown = spec.hasOnly(['tier', 'priority', 'subject', 'ingress', 'egress'], 'unknown-field');
  const order = readOrder(spec);
  const subject = readSubject(spec.get('subject'));
  const groups = new Map<GroupId, GroupSelection>();
  // An unknown part of the policy itself may narrow all of its rules.
  const isNarrowed = !specKnown || subject?.isComplete === false;
  const rules = (direction: Direction): readonly PolicyRule[] => {
    const read = readRules(spec.get(direction), direction);
    for (const rule of read)
      if (!isNarrowed) for (const [group, selection] of rule.groups) groups.set(group, selection);
    return read.flatMap((rule) => (isNarrowed ? withoutReading(rule) : rule.rules));
  };
  const read = { ingress: rules('ingress'), egress: rules('egress') };
  const denies = [...read.ingress, ...read.egress].some(({ action }) => action === 'Deny');
  if (isNarrowed && denies && order && subject)
    spec.report(
      'invalid-selector',
      'a part that may narrow the whole policy cannot be read: each of its Deny and Pass rules denies everything, for all pods that the rest of the subject selects',
    );
  // S10.21: without an order or a subject, the agent cannot tell which packets the policy judges, or when.
  const isPlaced = order !== undefined && subject !== undefined;
  const policy: Policy = {
    id,
    tier: order?.tier ?? 'Baseline',
    priority: order?.priority ?? 0,
    appliesTo: isPlaced ? subject.selection : nobody,
    isolates: new Set(),
    rules: isPlaced ? read : { ingress: [], egress: [] },
    groups: isPlaced ? groups : new Map(),
  };
  return { policy, issues };
}

/** What stands in for a rule that cannot be read as a whole. */
function withoutReading({ action, origin }: Pick<ReadRule, 'action' | 'origin'>): readonly PolicyRule[] {
  return action === 'Accept' ? [] : [{ action: 'Deny', ...everything, origin: { ...origin, isUnreadable: true } }];
}

/** `undefined` if the policy has no place in the order. */
function readOrder(spec: Field): { readonly tier: Tier; readonly priority: number } | undefined {
  const tier = spec.get('tier');
  const priority = spec.get('priority');
  const isTier = typeof tier.value === 'string' && tierNames.includes(tier.value);
  if (!isTier)
    tier.report('invalid-order', `must be ${tierNames.join(' or ')}: the policy is not enforced`, 'not-enforced');
  if (!Number.isInteger(priority.value))
    priority.report('invalid-order', 'must be a whole number: the policy is not enforced', 'not-enforced');
  if (!isTier || !Number.isInteger(priority.value)) return undefined;
  return { tier: tier.value as Tier, priority: priority.value as number };
}

/** `undefined` if the agent cannot tell which pods the policy selects. If a part of a selector cannot be read, the rest selects, as in a NetworkPolicy (S9.7). */
function readSubject(field: Field): { readonly selection: Selection; readonly isComplete: boolean } | undefined {
  const peer = field.isObject ? readSubjectPods(field) : undefined;
  if (!peer)
    field.report('invalid-selector', 'must have either namespaces or pods: the policy is not enforced', 'not-enforced');
  return peer;
}

function readSubjectPods(field: Field): ReturnType<typeof readSubject> {
  const [namespaces, pods] = [field.get('namespaces'), field.get('pods')];
  if (namespaces.absent === pods.absent) return undefined;
  const isKnown = field.hasOnly(['namespaces', 'pods'], 'invalid-selector');
  if (!pods.absent && !pods.isObject) return undefined;
  const isKnownPods = pods.absent || pods.hasOnly(['namespaceSelector', 'podSelector'], 'invalid-selector');
  const ofNamespaces = readStrictSelector(pods.absent ? namespaces : pods.get('namespaceSelector'));
  const ofPods = readStrictSelector(pods.get('podSelector'));
  return {
    selection: { namespaces: { selector: ofNamespaces.selector }, pods: ofPods.selector },
    isComplete: isKnown && isKnownPods && ofNamespaces.complete && ofPods.complete,
  };
}

function readRules(list: Field, direction: Direction): readonly ReadRule[] {
  const items = list.items();
  if (items) return items.map((item, rule) => readRule(item, direction, rule));
  list.report('unknown-field', 'must be a list of rules: the policy denies everything in this direction');
  return [unreadable('Deny', { rule: 0, path: list.path })];
}

function unreadable(action: Action, origin: RuleOrigin): ReadRule {
  const rules = withoutReading({ action, origin });
  return { action, origin, isComplete: false, peers: [], rules, groups: new Map() };
}

function readRule(field: Field, direction: Direction, rule: number): ReadRule {
  const peersName = peersFields[direction];
  const isKnown = field.hasOnly(['name', 'action', peersName, 'protocols'], 'unknown-field');
  const action = readAction(field.get('action'));
  const name = field.get('name');
  if (!name.absent && typeof name.value !== 'string') name.report('unknown-field', 'must be a string', 'ignored');
  const named = typeof name.value === 'string' ? { name: name.value.slice(0, longestName) } : {};
  const origin: RuleOrigin = { rule, path: field.path, ...named };
  const groups = new Map<GroupId, GroupSelection>();
  const addGroup = (selection: GroupSelection): GroupId => {
    const id = groupIdOf(selection);
    groups.set(id, selection);
    return id;
  };
  // An ingress port name is resolved on the selected pod itself, so it needs no group.
  const ports = readProtocols(field.get('protocols'), direction === 'egress' ? addGroup : groupIdOf);
  const items = field.get(peersName).items();
  if (!items || items.length === 0) field.get(peersName).report('invalid-peer', 'must be a list of at least one peer');
  const peers = (items ?? []).map((item) => readClusterPeer(item, direction, addGroup));
  const readable = peers.filter((peer) => peer !== undefined);
  const isComplete = isKnown && ports.isComplete && readable.length > 0 && readable.length === peers.length;
  if (action === undefined || (action !== 'Accept' && !isComplete)) {
    field.report(
      action ? 'unknown-field' : 'invalid-action',
      `the agent cannot read all of this ${action ?? ''} rule, so it denies everything in this direction, also what later rules accept`.replace(
        '  ',
        ' ',
      ),
    );
    return unreadable('Deny', origin);
  }
  if (!isKnown) return unreadable(action, origin);
  const unplaced =
    action !== 'Accept' && readable.some(({ isPods }) => isPods) ? [denyUnplaced(ports.ports, addGroup)] : [];
  const rules = [
    ...unplaced.map((each) => ({ ...each, origin: { ...origin, isUndecided: true } as const })),
    ...combine(action, readable, ports.ports).map((each) => ({ ...each, origin })),
  ];
  return { action, origin, isComplete, peers: readable, rules, groups };
}

function readAction(field: Field): Action | undefined {
  if (typeof field.value === 'string' && actionNames.includes(field.value)) return field.value as Action;
  field.report('invalid-action', `must be one of ${actionNames.join(', ')}`);
  return undefined;
}

/** Stands before a `Deny` or `Pass` by selector: such an address may be one that the rule matches (S10.11). So it may declare any port under a name. */
function denyUnplaced(ports: PolicyRule['ports'], addGroup: (selection: GroupSelection) => GroupId): PolicyRule {
  const hasNames = ports.some(({ kind }) => kind === 'named');
  const peers = [{ kind: 'pods', group: addGroup({ unplaced: true }) } as const];
  return { action: 'Deny', peers, ports: hasNames ? everything.ports : ports };
}

/** A port name means something on pods only. So peers of other kinds get a rule of their own, without the names (S10.17). */
function combine(action: Action, peers: readonly ClusterPeer[], ports: PolicyRule['ports']): readonly PolicyRule[] {
  const [named, others] = [ports.filter(({ kind }) => kind === 'named'), ports.filter(({ kind }) => kind !== 'named')];
  const all = peers.map(({ peer }) => peer);
  if (named.length === 0) return [{ action, peers: all, ports }];
  const ofPods = peers.filter(({ isPods }) => isPods).map(({ peer }) => peer);
  for (const { isPods, field } of peers) {
    if (isPods) continue;
    field.report(
      'invalid-peer',
      'a destinationNamedPort matches nothing here: only pods declare port names',
      'ignored',
    );
  }
  return [
    { action, peers: all, ports: others },
    { action, peers: ofPods, ports: named },
  ].filter((rule) => rule.peers.length > 0 && rule.ports.length > 0);
}
