import { plural } from '../../lib/plural.ts';
import { selects } from '../../evaluator/selector.ts';
import { valueOf, type Known } from '../facts.ts';
import type { Check, Found } from '../finding.ts';
import { apiOf, dnsOf, findCuts, type Cuts } from './cut.ts';
import { describeTied, findTies, type Ties } from './equal-priorities.ts';
import type { TierFacts } from './facts.ts';

interface Results {
  readonly ties: Ties;
  readonly dns: Cuts;
  readonly api: Cuts;
}

/** Several checks, and what they could not look at, share these. */
const known = new WeakMap<TierFacts, Results>();

function examine(facts: TierFacts): Results {
  let results = known.get(facts);
  if (!results) {
    results = { ties: findTies(facts), dns: findCuts(facts, dnsOf(facts)), api: findCuts(facts, apiOf(facts)) };
    known.set(facts, results);
  }
  return results;
}

/** Findings of one check; the report counts the rest. */
const mostFindings = 50;

interface Facts {
  readonly tiers: Known<TierFacts | undefined>;
}

type TierCheck = Check<Facts>;

function findIn(find: (facts: TierFacts) => readonly Found[]): TierCheck['find'] {
  return ({ tiers }) => {
    const facts = valueOf(tiers);
    if (!facts) return [];
    const found = find(facts);
    const left = found.length - mostFindings;
    const rest = { subject: 'ClusterNetworkPolicies', problem: `${left} more findings of this kind` };
    return left > 0 ? [...found.slice(0, mostFindings), rest] : found;
  };
}

/**
 * Checks of ClusterNetworkPolicies. None is about probes: no ingress rule can match the node of a pod (S10.10), and what the pod answers is part of the
 * connection that the kubelet opened (S5.3).
 */
export const tierChecks: readonly TierCheck[] = [
  {
    id: 'equal-priority',
    severity: 'warning',
    finds: 'two ClusterNetworkPolicies with the same tier and priority decide differently about the same connection',
    effect: 'Postern takes the policy whose name comes first; another implementation may take the other',
    remedy: 'give one of the two policies another priority',
    find: findIn((facts) =>
      examine(facts).ties.ties.map(({ first, second, direction, pod, example }) => ({
        subject: `${first.policy} and ${second.policy}`,
        problem: `${direction} of ${pod}, for example ${example}: ${describeTied(first)}, and ${describeTied(second)}`,
        pods: [pod],
        policies: [first.policy, second.policy],
      })),
    ),
  },
  {
    id: 'selects-no-pod',
    severity: 'warning',
    finds: 'a ClusterNetworkPolicy selects no pod',
    effect: 'it does nothing until a pod matches',
    remedy: 'compare spec.subject with the labels of namespaces and pods: kubectl get pods -A --show-labels',
    find: findIn(({ policies, classes, hostPods, cluster, isCutShort }) => {
      const selecting = new Set(classes.flatMap((each) => each.policies));
      const idle = isCutShort ? [] : policies.filter((policy) => !selecting.has(policy));
      return idle.map(({ ref, namespaceSelector, podSelector }) => {
        const hosts = hostPods.filter(({ namespace, labels }) => {
          const ofNamespace = cluster.namespaceLabels.get(namespace);
          return (
            ofNamespace && namespaceSelector && selects(namespaceSelector, ofNamespace) && selects(podSelector, labels)
          );
        });
        const but =
          hosts.length === 0
            ? ''
            : `; ${plural(hosts.length, 'hostNetwork pod')} ${hosts.length === 1 ? 'matches' : 'match'}, and policies select no such pod`;
        return { subject: ref, problem: `no pod matches spec.subject${but}`, policies: [ref] };
      });
    }),
  },
  {
    id: 'cuts-dns',
    severity: 'warning',
    finds: "a ClusterNetworkPolicy denies pods the cluster's DNS",
    effect: 'names do not resolve in those pods, and no NetworkPolicy can change that if the tier is Admin',
    remedy: 'accept UDP and TCP port 53 of the pods of the DNS in a rule before it',
    find: findIn((facts) => examine(facts).dns.found),
  },
  {
    id: 'cuts-api-server',
    severity: 'warning',
    finds: 'a ClusterNetworkPolicy denies the API server to pods that mount a token for it',
    effect: 'programs in those pods that use the API fail: controllers, operators, CoreDNS',
    remedy:
      'if the pods need the API, accept it in a rule before it; if they do not, set automountServiceAccountToken: false, or --ignore cuts-api-server',
    find: findIn((facts) => examine(facts).api.found),
  },
];

/** What these checks could not look at, as sentences. */
export function unknownOfTiers({ tiers }: Facts): string[] {
  if ('unknown' in tiers) return [`ClusterNetworkPolicies: ${tiers.unknown}`];
  const facts = tiers.value;
  if (!facts) return [];
  const { apiEndpoints, isCutShort } = facts;
  const { ties, dns, api } = examine(facts);
  return [
    ...('unknown' in apiEndpoints ? [`whether policies deny the API server: ${apiEndpoints.unknown}`] : []),
    ...(isCutShort ? ['ClusterNetworkPolicies for some pods: there are too many'] : []),
    ...([ties, dns, api].some((each) => each.isCutShort)
      ? ['ClusterNetworkPolicies of some pods: they have too many rules']
      : []),
  ];
}
