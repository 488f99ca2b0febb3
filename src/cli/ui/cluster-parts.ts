import { setTimeout as delay } from 'node:timers/promises';
import type { KubeConfig } from '@kubernetes/client-node';
import { readVersion } from '../../config/version.ts';
import { judgeCluster, type ClusterFinding } from '../../doctor/cluster.ts';
import type { Finding } from '../../doctor/finding.ts';
import { sorted } from '../../lib/sort.ts';
import { trimObjects } from '../../map/trim.ts';
import { fittingRows } from '../../map/visible-flows.ts';
import { createApiClient, type ApiReader } from '../../watch/api-client.ts';
import { execInPod } from '../../watch/pod-exec.ts';
import { agentSelector } from '../connect/find-agents.ts';
import { askCluster } from '../doctor/ask-cluster.ts';
import { reaching } from '../explain/cluster-source.ts';
import { describeClocks, describeShort, keptFor } from '../flows/coverage.ts';
import { readObjects, type ReadObjects } from '../flows/read-objects.ts';
import { askVisible, type Histories } from '../flows/read-traffic.ts';
import type { PagePart, PartReader } from './page-feed.ts';

export interface ClusterOptions {
  readonly config: KubeConfig;
  readonly agentNamespace: string | undefined;
  /** Missing: all. */
  readonly namespaces: readonly string[] | undefined;
  /** Ends all requests. */
  readonly signal: AbortSignal;
}

/** An agent answers in the time of a second or less: one that takes longer is named in the notes. */
const agentMs = 10_000;
const doctorMs = 60_000;
/** An agent counts by the minute. Each question starts a program on its node. */
const pauses = { objects: 30_000, flows: 15_000, doctor: 300_000 } as const;
const mostNamed = 5;
const mostUnknown = 20;

/** Reads a cluster with the rights of the kubeconfig's user. */
export function clusterParts({ config, agentNamespace, namespaces, signal }: ClusterOptions): PartReader[] {
  const client = endingWith(createApiClient(config), signal);
  let read: ReadObjects | undefined;
  const readPart = async (): Promise<PagePart> => {
    read = await reaching(readObjects(client, namespaces, signal), 'read manifests with -f');
    const { objects, sight: _, ...rest } = read;
    return { ...rest, objects: trimObjects(objects) };
  };
  const readFlows = async (): Promise<PagePart> => {
    // The first part is there before this one is asked.
    return withFlows(await askVisible({ config, client, agentNamespace, namespaces, mostMs: agentMs, signal }, read!));
  };
  return [
    { name: 'objects', read: readPart, pauseMs: pauses.objects },
    { name: 'flows', read: readFlows, pauseMs: pauses.flows },
    ...(namespaces ? [partOfDoctor] : [doctor({ config, agentNamespace, signal }, client)]),
  ];
}

/** Histories for the page, with notes about what is missing in them. */
export function withFlows({ histories, failures, clocks }: Histories): PagePart {
  const longest = Math.max(0, ...histories.map(keptFor));
  const kept = fittingRows(histories);
  const reasons = [...Map.groupBy(failures, ({ why }) => why)];
  return {
    histories: kept.histories,
    notes: [
      ...reasons.map(([why, all]) => `flows of ${nameNodes(all.map(({ node }) => node))} are missing: ${why}`),
      // Agents of one rollout differ by a minute or two, which need not be said.
      ...describeShort(histories, longest - 2),
      ...describeClocks(clocks),
      ...(kept.leftOut > 0
        ? [`flows: ${kept.leftOut} of the shortest, of the namespaces with the most, are left out`]
        : []),
    ],
  };
}

/** Findings name pods of all namespaces, and nothing says which texts of them a user may read. */
const partOfDoctor: PartReader = {
  name: 'findings of postern doctor',
  read: () =>
    Promise.resolve({ notes: ['findings of postern doctor are missing: it reads all namespaces, and -n names some'] }),
  pauseMs: Infinity,
};

function doctor({ config, agentNamespace, signal }: Omit<ClusterOptions, 'namespaces'>, client: ApiReader): PartReader {
  const read = async (): Promise<PagePart> => {
    const facts = await askCluster({
      ...{ client, config, agentNamespace, node: undefined, version: readVersion(), timeoutMs: doctorMs },
      exec: (to, command) => execInPod(to, { ...command, signal: AbortSignal.any([command.signal, signal]) }),
      selector: agentSelector,
      progress: () => {},
      pause: () => delay(2000, undefined, { signal }),
    });
    const { findings, unknown } = judgeCluster(facts);
    const notes = unknown.slice(0, mostUnknown).map((text) => `postern doctor could not check ${text}`);
    const rest = unknown.length - notes.length;
    return {
      findings: findings.map(withNodes),
      notes: rest > 0 ? [...notes, `postern doctor could not check ${rest} more things: run it to read them`] : notes,
    };
  };
  return { name: 'findings of postern doctor', read, pauseMs: pauses.doctor, isSlow: true };
}

/** On a page about the whole cluster, `table ip filter` alone does not say where. */
function withNodes({ nodes, ...finding }: ClusterFinding): Finding {
  return nodes.length === 0 ? finding : { ...finding, subject: `${finding.subject} on ${nameNodes(nodes)}` };
}

function nameNodes(nodes: readonly string[]): string {
  const names = sorted(nodes);
  const rest = names.length - mostNamed;
  const shown = names.slice(0, mostNamed).join(', ');
  return `${names.length === 1 ? 'node' : 'nodes'} ${shown}${rest > 0 ? ` and ${rest} more` : ''}`;
}

function endingWith(client: ApiReader, signal: AbortSignal): ApiReader {
  return {
    get: (path, options) => client.get(path, { ...options, signal: AbortSignal.any([options.signal, signal]) }),
  };
}
