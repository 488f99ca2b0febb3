import { readVersion } from '../../config/version.ts';
import { judgeCluster } from '../../doctor/cluster.ts';
import type { Finding } from '../../doctor/finding.ts';
import { findProbeHosts } from '../../doctor/probe-hosts.ts';
import { readTierFacts } from '../../doctor/tiers/facts.ts';
import type { JsonObject } from '../../lib/json.ts';
import { plural } from '../../lib/plural.ts';
import { trimObjects } from '../../map/trim.ts';
import { readManifestCluster } from '../explain/cluster-source.ts';
import { readFiles, readLab, type SourceFlags } from '../flows/read-traffic.ts';
import { withFlows } from './cluster-parts.ts';
import type { PagePart, PartReader } from './page-feed.ts';

/** A user edits manifests beside the page, and sends packets in a lab. */
const pauseMs = 2_000;
/** Notes about manifests, at most. */
const mostNotes = 50;

export function manifestPart(paths: readonly string[]): PartReader {
  const read = async (): Promise<PagePart> => {
    const { objects, assumed, notes } = await readManifestCluster(paths);
    const pods = assumed.size > 0 ? [`addresses and nodes of ${plural(assumed.size, 'pod')} are assumed`] : [];
    const rest = notes.length - mostNotes;
    return {
      ...describeObjects(objects),
      notes: [...pods, ...notes.slice(0, mostNotes), ...(rest > 0 ? [`${rest} more notes of this kind`] : [])],
    };
  };
  // Standard input can be read once.
  return { name: 'manifests', read, pauseMs: paths.includes('-') ? Infinity : pauseMs };
}

export function labPart(flags: SourceFlags): PartReader {
  return { name: 'lab', read: async () => describe(await readLab(flags)), pauseMs };
}

export function filesPart(flags: SourceFlags): PartReader {
  return { name: 'files', read: async () => describe(await readFiles(flags)), pauseMs };
}

function describe({ objects, ...histories }: Awaited<ReturnType<typeof readLab>>): PagePart {
  return { ...describeObjects(objects), ...withFlows(histories) };
}

function describeObjects(objects: readonly JsonObject[]): PagePart {
  return { objects: trimObjects(objects), findings: findInObjects(objects) };
}

/** What `postern doctor` finds in objects alone. */
function findInObjects(objects: readonly JsonObject[]): readonly Finding[] {
  const hasTiers = objects.some((each) => each['kind'] === 'ClusterNetworkPolicy');
  const endpoints = { unknown: 'there is no API server' };
  return judgeCluster({
    ...{ version: readVersion(), nodes: [], withoutAgent: { value: [] }, falseAgents: { value: [] } },
    digests: { value: {} },
    probeHosts: { value: objects.filter((each) => each['kind'] === 'Pod').flatMap(findProbeHosts) },
    tiers: { value: hasTiers ? readTierFacts(objects, endpoints) : undefined },
  }).findings;
}
