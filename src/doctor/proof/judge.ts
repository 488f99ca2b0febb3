import { plural } from '../../lib/plural.ts';
import { compareText, sorted } from '../../lib/sort.ts';
import { leftOutTexts, type HeldPod, type NodePolicies, type HeldIssue } from '../../model/node-policies.ts';
import { isOfCluster, type PolicyId } from '../../model/policy.ts';
import type { Known } from '../facts.ts';
import type { WantedPod, WantedPolicy } from './wanted.ts';

/** A node whose kernel is not known to hold this version of the policy for all pods that the policy selects there. */
export interface LaggingNode {
  readonly node: string;
  readonly why: string;
}

/** A pod that a policy selects and for which it is not enforced as it says. */
export interface PodNote {
  readonly pod: string;
  readonly node: string;
  readonly why: string;
  /** Whether the policy is unproven because of this pod. */
  readonly blocks: boolean;
}

/** How far one version of a policy has come. */
export interface PolicyProof {
  /** `shop/web`, `clusternetworkpolicy/guard` */
  readonly policy: string;
  readonly uid: string;
  readonly generation: number;
  /** Every node that it concerns holds this version, and it is enforced for every pod that policies can isolate. */
  readonly isProven: boolean;
  /** Nodes with pods that the policy selects, and those of them whose kernel holds this version for all these pods. */
  readonly nodes: number;
  readonly holding: number;
  readonly lagging: readonly LaggingNode[];
  /** Pods that it selects on these nodes. */
  readonly pods: number;
  readonly exceptions: readonly PodNote[];
  /** Parts that no node enforces as written, or that some nodes do not, with these nodes. */
  readonly issues: readonly string[];
  readonly notEnforced?: string;
  /** The API server has another version than the user means. */
  readonly isOtherVersion?: true;
}

/** What the agents of nodes answered. */
export type NodeAnswers = ReadonlyMap<string, Known<NodePolicies>>;

/** As the commands take it and print it. */
export function shownName(id: PolicyId): string {
  return isOfCluster(id) ? `clusternetworkpolicy${id}` : id;
}

/** The nodes that the policies concern: they run pods that the policies select. */
export function concernedNodes(policies: Iterable<WantedPolicy>): string[] {
  const nodes = new Set<string>();
  for (const { pods } of policies) for (const { node } of pods) nodes.add(node);
  return sorted(nodes);
}

/** Compares answers of nodes with what the API server has. It looks at each policy and pod of an answer once. */
export class Judge {
  readonly #nodes = new Map<string, NodeView>();
  readonly #answers: NodeAnswers;

  constructor(answers: NodeAnswers) {
    this.#answers = answers;
  }

  prove(wanted: WantedPolicy): PolicyProof {
    const { id, uid, generation, pods, onHostNetwork, issues, notEnforced, isOtherVersion } = wanted;
    const lagging: LaggingNode[] = [];
    const exceptions: PodNote[] = [];
    const limits = new Map<string, string[]>();
    const byNode = [...Map.groupBy(pods, ({ node }) => node)].sort(([a], [b]) => compareText(a, b));
    for (const [node, selected] of byNode) {
      const view = this.#viewOf(node);
      const why = typeof view === 'string' ? view : whyLagging(wanted, selected, view);
      if (why !== undefined) lagging.push({ node, why });
      if (typeof view === 'string') continue;
      exceptions.push(...selected.flatMap((pod) => exceptionsOf(pod, view)));
      for (const { message } of view.policies.get(id)?.issues ?? [])
        limits.set(message, [...(limits.get(message) ?? []), node]);
    }
    const limited = Array.from(limits, ([message, on]) => `${message} (on ${nameSome(on)})`);
    for (const { pod, node } of onHostNetwork) exceptions.push({ pod, node, why: hostNetworkText, blocks: false });
    const isHeld = lagging.length === 0 && !exceptions.some(({ blocks }) => blocks);
    const isProven = isHeld && notEnforced === undefined && !isOtherVersion;
    const nodes = byNode.length;
    return {
      ...{ policy: shownName(id), uid, generation, isProven, nodes, holding: nodes - lagging.length, lagging },
      ...{
        pods: pods.length,
        exceptions,
        issues: [...issues, ...limited],
        ...(notEnforced !== undefined && { notEnforced }),
        ...(isOtherVersion && { isOtherVersion }),
      },
    };
  }

  /** The answer of a node, or why it says nothing. */
  #viewOf(node: string): NodeView | string {
    const answer = this.#answers.get(node) ?? { unknown: 'it was not asked' };
    if ('unknown' in answer) return answer.unknown;
    const { doubt, silentSeconds = 0 } = answer.value;
    if (doubt !== undefined) return doubt;
    if (silentSeconds >= longestSilence) return `the API server has sent its agent nothing for ${silentSeconds} s`;
    let view = this.#nodes.get(node);
    if (!view) this.#nodes.set(node, (view = new NodeView(answer.value)));
    return view;
  }
}

const hostNetworkText = 'it is on the network of its node, where policies do not apply';

/** An answer, by policy and by pod. */
class NodeView {
  readonly policies: ReadonlyMap<PolicyId, { readonly index: number } & NodePolicies['policies'][number]>;
  readonly #pods: ReadonlyMap<string, HeldPod>;

  constructor({ policies, pods }: NodePolicies) {
    this.policies = new Map(policies.map((policy, index) => [policy.id, { ...policy, index }]));
    this.#pods = new Map(pods.map((pod) => [`${pod.pod}/${pod.uid}`, pod]));
  }

  podOf({ pod, uid }: WantedPod): HeldPod | undefined {
    return this.#pods.get(`${pod}/${uid}`);
  }
}

/**
 * In seconds. An API server with bookmarks sends something to every watch about once a minute. Without bookmarks, a watch opens its stream again after 150 s,
 * and a pause of 30 s at most (src/watch/watch.ts). An agent that has heard nothing for longer may not know that pods and namespaces have changed.
 */
export const longestSilence = 210;
const mostNamed = 3;

/** Why the node does not hold this version for all of these pods; `undefined` if it does. */
function whyLagging(
  { id, uid, generation, resourceVersion }: WantedPolicy,
  selected: readonly WantedPod[],
  view: NodeView,
): string | undefined {
  const held = view.policies.get(id);
  if (!held) return `its kernel does not hold the policy yet`;
  if (held.uid !== uid) return `its kernel holds a policy of the same name that has been deleted`;
  if (held.generation !== generation) return `its kernel holds generation ${held.generation}, not ${generation}`;
  if (held.resourceVersion !== resourceVersion)
    return `its agent has not applied the last change of the policy's labels or annotations yet`;
  if (held.leftOut)
    return `it leaves its rules out, because ${leftOutTexts[held.leftOut]} (see the Events of the policy)`;
  const late = selected.filter((pod) => !isCovered(pod, held.index, view)).map(({ pod }) => pod);
  if (late.length === 0) return undefined;
  return `its kernel does not have the rules of ${plural(late.length, 'pod')} yet: ${nameSome(late)}`;
}

function nameSome(names: readonly string[]): string {
  return (
    names.slice(0, mostNamed).join(', ') + (names.length > mostNamed ? ` and ${names.length - mostNamed} more` : '')
  );
}

/** Whether all addresses of the pod have the rules of the policy. */
function isCovered(pod: WantedPod, index: number, view: NodeView): boolean {
  const held = view.podOf(pod);
  return (
    held !== undefined &&
    held.policies.includes(index) &&
    pod.addresses.every((address) => held.addresses.includes(address))
  );
}

function exceptionsOf(pod: WantedPod, view: NodeView): PodNote[] {
  const { node } = pod;
  return (view.podOf(pod)?.issues ?? []).map((issue) => ({
    pod: pod.pod,
    node,
    why: issue.message,
    blocks: isBlocking(issue),
  }));
}

/** Some packets of the pod do not meet the rules, or it is denied more than its policies say. Other issues leave the policies in force. */
function isBlocking({ code, effect }: HeldIssue): boolean {
  return code === 'not-enforceable' || effect === 'failed-closed';
}
