import { listAt, numberAt, textAt } from '../../lib/json.ts';
import { readJson, type ApiClient } from '../../watch/api-client.ts';
import { ApiError } from '../../watch/api-error.ts';
import { apiSilenceMs } from '../api-silence.ts';

export interface DaemonSetName {
  readonly namespace: string;
  readonly name: string;
}

/** How many of the nodes that the DaemonSet has are free of our rules. */
export interface Progress {
  readonly done: number;
  readonly nodes: number;
}

interface Options {
  readonly client: ApiClient;
  /** Only if the DaemonSet is of this Helm release. */
  readonly release?: string | undefined;
  readonly signal: AbortSignal;
  readonly progress: (progress: Progress) => void;
  /** Between two looks. Resolves false when there shall be no other. */
  readonly pause: () => Promise<boolean>;
}

/** What Helm writes on what it has installed, and `helm template` does not. */
const releaseAnnotation = 'meta.helm.sh/release-name';

/**
 * Has every pod of the DaemonSet run `postern agent --uninstall`, on all nodes at once, and waits until each says that its node is free of
 * our rules. Returns how far it came, which is short of all nodes only where `pause` ended it. Rejects with an ApiError, or where the
 * DaemonSet runs no agent.
 */
export async function rollOutUninstall(name: DaemonSetName, options: Options): Promise<Progress> {
  const { client, release, signal, progress, pause } = options;
  const path = `/apis/apps/v1/namespaces/${name.namespace}/daemonsets/${name.name}`;
  const title = `DaemonSet ${name.namespace}/${name.name}`;
  const read = async (): Promise<unknown> => {
    try {
      return await readJson(await client.get(path, { query: {}, signal, silenceMs: apiSilenceMs }));
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 404)) throw error;
      const rest =
        'the rules of agents that ran are still there. Install again first, or run "nft delete table ip postern" (and the same for ip6 postern and bridge postern) on each node (and then, with Helm, "helm uninstall --no-hooks")';
      throw new DaemonSetError(`there is no ${title}: ${rest}`);
    }
  };
  const found = await read();
  if (release !== undefined && textAt(found, 'metadata', 'annotations', releaseAnnotation) !== release) {
    throw new DaemonSetError(`${title} was not installed by Helm as release ${release}: nothing is removed`);
  }
  const patch = uninstallPatch(found);
  if (patch === undefined) throw new DaemonSetError(`${title} has no container with the argument "agent"`);
  await client.write('patch', path, patch, { signal, silenceMs: apiSilenceMs });
  let last: Progress | undefined;
  for (;;) {
    // The pods that serve the API may be on these very nodes: a look that fails is one that saw nothing new.
    const seen = await read().catch((error: unknown) => {
      if (!(error instanceof ApiError)) throw error;
      return undefined;
    });
    if (seen !== undefined && !isUninstalling(seen)) {
      throw new DaemonSetError(`somebody has changed ${title} back: its agents write the rules again`);
    }
    const now = seen === undefined ? (last ?? { done: 0, nodes: 1 }) : progressOf(seen);
    if (now.done !== last?.done || now.nodes !== last.nodes) progress(now);
    last = now;
    if (now.done === now.nodes || !(await pause())) return now;
  }
}

class DaemonSetError extends Error {
  override readonly name = 'DaemonSetError';
  readonly code = 'daemonset';
}

/** `undefined` if no container of it runs the agent. */
export function uninstallPatch(daemonSet: unknown): object | undefined {
  for (const container of listAt(daemonSet, 'spec', 'template', 'spec', 'containers')) {
    const args = listAt(container, 'args');
    if (!args.includes('agent')) continue;
    const uninstalling = args.includes('--uninstall') ? args : [...args, '--uninstall'];
    return {
      spec: {
        // A node free of rules earlier is open no earlier than it is going to be.
        updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: '100%', maxSurge: 0 } },
        template: { spec: { containers: [{ name: textAt(container, 'name'), args: uninstalling }] } },
      },
    };
  }
  return undefined;
}

function isUninstalling(daemonSet: unknown): boolean {
  return listAt(daemonSet, 'spec', 'template', 'spec', 'containers').some((container) => {
    const args = listAt(container, 'args');
    return args.includes('agent') && args.includes('--uninstall');
  });
}

/** Until the controller has seen the change, nothing of it is done. */
export function progressOf(daemonSet: unknown): Progress {
  const status = (field: string): number => numberAt(daemonSet, 'status', field) ?? 0;
  const nodes = status('desiredNumberScheduled');
  if (status('observedGeneration') < (numberAt(daemonSet, 'metadata', 'generation') ?? Infinity)) {
    return { done: 0, nodes: Math.max(nodes, 1) };
  }
  // New ones need not be ready, and ready ones not new: so many are both at least.
  return { done: Math.max(0, status('updatedNumberScheduled') + status('numberReady') - nodes), nodes };
}
