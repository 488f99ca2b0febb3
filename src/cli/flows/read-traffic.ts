import type { KubeConfig } from '@kubernetes/client-node';
import { Option, type Command } from 'commander';
import { readFile } from 'node:fs/promises';
import { ConfigError } from '../../config/config-error.ts';
import { alignHistories, type ClockDifference } from '../../flows/align.ts';
import { keptMinutes } from '../../flows/flow-fold.ts';
import type { FlowHistory } from '../../flows/kept-flow.ts';
import { readHistory } from '../../flows/read-history.ts';
import { mergeHistories, type Traffic } from '../../flows/traffic.ts';
import { keyOf } from '../../impact/object-key.ts';
import { textAt, type JsonObject } from '../../lib/json.ts';
import { messageOf } from '../../lib/message-of.ts';
import { parsePrintable } from '../../lib/printable.ts';
import { compareText, sorted } from '../../lib/sort.ts';
import { visibleHistories } from '../../map/visible-flows.ts';
import { createApiClient, type ApiReader } from '../../watch/api-client.ts';
import { askNodes, type NodeFailure, type Question } from '../connect/agents.ts';
import { agentNamespaceOption, hasAgentLabels, requireAgents } from '../connect/find-agents.ts';
import { openContext, reaching, readManifestCluster } from '../explain/cluster-source.ts';
import { isRefused, listAgentPods, readObjects, type ReadObjects } from './read-objects.ts';
import { append } from '../manifest-option.ts';

/** Flags that say where flows and objects come from. */
export interface SourceFlags {
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly agentNamespace?: string;
  readonly lab?: true;
  readonly name?: string;
  readonly stateDir?: string;
  readonly base?: readonly string[];
  readonly flows?: readonly string[];
}

export interface TrafficFlags extends SourceFlags {
  readonly since: string;
  readonly namespace?: string;
}

/** What agents have kept. */
export interface Histories {
  readonly histories: readonly FlowHistory[];
  /** Nodes whose flows are missing, or are not all. */
  readonly failures: readonly NodeFailure[];
  /** Nodes whose clocks differ from others. Their histories are shifted. */
  readonly clocks: readonly ClockDifference[];
}

interface Sources extends Histories {
  readonly objects: readonly JsonObject[];
  /** Objects of other namespaces are missing, because the user may not list them. */
  readonly shows?: 'part';
  /** Sentences about what is missing then. */
  readonly notes?: readonly string[];
}

export interface SeenCluster extends Sources {
  readonly traffic: readonly Traffic[];
  /** Minutes that the traffic covers, at most. */
  readonly minutes: number;
}

export function withTrafficOptions(command: Command): Command {
  return withSourceOptions(command).option('--since <time>', 'how far back, as 10m or 1h; agents keep an hour', '1h');
}

export function withSourceOptions(command: Command): Command {
  const ofCluster = ['kubeconfig', 'context', 'agentNamespace'];
  return command
    .option('--kubeconfig <file>', 'kubeconfig file (default: as kubectl)')
    .option('--context <name>', 'context of the kubeconfig')
    .addOption(agentNamespaceOption())
    .addOption(new Option('--lab', 'ask a lab of this machine').conflicts([...ofCluster, 'base', 'flows']))
    .option('--name <name>', 'name of the lab, with --lab')
    .option('--state-dir <dir>', 'directory of the sockets of labs, with --lab')
    .addOption(
      new Option('--base <PATH>', 'the cluster as manifests: a file or a folder (repeatable); needs --flows')
        .argParser(append)
        .conflicts(ofCluster),
    )
    .addOption(
      new Option('--flows <FILE>', 'output of "postern node history -o json" (repeatable); needs --base').argParser(
        append,
      ),
    );
}

/** Reads objects and what agents have kept: from a cluster, from a lab, or from files. Rejects with a ConfigError. */
export async function readTraffic(flags: TrafficFlags): Promise<SeenCluster> {
  const minutes = readMinutes(flags.since);
  checkSource(flags);
  const sources = await (flags.lab ? readLab(flags) : flags.base ? readFiles(flags) : readLive(flags));
  return { ...sources, minutes, traffic: mergeHistories(sources.histories, minutes) };
}

/** Throws a ConfigError if flags lack others that they need. */
export function checkSource({ lab, name, stateDir, base, flows }: SourceFlags): void {
  if (!lab && (name ?? stateDir) !== undefined) throw new ConfigError('--name and --state-dir need --lab');
  if ((base === undefined) !== (flows === undefined)) throw new ConfigError('--base and --flows need each other');
}

const instead = 'name files with --base and --flows';

/** Lists the objects with the rights of the user, so names of pods are those that kubectl shows. Without the right to list those of all namespaces, those of one are enough. */
async function readLive({ kubeconfig, context, agentNamespace, namespace }: TrafficFlags): Promise<Sources> {
  const config = await openContext(kubeconfig, context, instead);
  const client = createApiClient(config);
  const { signal } = new AbortController();
  const read = async (namespaces?: readonly string[]): Promise<Sources> => {
    const { sight, notes, ...rest } = await reaching(readObjects(client, namespaces, signal), instead);
    const asked = await askVisible({ config, client, agentNamespace, namespaces, signal }, { sight, ...rest });
    return { ...rest, notes, ...asked };
  };
  return read().catch((error: unknown) => {
    if (namespace === undefined || !isRefused(error)) throw error;
    return read([namespace]);
  });
}

interface Asker {
  readonly config: KubeConfig;
  readonly client: ApiReader;
  readonly agentNamespace: string | undefined;
  /** Namespaces that were read; missing: all. */
  readonly namespaces?: readonly string[] | undefined;
  /** Milliseconds for one answer, if they are less than usual. */
  readonly mostMs?: number;
  readonly signal: AbortSignal;
}

/** Asks the agents, and keeps what the user may see of their answers. Where a user sees a part of the cluster, its pods may have been on any node before. */
export async function askVisible(
  { config, client, agentNamespace, namespaces, mostMs, signal }: Asker,
  { objects, sight }: Pick<ReadObjects, 'objects' | 'sight'>,
): Promise<Histories> {
  const agents = namespaces ? await listAgentPods(client, agentNamespace, signal) : objects.filter(hasAgentLabels);
  const nodes = objects.filter((each) => each['kind'] === 'Node');
  const limits = { ...(mostMs !== undefined && { mostMs }), signal };
  const question = { agentNamespace, ...(!namespaces && { nodes: nodesWithPods(objects) }), ...limits };
  const { histories, ...rest } = await askHistories(config, [...agents, ...nodes], question);
  return { histories: visibleHistories(histories, sight), ...rest };
}

function nodesWithPods(objects: readonly JsonObject[]): string[] {
  const pods = objects.filter((each) => each['kind'] === 'Pod' && textAt(each, 'status', 'phase') !== 'Succeeded');
  return sorted(new Set(pods.flatMap((pod) => textAt(pod, 'spec', 'nodeName') || [])));
}

/**
 * Asks the agents what they have kept. Rejects with a ConfigError if there is no agent.
 * @param objects the pods of the agents, and the nodes; with the pods of all, each node that has a pod is asked
 */
async function askHistories(
  config: KubeConfig,
  objects: readonly JsonObject[],
  question: Omit<Question<FlowHistory>, 'words' | 'read'>,
): Promise<Histories> {
  const asked = { ...question, words: ['history'], read: readHistory };
  const { found, answers, failures } = await askNodes(config, objects, asked);
  requireAgents(found);
  return join({ histories: answers.map(({ node, answer }) => ({ ...answer, node })), failures });
}

export async function readLab({ name, stateDir }: SourceFlags): Promise<Sources> {
  const { defaultLabName, LabState } = await import('../../lab/state.ts');
  const { askLab } = await import('../../lab/control.ts');
  const state = new LabState(name ?? defaultLabName, stateDir);
  const { objects } = await askLab(state, 'objects', {});
  const { flows } = await askLab(state, 'flows', {});
  const why = 'its agent does not answer, or keeps no flows';
  const answers = {
    histories: flows.flatMap(({ history }) => (history === undefined ? [] : readHistory(parsePrintable(history)))),
    failures: flows.flatMap(({ node, history }) => (history === undefined ? [{ node, why }] : [])),
  };
  return { objects, ...join(answers) };
}

export async function readFiles({ base = [], flows = [] }: SourceFlags): Promise<Sources> {
  const { objects } = await readManifestCluster(base);
  const histories = await Promise.all(
    flows.map(async (file) => {
      try {
        return readHistory(parsePrintable(await readFile(file, 'utf8')));
      } catch (cause) {
        const expected = 'expected the output of "postern node history -o json"';
        throw new ConfigError(`--flows: ${file}: ${messageOf(cause)} (${expected})`, { cause });
      }
    }),
  );
  return { objects, ...join({ histories, failures: [] }) };
}

/** An agent that cannot read connections at the moment has kept only what it saw before. */
function join({ histories: all, failures }: Omit<Histories, 'clocks'>): Histories {
  // In the order of their names: agents answer in any order, and the same answers are the same page.
  const inOrder = all.toSorted((a, b) => compareText(a.node, b.node));
  const { histories, differences } = alignHistories(inOrder);
  const broken = histories.flatMap(({ node, failing }) =>
    failing === undefined ? [] : [{ node, why: `its agent cannot read the tracked connections: ${failing}` }],
  );
  return { histories, failures: [...failures, ...broken], clocks: differences };
}

function readMinutes(text: string): number {
  const [, number = '', unit] = /^([0-9]{1,4})([mh])$/.exec(text) ?? [];
  const minutes = Number(number) * (unit === 'h' ? 60 : 1);
  if (minutes >= 1 && minutes <= keptMinutes) return minutes;
  throw new ConfigError(`--since: ${JSON.stringify(text)} is not a time from 1m to 1h`);
}

/** Throws a ConfigError if the namespace does not exist. */
export function checkNamespace(objects: readonly JsonObject[], namespace: string | undefined): void {
  if (namespace === undefined || objects.some((each) => keyOf(each) === `Namespace ${namespace}`)) return;
  throw new ConfigError(`--namespace: namespace ${JSON.stringify(namespace)} does not exist`);
}
