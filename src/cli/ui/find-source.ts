import { ConfigError } from '../../config/config-error.ts';
import type { PageData } from '../../map/page-data.ts';
import type { SourceFlags } from '../flows/read-traffic.ts';
import type { PartReader } from './page-feed.ts';

export interface UiSourceFlags extends SourceFlags {
  readonly namespace?: readonly string[];
  readonly filename?: readonly string[];
}

/** What the page is about, before anything is read. */
export interface Source {
  readonly about: PageData['source'];
  readonly parts: readonly PartReader[];
  /** A sentence about what is read, and with which rights. */
  readonly reads: string;
}

/** A name becomes a part of a path of the API server. */
const namespaceForm = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

/** Finds out where the page comes from. Loads only what this needs. Rejects with a ConfigError. */
export async function findSource(flags: UiSourceFlags, signal: AbortSignal): Promise<Source> {
  const { filename, base, lab, name = 'lab' } = flags;
  if (lab) {
    const { labPart } = await import('./local-parts.ts');
    return {
      about: { kind: 'lab', name },
      parts: [labPart(flags)],
      reads: `It asks lab ${name} for its objects and flows, and changes nothing in it.`,
    };
  }
  const paths = filename ?? base;
  if (paths) {
    const { filesPart, manifestPart } = await import('./local-parts.ts');
    return {
      about: { kind: 'manifests', name: paths.join(', ') },
      parts: [filename ? manifestPart(filename) : filesPart(flags)],
      reads: `The command reads ${paths.join(', ')} and asks no cluster.`,
    };
  }
  return findCluster(flags, signal);
}

async function findCluster(
  { kubeconfig, context, agentNamespace, namespace }: UiSourceFlags,
  signal: AbortSignal,
): Promise<Source> {
  const wrong = namespace?.find((each) => !namespaceForm.test(each));
  if (wrong !== undefined) throw new ConfigError(`--namespace: ${JSON.stringify(wrong)} is not a name of a namespace`);
  const { openContext } = await import('../explain/cluster-source.ts');
  const { clusterParts } = await import('./cluster-parts.ts');
  const config = await openContext(kubeconfig, context, 'read manifests with -f');
  const name = config.getCurrentContext();
  const namespaces = namespace && [...new Set(namespace)];
  const where = namespaces ? `namespace ${namespaces.join(', ')}` : 'all namespaces';
  return {
    about: { kind: 'cluster', name },
    parts: clusterParts({ config, agentNamespace, namespaces, signal }),
    reads: `It reads ${where} of context ${name} with your rights, asks the agents through pods/exec, and writes nothing to the cluster.`,
  };
}
