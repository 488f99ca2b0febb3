import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { ConfigError } from '../../config/config-error.ts';
import type { Attempt } from '../connect/attempt.ts';
import { describeOthers, findAgents, hasAgentLabels } from '../connect/find-agents.ts';
import { openContext, readClusterOf, toSource } from '../explain/cluster-source.ts';
import type { ClusterSource } from '../explain/cluster-source.ts';
import type { End } from '../explain/end-argument.ts';
import { createApiClient } from '../../watch/api-client.ts';
import { probeFromPod } from './cluster.ts';
import type { Setting } from './render.ts';
import type { Target } from './target.ts';

/** A cluster or a lab in which a connection is tried. */
export interface Place {
  readonly source: ClusterSource;
  readonly setting: Pick<Setting, 'lookAt' | 'inCluster'>;
  /** Prefix of a command line that runs in the network of FROM; in a lab only. */
  readonly onFrom?: (from: End) => string;
  tryFrom(from: End, to: Target): Promise<readonly Attempt[]>;
}

interface ClusterOptions {
  readonly kubeconfig?: string;
  readonly context?: string;
  /** Container image; defaults to that of the agent of the same node, else of any agent. */
  readonly image?: string;
  readonly agentNamespace?: string;
  /** How long to wait for the container. */
  readonly seconds: number;
}

/** A cluster, with an ephemeral container in FROM. Lists Services only if they are needed. */
export async function openCluster(
  needs: { readonly services: boolean },
  flags: ClusterOptions,
  note: (text: string) => void,
): Promise<Place> {
  const config = await openContext(flags.kubeconfig, flags.context);
  const source = await readClusterOf(config, needs);
  const { agents, others } = findAgents(source.objects.filter(hasAgentLabels), flags.agentNamespace);
  return {
    source,
    setting: {
      inCluster: true,
      lookAt: (node) => (agents.some((each) => each.node === node) ? `postern doctor --node ${node}` : undefined),
    },
    tryFrom: async (from, to) => {
      const key = podOf(from);
      const pod = key === undefined ? undefined : source.cluster.pods.get(key);
      if (!pod) throw new ConfigError(`FROM: ${from.name} is not a pod: on a cluster, a probe starts in a pod`);
      if (pod.terminal) throw new ConfigError(`FROM: pod ${pod.key} has finished: no container can start in it`);
      const image = flags.image ?? (agents.find((each) => each.node === pod.nodeName) ?? agents[0])?.image;
      if (image === undefined) {
        throw new ConfigError(
          `no Postern agent runs in this cluster, so its image is unknown: set --image${describeOthers(others)}`,
        );
      }
      const deadline = performance.now() + flags.seconds * 1000;
      return probeFromPod(to, {
        client: createApiClient(config),
        pod: { namespace: pod.namespace, name: pod.key.slice(pod.namespace.length + 1) },
        image,
        container: `postern-probe-${randomBytes(4).toString('hex')}`,
        signal: new AbortController().signal,
        note,
        pause: async () => {
          await delay(250);
          return performance.now() < deadline;
        },
      });
    },
  };
}

interface LabOptions {
  readonly name?: string;
  readonly stateDir?: string;
}

/** A running lab, with a process in the network namespace of FROM. */
export async function openLab(fromText: string, { name, stateDir }: LabOptions): Promise<Place> {
  const { defaultLabName, LabState } = await import('../../lab/state.ts');
  const { probeFromStation, readLabObjects } = await import('./lab.ts');
  const state = new LabState(name ?? defaultLabName, stateDir);
  return {
    source: toSource(await readLabObjects(state), new Map(), []),
    setting: {
      inCluster: false,
      lookAt: (node) => `${state.command('exec')} node/${node} -- nft -t list ruleset`,
    },
    onFrom: (from) => `${state.command('exec')} ${podOf(from) ?? fromText} --`,
    tryFrom: (from, to) => probeFromStation(state, podOf(from) ?? fromText, to),
  };
}

function podOf({ endpoints }: End): string | undefined {
  const [endpoint] = endpoints.values();
  return endpoint && 'pod' in endpoint ? endpoint.pod : undefined;
}
