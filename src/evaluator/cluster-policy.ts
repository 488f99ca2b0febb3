import { isJsonObject, textAt } from '../lib/json.ts';
import type { JsonObject } from '../lib/json.ts';
import type { Action, Direction, Tier } from './decision.ts';
import { readNetworks, readPeerOfNodes, readPeerOfPods } from './peer.ts';
import type { Peer } from './peer.ts';
import { isPortNumber } from './port.ts';
import type { Port } from './port.ts';
import type { Policy, Rule } from './policy.ts';
import { readFields, readList, reportBroken, show } from './reading.ts';
import type { Broken, Report } from './reading.ts';
import { readStrictSelector } from './selector.ts';
import type { Selector } from './selector.ts';

const tiers = ['Admin', 'Baseline'] as const satisfies readonly Tier[];
const actions = ['Accept', 'Deny', 'Pass'] as const satisfies readonly Action[];
const peerField: Readonly<Record<Direction, string>> = { ingress: 'from', egress: 'to' };
const peerFields: Readonly<Record<Direction, readonly string[]>> = {
  ingress: ['namespaces', 'pods'],
  egress: ['namespaces', 'pods', 'networks', 'nodes', 'domainNames'],
};
const protocols = { tcp: 'TCP', udp: 'UDP', sctp: 'SCTP' } as const;

/**
 * Reads a ClusterNetworkPolicy. Reports invalid parts. In an `Accept` rule they match nothing, and any other rule that has one denies everything (S10.20).
 * Returns `undefined` if nobody can say which packets the policy judges, and in which order (S10.21).
 */
export function readClusterPolicy(raw: JsonObject, report: Report): Policy | undefined {
  const spec = raw['spec'];
  const element = readFields(
    spec,
    ['tier', 'priority', 'subject', 'ingress', 'egress'],
    'spec',
    report,
    'unknown-field',
  );
  const given = isJsonObject(spec) ? spec : {};
  const notPlaced = (path: string, message: string): void =>
    report({ code: 'invalid-order', path, message: `${message}: the policy is not enforced`, effect: 'not-enforced' });
  const tier = tiers.find((each) => each === given['tier']);
  if (!tier) notPlaced('spec.tier', `${show(given['tier'])} is neither Admin nor Baseline`);
  const { priority } = given;
  const isNumber = typeof priority === 'number' && Number.isInteger(priority);
  if (!isNumber) notPlaced('spec.priority', `${show(priority)} is no whole number`);
  const subject = readSubject(given['subject'], report);
  if (!subject) notPlaced('spec.subject', 'expected either namespaces or pods');
  const broken = (element.kind === 'broken' ? element : undefined) ?? subject?.broken;
  const rules = {
    ingress: readRules(given, 'ingress', broken, report),
    egress: readRules(given, 'egress', broken, report),
  };
  if (!tier || !isNumber || !subject) return undefined;
  return {
    tier,
    priority,
    ref: `ClusterNetworkPolicy ${textAt(raw, 'metadata', 'name') ?? ''}`,
    namespace: '',
    namespaceSelector: subject.namespaces,
    podSelector: subject.pods,
    isolates: new Set(),
    rules,
    failedClosed: broken,
  };
}

interface Subject {
  readonly namespaces: Selector;
  readonly pods: Selector;
  readonly broken: Broken | undefined;
}

function readSubject(raw: unknown, report: Report): Subject | undefined {
  const path = 'spec.subject';
  if (!isJsonObject(raw)) return undefined;
  const [namespaces, pods] = [raw['namespaces'] ?? undefined, raw['pods'] ?? undefined];
  if ((namespaces === undefined) === (pods === undefined)) return undefined;
  if (pods !== undefined && !isJsonObject(pods)) return undefined;
  const elements = [
    readFields(raw, ['namespaces', 'pods'], path, report, 'invalid-selector'),
    ...(pods
      ? [readFields(pods, ['namespaceSelector', 'podSelector'], `${path}.pods`, report, 'invalid-selector')]
      : []),
  ];
  const ofNamespaces = pods
    ? readStrictSelector(pods['namespaceSelector'], `${path}.pods.namespaceSelector`, report)
    : readStrictSelector(namespaces, `${path}.namespaces`, report);
  const ofPods = readStrictSelector(pods?.['podSelector'], `${path}.pods.podSelector`, report);
  const broken = elements.find((each) => each.kind === 'broken') ?? ofNamespaces.broken ?? ofPods.broken;
  return { namespaces: ofNamespaces, pods: ofPods, broken };
}

function readRules(spec: JsonObject, direction: Direction, broken: Broken | undefined, report: Report): Rule[] {
  const path = `spec.${direction}`;
  const rules = readList(spec[direction]);
  if (!rules) {
    const notList = reportBroken(
      report,
      'unknown-field',
      path,
      `expected a list of rules, found ${show(spec[direction])}`,
    );
    return [{ index: 0, path, action: 'Deny', peers: 'any', ports: 'any', broken: notList }];
  }
  return rules.map((rule, index) => {
    const read = readRule(rule, index, `${path}[${index}]`, direction, report);
    return broken ? failClosed(read, broken) : read;
  });
}

/** What a rule is of which a part is unknown. */
function failClosed(rule: Rule, broken: Broken): Rule {
  if (rule.action === 'Accept') return { ...rule, peers: [], ports: [], broken };
  return { ...rule, action: 'Deny', peers: 'any', ports: 'any', broken };
}

function readRule(raw: unknown, index: number, path: string, direction: Direction, report: Report): Rule {
  const field = peerField[direction];
  const element = readFields(raw, ['name', 'action', field, 'protocols'], path, report, 'unknown-field');
  const given = isJsonObject(raw) ? raw : {};
  const action = actions.find((each) => each === given['action']);
  const { name } = given;
  const peers = readPeers(given[field], `${path}.${field}`, direction, report);
  const ports = readProtocols(given['protocols'], `${path}.protocols`, report);
  const rule: Rule = {
    index,
    path,
    action: action ?? 'Deny',
    ...(typeof name === 'string' && { name }),
    peers,
    ports,
    broken: undefined,
  };
  if (!action)
    return failClosed(
      rule,
      reportBroken(
        report,
        'invalid-action',
        `${path}.action`,
        `${show(given['action'])} is none of ${actions.join(', ')}`,
      ),
    );
  const parts = [...peers, ...(ports === 'any' ? [] : ports)];
  const unread = element.kind === 'broken' ? element : parts.find((part) => part.kind === 'broken');
  if (action === 'Accept') return element.kind === 'broken' ? failClosed(rule, element) : rule;
  return unread ? failClosed(rule, unread) : rule;
}

function readPeers(raw: unknown, path: string, direction: Direction, report: Report): readonly Peer[] {
  const list = readList(raw);
  if (!list || list.length === 0)
    return [reportBroken(report, 'invalid-peer', path, 'expected a list of at least one peer')];
  return list.flatMap((peer, index) => readPeer(peer, `${path}[${index}]`, direction, report));
}

function readPeer(raw: unknown, path: string, direction: Direction, report: Report): readonly Peer[] {
  const known = peerFields[direction];
  const element = readFields(raw, known, path, report, 'invalid-peer');
  if (element.kind === 'broken') return [element];
  const [field, ...others] = known.filter((name) => (element.fields[name] ?? undefined) !== undefined);
  if (field === undefined || others.length > 0) {
    return [reportBroken(report, 'invalid-peer', path, `expected one of ${known.join(', ')}`)];
  }
  const [value, at] = [element.fields[field], `${path}.${field}`];
  switch (field) {
    case 'namespaces':
      return [readPeerOfPods(value, undefined, { path: at, namespaces: at, pods: at }, report)];
    case 'pods': {
      const pods = readFields(value, ['namespaceSelector', 'podSelector'], at, report, 'invalid-peer');
      if (pods.kind === 'broken') return [pods];
      const { namespaceSelector, podSelector } = pods.fields;
      const paths = { path: at, namespaces: `${at}.namespaceSelector`, pods: `${at}.podSelector` };
      return [readPeerOfPods(namespaceSelector, podSelector, paths, report)];
    }
    case 'networks':
      return readNetworks(value, at, report);
    case 'nodes':
      return [readPeerOfNodes(value, at, report)];
    default:
      return [reportBroken(report, 'invalid-peer', at, `Postern does not support ${field} yet`)];
  }
}

function readProtocols(raw: unknown, path: string, report: Report): 'any' | readonly Port[] {
  if (raw === undefined || raw === null) return 'any';
  const list = readList(raw);
  if (!list || list.length === 0)
    return [reportBroken(report, 'invalid-port', path, 'expected a list of at least one protocol')];
  return list.flatMap((entry, index) => readProtocol(entry, `${path}[${index}]`, report));
}

function readProtocol(raw: unknown, path: string, report: Report): readonly Port[] {
  const known = [...Object.keys(protocols), 'destinationNamedPort'];
  const element = readFields(raw, known, path, report, 'invalid-protocol');
  if (element.kind === 'broken') return [element];
  const [field, ...others] = known.filter((name) => (element.fields[name] ?? undefined) !== undefined);
  if (field === undefined || others.length > 0) {
    return [reportBroken(report, 'invalid-protocol', path, `expected one of ${known.join(', ')}`)];
  }
  const [value, at] = [element.fields[field], `${path}.${field}`];
  if (field === 'destinationNamedPort') {
    // The API server admits names of at most 15 characters; see S4.13 for what a name may be.
    if (typeof value !== 'string' || !/^(?!.*--)(?=.*[a-z])[a-z0-9](?:[a-z0-9-]{0,13}[a-z0-9])?$/.test(value)) {
      return [reportBroken(report, 'invalid-port', at, `${show(value)} is no port name`)];
    }
    return Object.values(protocols).map((protocol) => ({ kind: 'named', path: at, protocol, name: value }));
  }
  return [readPorts(value, at, protocols[field as keyof typeof protocols], report)];
}

function readPorts(
  raw: unknown,
  path: string,
  protocol: (typeof protocols)[keyof typeof protocols],
  report: Report,
): Port {
  const element = readFields(raw, ['destinationPort'], path, report, 'invalid-port');
  if (element.kind === 'broken') return element;
  const port = element.fields['destinationPort'] ?? undefined;
  if (port === undefined) return { kind: 'all', path, protocol };
  const at = `${path}.destinationPort`;
  const inner = readFields(port, ['number', 'range'], at, report, 'invalid-port');
  if (inner.kind === 'broken') return inner;
  const [number, range] = [inner.fields['number'] ?? undefined, inner.fields['range'] ?? undefined];
  if ((number === undefined) === (range === undefined)) {
    return reportBroken(report, 'invalid-port', at, 'expected either number or range');
  }
  if (number !== undefined) {
    if (isPortNumber(number)) return { kind: 'range', path: `${at}.number`, protocol, first: number, last: number };
    return reportBroken(report, 'invalid-port', `${at}.number`, `${show(number)} is no port`);
  }
  const ends = readFields(range, ['start', 'end'], `${at}.range`, report, 'invalid-port');
  if (ends.kind === 'broken') return ends;
  const { start, end } = ends.fields;
  if (isPortNumber(start) && isPortNumber(end) && start <= end) {
    return { kind: 'range', path: `${at}.range`, protocol, first: start, last: end };
  }
  return reportBroken(report, 'invalid-port', `${at}.range`, `${show(range)} is no range of ports`);
}
