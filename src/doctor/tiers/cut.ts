import { describeTierRule } from '../../evaluator/cluster-policy-tier.ts';
import type { Direction, Endpoint, Flow, TierRuleRef } from '../../evaluator/decision.ts';
import { evaluate, familiesOf } from '../../evaluator/evaluator.ts';
import { plural } from '../../lib/plural.ts';
import { compareText } from '../../lib/sort.ts';
import { directions } from '../../model/policy.ts';
import type { Found } from '../finding.ts';
import type { PodClass, TierFacts } from './facts.ts';

/** A service of the cluster that pods need. */
interface Service {
  readonly name: string;
  readonly uses: (each: PodClass) => boolean;
  readonly servers: readonly { readonly end: Endpoint; readonly port: number; readonly name: string }[];
  readonly protocol: 'TCP' | 'UDP';
}

interface Cut {
  readonly rule: TierRuleRef;
  readonly direction: Direction;
  readonly server: string;
  readonly classes: Set<PodClass>;
}

export interface Cuts {
  readonly found: readonly Found[];
  /** Whether some pods are left out, because their policies have too many rules. */
  readonly isCutShort: boolean;
}

/** Names that a finding lists; its problem has the number of all. */
const mostPods = 50;
/** Limits the work for each service: rules that the evaluator compares with connections. */
const mostRules = 1_000_000;
/** All servers of a service are alike, or nearly so. */
const mostServers = 3;

/** Rules of ClusterNetworkPolicies that deny pods a service: one finding for each rule. NetworkPolicies that do so belong to the pods' own namespaces. */
export function findCuts({ cluster, classes }: TierFacts, service: Service): Cuts {
  const cuts = new Map<string, Cut>();
  let left = mostRules;
  for (const each of classes) {
    if (!service.uses(each)) continue;
    if (left < 0) return { found: describeCuts(cuts.values(), service), isCutShort: true };
    for (const { end, port, name } of service.servers.slice(0, mostServers)) {
      const source = { pod: each.pod.key };
      const families = familiesOf(cluster, source).filter((family) => familiesOf(cluster, end).includes(family));
      for (const family of families) {
        left -= costOf(each);
        const flow: Flow = { source, destination: end, protocol: service.protocol, destinationPort: port, family };
        const decision = evaluate(cluster, flow);
        for (const direction of directions) {
          const rule = decision[direction].tiers?.decidedBy;
          if (rule?.action !== 'Deny') continue;
          const key = `${rule.policy} ${rule.path}`;
          const cut = cuts.get(key) ?? { rule, direction, server: name, classes: new Set() };
          cut.classes.add(each);
          cuts.set(key, cut);
        }
      }
    }
  }
  return { found: describeCuts(cuts.values(), service), isCutShort: false };
}

/** The rules that the evaluator may compare with one connection of these pods, at both ends. */
export function costOf({ policies }: PodClass): number {
  return policies.reduce((sum, { rules }) => sum + rules.ingress.length + rules.egress.length, 1);
}

function describeCuts(cuts: Iterable<Cut>, { name }: Service): Found[] {
  return Array.from(cuts, ({ rule, direction, server, classes }) => {
    const pods = [...classes].flatMap((each) => each.pods);
    const where = direction === 'egress' ? 'egress of' : 'ingress from';
    return {
      subject: rule.policy,
      problem: `${describeTierRule(rule)} denies ${where} ${plural(pods.length, 'pod')} to ${name} (${server}): ${rule.path}`,
      pods: pods.sort(compareText).slice(0, mostPods),
      policies: [rule.policy],
    };
  });
}

export function dnsOf({ dnsPods }: TierFacts): Service {
  // Pods that no network policy can tell apart need no second look.
  const kinds = [
    ...Map.groupBy(dnsPods, ({ namespace, labels, hostNetwork }) =>
      JSON.stringify([namespace, labels, hostNetwork]),
    ).values(),
  ];
  const servers = kinds.map(([pod]) => {
    const port = pod!.namedPorts.find(({ name, protocol }) => name === 'dns' && protocol === 'UDP')?.port ?? 53;
    return { end: { pod: pod!.key }, port, name: `${pod!.key}, UDP/${port}` };
  });
  return { name: "the cluster's DNS", uses: ({ usesDns }) => usesDns, servers, protocol: 'UDP' };
}

export function apiOf({ apiEndpoints }: TierFacts): Service {
  const known = 'value' in apiEndpoints ? apiEndpoints.value : [];
  const servers = known.map(({ address, port }) => ({ end: { address }, port, name: `${address}, TCP/${port}` }));
  return { name: 'the API server', uses: ({ usesApi }) => usesApi, servers, protocol: 'TCP' };
}
