import { listAt, numberAt, textAt } from '../../lib/json.ts';
import { readJson, type ApiClient } from '../../watch/api-client.ts';
import { ApiError } from '../../watch/api-error.ts';
import { apiSilenceMs } from '../api-silence.ts';

export interface DaemonSetName {
  readonly namespace: string;
  readonly name: string;
}

/** Number of the DaemonSet's nodes without rules of Postern, and of all its nodes. */
export interface Progress {
  readonly done: number;
  readonly nodes: number;
}

interface Options {
  readonly client: ApiClient;
  /** If set, the DaemonSet must belong to this Helm release. */
  readonly release?: string | undefined;
  readonly signal: AbortSignal;
  readonly progress: (progress: Progress) => void;
  /** Called between two requests. Resolves to false to stop waiting. */
  readonly pause: () => Promise<boolean>;
}

/** Helm sets this annotation when it installs an object; `helm template` does not. */
const releaseAnnotation = 'meta.helm.sh/release-name';

/**
 * Changes the DaemonSet to run `postern agent --uninstall` on all nodes at once, and waits until every pod reports that its node has no
 * rules of Postern. Returns the progress, which is incomplete only if `pause` resolved to false. Rejects with an ApiError, or with a
 * DaemonSetError if the DaemonSet does not exist or runs no agent.
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
        'the rules of its agents are still in the kernels. Install Postern again first, or run "nft delete table ip postern" (and the same for ip6 postern and bridge postern) on each node (and then, with Helm, "helm uninstall --no-hooks")';
      throw new DaemonSetError(`${title} does not exist: ${rest}`);
    }
  };
  const found = await read();
  if (release !== undefined && textAt(found, 'metadata', 'annotations', releaseAnnotation) !== release) {
    throw new DaemonSetError(`Helm did not install ${title} as release ${release}: nothing is removed`);
  }
  const patch = uninstallPatch(found);
  if (patch === undefined) throw new DaemonSetError(`${title} has no container with the argument "agent"`);
  await client.write('patch', path, patch, { signal, silenceMs: apiSilenceMs });
  let last: Progress | undefined;
  for (;;) {
    // The pods of the API server may be on these nodes, so a failed request counts as no progress.
    const seen = await read().catch((error: unknown) => {
      if (!(error instanceof ApiError)) throw error;
      return undefined;
    });
    if (seen !== undefined && !isUninstalling(seen)) {
      throw new DaemonSetError(`another client has changed ${title} back: its agents write the rules again`);
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

/** Returns `undefined` if no container runs the agent. */
export function uninstallPatch(daemonSet: unknown): object | undefined {
  for (const container of listAt(daemonSet, 'spec', 'template', 'spec', 'containers')) {
    const args = listAt(container, 'args');
    if (!args.includes('agent')) continue;
    const uninstalling = args.includes('--uninstall') ? args : [...args, '--uninstall'];
    return {
      spec: {
        // All nodes at once: each node loses its rules in any case.
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

/** Progress by the status of the DaemonSet; 0 until the controller has observed the change. */
export function progressOf(daemonSet: unknown): Progress {
  const status = (field: string): number => numberAt(daemonSet, 'status', field) ?? 0;
  const nodes = status('desiredNumberScheduled');
  if (status('observedGeneration') < (numberAt(daemonSet, 'metadata', 'generation') ?? Infinity)) {
    return { done: 0, nodes: Math.max(nodes, 1) };
  }
  // An updated pod may not be ready, and a ready pod may be old: this is the minimum number of pods that are both.
  return { done: Math.max(0, status('updatedNumberScheduled') + status('numberReady') - nodes), nodes };
}
