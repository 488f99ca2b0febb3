import type { KubeConfig } from '@kubernetes/client-node';
import { ConfigError } from '../../config/config-error.ts';
import type { AskedNode, ClusterFacts, FalseAgent } from '../../doctor/cluster.ts';
import { valueOf, type Known } from '../../doctor/facts.ts';
import { findProbeHosts, type ProbeHost } from '../../doctor/probe-hosts.ts';
import { readNodeReport, type NodeReport } from '../../doctor/report.ts';
import { trimPod } from '../../doctor/tiers/facts.ts';
import { isJsonObject, textAt, type JsonObject } from '../../lib/json.ts';
import { ObjectDigest } from '../../lib/object-digest.ts';
import { sorted } from '../../lib/sort.ts';
import type { ApiReader } from '../../watch/api-client.ts';
import { listAll } from '../../watch/list.ts';
import type { CommandOutcome, PodCommand } from '../../watch/pod-exec.ts';
import {
  describeOthers,
  findAgents,
  findFalseAgents,
  type AgentPod,
  type FoundAgents,
} from '../connect/find-agents.ts';
import { reaching } from '../explain/cluster-source.ts';
import { askTiers, known, listPolicies, servedPathOf } from './ask-tiers.ts';
import { countFindings } from './render.ts';
import { messageOf } from '../../lib/message-of.ts';
import { plural } from '../../lib/plural.ts';
import { apiSilenceMs } from '../api-silence.ts';

export interface AskOptions {
  readonly client: ApiReader;
  readonly config: KubeConfig;
  readonly exec: (config: KubeConfig, command: PodCommand) => Promise<CommandOutcome>;
  /** Namespace of the agents; `undefined`: the only one that has agents. */
  readonly agentNamespace: string | undefined;
  readonly selector: string;
  /** Only this node. */
  readonly node: string | undefined;
  /** For each node. */
  readonly timeoutMs: number;
  readonly version: string;
  readonly progress: (text: string) => void;
  /** Pause before a node with older policies is asked again. */
  readonly pause: () => Promise<unknown>;
}

/** Nodes that are asked in parallel. */
const atOnce = 8;
/** How often a node with older policies is asked again, because it may be applying a change. */
const patience = 3;

/** Asks the agent of every node through the API server. Rejects with a ConfigError if it finds no agent. */
export async function askCluster(options: AskOptions): Promise<ClusterFacts> {
  const { client, node, progress, version } = options;
  const { agentNamespace } = options;
  const pods = await reaching(listLabelled(options, agentNamespace));
  const found = findAgents(pods, agentNamespace);
  const { agents } = found;
  // With a namespace, the user may have the right to list the pods of that one only.
  const everywhere = agentNamespace === undefined ? { value: pods } : await known(listLabelled(options, undefined));
  const wanted = node === undefined ? agents : agents.filter((agent) => agent.node === node);
  const nodes = await known(listNodes(client));
  const isKnown = wanted.length > 0 || (node !== undefined && valueOf(nodes)?.includes(node) === true);
  if (!isKnown) throw new ConfigError(nothingToAsk(options, found));
  progress(`asking ${wanted.length === 1 ? 'one node' : `${wanted.length} nodes`}`);
  const asked = await askAll(wanted, options);
  const served = await known(servedPathOf(client));
  const { settled, digests } = await settle(asked, wanted, options, valueOf(served));
  const policies = 'unknown' in served ? served : await known(listPolicies(client, served.value));
  // Only with such policies does the doctor keep the pods.
  const kept = node === undefined && (valueOf(policies)?.length ?? 0) > 0 ? [] : undefined;
  const probeHosts = await known(listProbeHosts(client, node, kept));
  const withAgent = new Set(agents.map((agent) => agent.node));
  const posing = (labelled: readonly unknown[]): readonly FalseAgent[] =>
    findFalseAgents(labelled, agentNamespace ?? agents[0]?.namespace).filter(
      (each) => (node ?? each.node) === each.node,
    );
  const isMeant = (name: string): boolean => !withAgent.has(name) && (node === undefined || node === name);
  return {
    version,
    nodes: settled,
    withoutAgent: 'value' in nodes ? { value: nodes.value.filter(isMeant) } : nodes,
    falseAgents: 'unknown' in everywhere ? everywhere : { value: posing(everywhere.value) },
    digests,
    probeHosts,
    tiers: await askTiers(client, policies, 'unknown' in probeHosts ? probeHosts : { value: kept }),
  };
}

function nothingToAsk({ node, selector }: AskOptions, { agents, others }: FoundAgents): string {
  if (node !== undefined && agents.length > 0) {
    const names = sorted(agents.map((agent) => agent.node));
    return `--node: node ${JSON.stringify(node)} has no agent; nodes with an agent: ${names.slice(0, 10).join(', ')}`;
  }
  return `no agent pod found (${selector}): install Postern, or set --selector${describeOthers(others)}`;
}

/** Lists the pods with the labels of agents. */
async function listLabelled({ client, selector }: AskOptions, namespace: string | undefined): Promise<unknown[]> {
  const path = namespace === undefined ? '/api/v1/pods' : `/api/v1/namespaces/${namespace}/pods`;
  const pods: unknown[] = [];
  const { signal } = new AbortController();
  const reader: ApiReader = {
    get: (at, options) => client.get(at, { ...options, query: { ...options.query, labelSelector: selector } }),
  };
  await listAll(reader, path, { signal, silenceMs: apiSilenceMs }, (page, restart) => {
    if (restart) pods.length = 0;
    pods.push(...page);
  });
  return pods;
}

/** Lists Linux nodes: the image exists for Linux only. */
async function listNodes(client: ApiReader): Promise<string[]> {
  const names: string[] = [];
  const { signal } = new AbortController();
  await listAll(client, '/api/v1/nodes', { signal, silenceMs: apiSilenceMs }, (page, restart) => {
    if (restart) names.length = 0;
    for (const item of page) {
      const os = textAt(item, 'metadata', 'labels', 'kubernetes.io/os') ?? 'linux';
      const name = textAt(item, 'metadata', 'name');
      if (name !== undefined && os === 'linux') names.push(name);
    }
  });
  return names;
}

/**
 * @param node Only pods of this node; `undefined` for all nodes.
 * @param kept Receives all pods, trimmed.
 */
async function listProbeHosts(
  client: ApiReader,
  node: string | undefined,
  kept: JsonObject[] | undefined,
): Promise<ProbeHost[]> {
  const hosts: ProbeHost[] = [];
  const { signal } = new AbortController();
  await listAll(client, '/api/v1/pods', { signal, silenceMs: apiSilenceMs }, (page, restart) => {
    if (restart) hosts.length = 0;
    if (restart && kept) kept.length = 0;
    kept?.push(...page.filter(isJsonObject).map(trimPod));
    const meant = page.filter((pod) => node === undefined || textAt(pod, 'spec', 'nodeName') === node);
    hosts.push(...meant.flatMap(findProbeHosts));
  });
  return hosts;
}

async function askAll(agents: readonly AgentPod[], options: AskOptions): Promise<AskedNode[]> {
  const answers = new Map<AgentPod, AskedNode>();
  const waiting = [...agents];
  const worker = async (): Promise<void> => {
    for (let agent = waiting.shift(); agent; agent = waiting.shift()) {
      const report = await askNode(agent, options);
      answers.set(agent, { node: agent.node, pod: `${agent.namespace}/${agent.name}`, report });
      const findings = valueOf(report)?.findings.length;
      const text = findings === undefined ? 'no answer' : countFindings(findings);
      options.progress(`${agent.node}: ${text} (${answers.size} of ${agents.length})`);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return agents.map((agent) => answers.get(agent)!);
}

async function askNode(agent: AgentPod, { config, exec, timeoutMs }: AskOptions): Promise<Known<NodeReport>> {
  const { namespace, name: pod, container, state } = agent;
  if (state !== undefined) return { unknown: `the agent does not run: ${state}` };
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    const command = ['postern', 'node', 'doctor', '-o', 'json'];
    const { exitCode, stdout, stderr } = await exec(config, { namespace, pod, container, command, signal });
    const report = readNodeReport(stdout);
    if (report) return { value: { ...report, node: agent.node } };
    if (stderr.includes("unknown command 'node'")) {
      return { unknown: 'this version of the agent has no doctor: upgrade it' };
    }
    return { unknown: `the doctor ended with exit code ${exitCode}: ${stderr.trim().slice(-500) || 'no report'}` };
  } catch (error) {
    if (signal.aborted) return { unknown: `no answer within ${timeoutMs / 1000} s` };
    return { unknown: messageOf(error) };
  }
}

/** Resources that every agent reads completely and that change rarely enough to wait for. */
const compared = {
  networkpolicies: '/apis/networking.k8s.io/v1/networkpolicies',
  namespaces: '/api/v1/namespaces',
} as const;

/** Asks nodes with older objects again, until they have applied the current ones, at most `patience` times. */
async function settle(
  asked: readonly AskedNode[],
  agents: readonly AgentPod[],
  options: AskOptions,
  served: string | undefined,
): Promise<{ settled: AskedNode[]; digests: ClusterFacts['digests'] }> {
  let settled = [...asked];
  for (let round = 1; ; round++) {
    const digests = await known(readDigests(options.client, served));
    const wanted = Object.entries(valueOf(digests) ?? {});
    const late = settled.filter(({ report }) => {
      const applied = valueOf(report)?.applied ?? {};
      return wanted.some(([resource, digest]) => applied[resource] !== undefined && applied[resource] !== digest);
    });
    if (late.length === 0 || round > patience) return { settled, digests };
    options.progress(`asking ${plural(late.length, 'node')} again: the newest policies are not applied there yet`);
    await options.pause();
    const again = await askAll(
      agents.filter(({ node }) => late.some((each) => each.node === node)),
      options,
    );
    settled = settled.map((each) => again.find(({ node }) => node === each.node) ?? each);
  }
}

/** @param served path of ClusterNetworkPolicies, if the API server has them */
async function readDigests(client: ApiReader, served: string | undefined): Promise<Record<string, string>> {
  const { signal } = new AbortController();
  const resources = { ...compared, ...(served !== undefined && { clusternetworkpolicies: served }) };
  const entries = Object.entries(resources).map(async ([resource, path]) => {
    let digest = new ObjectDigest();
    await listAll(client, path, { signal, silenceMs: apiSilenceMs }, (page, restart) => {
      if (restart) digest = new ObjectDigest();
      for (const item of page) {
        digest.add(textAt(item, 'metadata', 'uid') ?? '', textAt(item, 'metadata', 'resourceVersion') ?? '');
      }
    });
    return [resource, digest.toString()] as const;
  });
  return Object.fromEntries(await Promise.all(entries));
}
