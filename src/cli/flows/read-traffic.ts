import type { KubeConfig } from '@kubernetes/client-node';
import { Option, type Command } from 'commander';
import { readFile } from 'node:fs/promises';
import { ConfigError } from '../../config/config-error.ts';
import { keptMinutes } from '../../flows/flow-fold.ts';
import type { FlowHistory } from '../../flows/kept-flow.ts';
import { readHistory } from '../../flows/read-history.ts';
import { mergeHistories, type Traffic } from '../../flows/traffic.ts';
import { keyOf } from '../../impact/object-key.ts';
import type { JsonObject } from '../../lib/json.ts';
import { messageOf } from '../../lib/message-of.ts';
import { parsePrintable } from '../../lib/printable.ts';
import { askNodes, type NodeFailure, type Question } from '../connect/agents.ts';
import { agentNamespaceOption, requireAgents } from '../connect/find-agents.ts';
import { readLiveObjects, readManifestCluster } from '../explain/cluster-source.ts';
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
}

/** What agents have kept. */
export interface Histories {
  readonly histories: readonly FlowHistory[];
  /** Nodes whose flows are missing, or are not all. */
  readonly failures: readonly NodeFailure[];
}

interface Sources extends Histories {
  readonly objects: readonly JsonObject[];
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

/** Lists the objects with the rights of the user, so names of pods are those that kubectl shows. */
async function readLive({ kubeconfig, context, agentNamespace }: SourceFlags): Promise<Sources> {
  const { config, objects } = await readLiveObjects(kubeconfig, context, 'name files with --base and --flows');
  return { objects, ...(await askHistories(config, objects, { agentNamespace })) };
}

/**
 * Asks the agents what they have kept. Rejects with a ConfigError if there is no agent.
 * @param objects the pods of the agents, and the nodes; with the pods of all, each node that has a pod is asked
 */
export async function askHistories(
  config: KubeConfig,
  objects: readonly JsonObject[],
  question: Omit<Question<FlowHistory>, 'words' | 'read'>,
): Promise<Histories> {
  const asked = { ...question, words: ['history'], read: readHistory };
  const { found, answers, failures } = await askNodes(config, objects, asked);
  requireAgents(found);
  return withBroken({ histories: answers.map(({ node, answer }) => ({ ...answer, node })), failures });
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
  return { objects, ...withBroken(answers) };
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
  return { objects, ...withBroken({ histories, failures: [] }) };
}

/** An agent that cannot read connections at the moment has kept only what it saw before. */
function withBroken({ histories, failures }: Histories): Histories {
  const broken = histories.flatMap(({ node, failing }) =>
    failing === undefined ? [] : [{ node, why: `its agent cannot read the tracked connections: ${failing}` }],
  );
  return { histories, failures: [...failures, ...broken] };
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
