import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { ConfigError } from '../../config/config-error.ts';
import type { Attempt } from '../connect/attempt.ts';
import { openContext, readClusterOf, toSource } from '../explain/cluster-source.ts';
import type { ClusterSource } from '../explain/cluster-source.ts';
import type { End } from '../explain/end-argument.ts';
import { mayBeService } from '../explain/service-argument.ts';
import { createApiClient } from '../../watch/api-client.ts';
import { findAgents } from './agents.ts';
import { probeFromPod } from './cluster.ts';
import type { Setting } from './render.ts';
import type { Target } from './target.ts';

/** Where it is tried: what there is, and how to try. */
export interface Place {
  readonly source: ClusterSource;
  readonly setting: Pick<Setting, 'lookAt' | 'inCluster'>;
  /** The command line before which a program runs where FROM is; in a lab alone. */
  readonly onFrom?: (from: End) => string;
  tryFrom(from: End, to: Target): Promise<readonly Attempt[]>;
}

interface ClusterOptions {
  readonly kubeconfig?: string;
  readonly context?: string;
  /** Of the container; by default that of the agent of the same node, or of any. */
  readonly image?: string;
  /** How long to wait for the container. */
  readonly seconds: number;
}

/** The cluster of a kubeconfig: tried by an ephemeral container. Of its Services it knows if TO may need them. */
export async function openCluster(toText: string, flags: ClusterOptions, note: (text: string) => void): Promise<Place> {
  const config = await openContext(flags.kubeconfig, flags.context);
  const source = await readClusterOf(config, { services: mayBeService(toText) });
  const agents = findAgents(source.objects);
  return {
    source,
    setting: {
      inCluster: true,
      lookAt: (node) => (agents.some((each) => each.node === node) ? `postern doctor --node ${node}` : undefined),
    },
    tryFrom: async (from, to) => {
      const key = podOf(from);
      const pod = key === undefined ? undefined : source.cluster.pods.get(key);
      if (!pod) throw new ConfigError(`FROM: ${from.name} is no pod: a probe of a cluster starts in one`);
      if (pod.terminal) throw new ConfigError(`FROM: pod ${pod.key} has finished: nothing can start in it`);
      const image = flags.image ?? (agents.find((each) => each.node === pod.nodeName) ?? agents[0])?.image;
      if (image === undefined) {
        throw new ConfigError(
          'no agent of Postern runs in this cluster, whose image the probe would run: name one with --image',
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

/** A lab that is up: tried in the network namespace of FROM. */
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
