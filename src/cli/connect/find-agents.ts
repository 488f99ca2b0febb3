import { Option } from 'commander';
import { ConfigError } from '../../config/config-error.ts';
import type { FalseAgent } from '../../doctor/cluster.ts';
import { listAt, objectAt, textAt, type JsonObject } from '../../lib/json.ts';
import { compareText, sorted } from '../../lib/sort.ts';

/** Labels of agent pods in the chart and in deploy/. */
export const agentLabels = { 'app.kubernetes.io/name': 'postern', 'app.kubernetes.io/component': 'agent' };
/** The same as a label selector of the API. */
export const agentSelector = Object.entries(agentLabels)
  .map(([key, value]) => `${key}=${value}`)
  .join();

export interface AgentPod {
  readonly node: string;
  readonly namespace: string;
  readonly name: string;
  /** The container that runs the agent, and its image. */
  readonly container: string;
  readonly image: string | undefined;
  /** Why the agent does not run; `undefined` if it runs. */
  readonly state: string | undefined;
}

export interface FoundAgents {
  /** One for each node, by node. */
  readonly agents: readonly AgentPod[];
  readonly others: readonly FalseAgent[];
}

/** The flag of all commands that ask agents. */
export function agentNamespaceOption(flags = '--agent-namespace <NAME>'): Option {
  return new Option(flags, 'namespace of the agents (default: the only one that has agents)');
}

/** Throws a ConfigError if there is none. */
export function requireAgents({ agents, others }: FoundAgents): void {
  if (agents.length > 0) return;
  throw new ConfigError(`no Postern agent runs in this cluster: install Postern first${describeOthers(others)}`);
}

export function hasAgentLabels(object: JsonObject): boolean {
  const labels = objectAt(object, 'metadata', 'labels');
  return object['kind'] === 'Pod' && Object.entries(agentLabels).every(([key, value]) => labels[key] === value);
}

/**
 * Finds the agents among pods with the labels of agents. Every user who may create pods can set labels, owners and names. So an agent also has what a tenant cannot
 * have: the host network (Pod Security refuses it at the levels baseline and restricted) and a place in the namespace of the agents. If a node has several, the ready
 * one counts, else the running one, else the first by name.
 *
 * Throws a ConfigError if several namespaces have such pods and none is given, or if the given one has none.
 * @param namespace where the agents are; `undefined`: the only namespace with agents
 */
export function findAgents(pods: readonly unknown[], namespace: string | undefined): FoundAgents {
  const { candidates, others } = tellApart(pods, namespace);
  const homes = sorted(new Set(candidates.map((each) => each.namespace)));
  if (homes.length > 1) {
    const rest = homes.length > mostNamed ? ` and ${homes.length - mostNamed} more` : '';
    throw new ConfigError(
      `pods in several namespaces look like Postern's agents: ${homes.slice(0, mostNamed).join(', ')}${rest}; name the namespace of yours with --agent-namespace`,
    );
  }
  if (namespace !== undefined && homes.length === 0) {
    throw new ConfigError(
      `--agent-namespace: no agent of Postern is in namespace ${JSON.stringify(namespace)}${describeOthers(others)}`,
    );
  }
  const best = Map.groupBy(candidates, ({ node }) => node)
    .values()
    .map(chooseOne);
  return { agents: [...best].sort((a, b) => compareText(a.node, b.node)), others };
}

/** The pods among those with the labels of agents that are no agents. */
export function findFalseAgents(pods: readonly unknown[], namespace: string | undefined): readonly FalseAgent[] {
  return tellApart(pods, namespace).others;
}

function tellApart(
  pods: readonly unknown[],
  namespace: string | undefined,
): { readonly candidates: readonly RankedAgent[]; readonly others: readonly FalseAgent[] } {
  const candidates: RankedAgent[] = [];
  const others: FalseAgent[] = [];
  for (const pod of pods) {
    const [home, name] = [textAt(pod, 'metadata', 'namespace'), textAt(pod, 'metadata', 'name')];
    const node = textAt(pod, 'spec', 'nodeName');
    if (home === undefined || name === undefined || node === undefined) continue;
    const agent = readAgent(pod);
    const isHere = namespace === undefined || home === namespace;
    if (isHere && !('why' in agent)) candidates.push({ ...agent, node, namespace: home, name });
    else {
      const why = 'why' in agent ? agent.why : `it is not in namespace ${namespace}`;
      others.push({ pod: `${home}/${name}`, node, why });
    }
  }
  return { candidates, others };
}

/** Ends a message about missing agents; empty without such pods. */
export function describeOthers([first, ...rest]: readonly FalseAgent[]): string {
  if (!first) return '';
  const more = rest.length === 0 ? '' : ` (and ${rest.length} more such pods)`;
  return `; pod ${first.pod} has the labels of an agent but is none: ${first.why}${more}`;
}

/** Limit of namespaces in a message. */
const mostNamed = 5;

interface RankedAgent extends AgentPod {
  readonly isReady: boolean;
}

function chooseOne(agents: readonly RankedAgent[]): AgentPod {
  const rank = ({ state, isReady }: RankedAgent): number => (state === undefined ? 0 : 2) + (isReady ? 0 : 1);
  return agents.toSorted((a, b) => rank(a) - rank(b) || compareText(a.name, b.name))[0]!;
}

/** Reads a pod with the labels of agents; `why` it is no agent. */
function readAgent(pod: unknown): Omit<RankedAgent, 'node' | 'namespace' | 'name'> | { readonly why: string } {
  const owner = listAt(pod, 'metadata', 'ownerReferences').find((each) => objectAt(each)['controller'] === true);
  const daemonSet = textAt(owner, 'kind') === 'DaemonSet' ? textAt(owner, 'name') : undefined;
  if (daemonSet === undefined) return { why: 'no DaemonSet controls it' };
  if (objectAt(pod, 'spec')['hostNetwork'] !== true) return { why: 'it is not on the host network' };
  // In the chart and in deploy/, both have one name.
  if (textAt(pod, 'spec', 'serviceAccountName') !== daemonSet)
    return { why: `its service account is not named like its DaemonSet, ${daemonSet}` };
  const main = listAt(pod, 'spec', 'containers').find((each) => listAt(each, 'args').includes('agent'));
  const container = textAt(main, 'name');
  if (container === undefined) return { why: 'no container has the argument "agent"' };
  const isReady = listAt(pod, 'status', 'conditions').some(
    (each) => textAt(each, 'type') === 'Ready' && textAt(each, 'status') === 'True',
  );
  return { container, image: textAt(main, 'image'), state: whyNotRunning(pod, container), isReady };
}

/**
 * Why a container does not run, for example `CrashLoopBackOff`; `undefined` if it runs. The container status decides, because the
 * phase of a pod stays Running between two crashes.
 */
function whyNotRunning(pod: unknown, name: string): string | undefined {
  const status = listAt(pod, 'status', 'containerStatuses').find((each) => textAt(each, 'name') === name);
  const reason = textAt(status, 'state', 'waiting', 'reason') ?? textAt(status, 'state', 'terminated', 'reason');
  const deleted = textAt(pod, 'metadata', 'deletionTimestamp') !== undefined;
  const phase = deleted ? 'Terminating' : (textAt(pod, 'status', 'phase') ?? 'Unknown');
  return reason ?? (phase === 'Running' ? undefined : phase);
}
