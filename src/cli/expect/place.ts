import type { ClusterSource } from '../explain/cluster-source.ts';
import {
  fromManifests,
  readLiveObjects,
  readManifestCluster,
  readServices,
  toSource,
} from '../explain/cluster-source.ts';
import { mayBeService } from '../explain/service-argument.ts';
import type { ApiObject } from '../../lab/api/object.ts';
import { readSeconds } from '../read-seconds.ts';
import type { JsonObject } from '../../lib/json.ts';
import { plural } from '../../lib/plural.ts';
import { assignAddresses } from '../../manifests/addresses.ts';
import { printable } from '../../lib/printable.ts';
import type { TestPlace } from './check.ts';
import type { PolicyTest } from './format.ts';
import { lookInLab, type LookInLab } from './packets.ts';
import { lookFromPods } from './probes.ts';

// Modules of the lab are imported late: a CI job that checks manifests needs none of them.

export interface PlaceFlags {
  readonly filename?: readonly string[];
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly lab?: true;
  readonly name?: string;
  readonly stateDir?: string;
  readonly probe?: true;
  readonly image?: string;
  readonly timeout?: string;
  readonly agentNamespace?: string;
}

/** Some 350,000 connections between 10,000 pods took 13 s on two busy processors, with the reading of the manifests. */
const mostByPolicies = 1_000_000;
/** Connections in a lab are tried all at once. */
const mostByPackets = 10_000;

/** Opens the manifests, the cluster or the lab, and closes what it opened when `use` ends. Resolves to `undefined` if a signal ended the lab. */
export async function openTestPlace<Value>(
  flags: PlaceFlags,
  tests: readonly PolicyTest[],
  use: (place: TestPlace) => Promise<Value>,
): Promise<Value | undefined> {
  if (flags.probe) return use(await openProbes(flags, tests));
  if (flags.lab && !flags.filename) return use(await openRunningLab(flags));
  if (flags.lab) {
    const { runOwnLab } = await import('./own-lab.ts');
    return runOwnLab(flags, (objects, look) => use(labPlace(objects, look)));
  }
  const source = await (flags.filename ? readManifestCluster(flags.filename) : readLiveSource(flags, tests));
  return use({ by: 'policies', source, most: mostByPolicies });
}

/** Lists Services only if an end may be one. */
async function readLiveSource(
  { kubeconfig, context }: PlaceFlags,
  tests: readonly PolicyTest[],
): Promise<ClusterSource> {
  const { config, objects } = await readLiveObjects(kubeconfig, context, fromManifests);
  const { services, notes } = needsServices(tests) ? await readServices(config) : { services: [], notes: [] };
  return withAssumed([...objects, ...services], notes);
}

/** Judges pods that have no address yet as those of manifests: which connections they will have does not depend on it, but for blocks. */
export function withAssumed(objects: readonly JsonObject[], notes: readonly string[]): ClusterSource {
  const addressed = assignAddresses(objects);
  const source = toSource(addressed.objects, addressed.assumed, notes);
  const count = [...addressed.assumed.keys()].filter((key) => source.cluster.pods.get(key)?.terminal === false).length;
  if (count === 0) return source;
  return { ...source, notes: [...source.notes, `${plural(count, 'pod')} without a node or an address: assuming some`] };
}

function needsServices(tests: readonly PolicyTest[]): boolean {
  return tests.some(({ to }) => typeof to === 'string' && mayBeService(to));
}

async function openProbes(flags: PlaceFlags, tests: readonly PolicyTest[]): Promise<TestPlace> {
  const { openCluster } = await import('../probe/place.ts');
  const options = { ...flags, seconds: readSeconds(flags.timeout ?? '60') };
  const note = (text: string): void => void process.stderr.write(`note: ${printable(text)}\n`);
  const place = await openCluster({ services: needsServices(tests) }, options, note);
  return {
    by: 'policies and probes of a cluster',
    source: place.source,
    most: mostByPackets,
    look: (connections) => lookFromPods(place.source.cluster, connections, (from, to) => place.tryFrom(from, to)),
  };
}

function labPlace(objects: readonly ApiObject[], look: LookInLab): TestPlace {
  const source = toSource(objects, new Map(), []);
  return {
    by: 'policies and packets of a lab',
    source,
    most: mostByPackets,
    look: (connections) => lookInLab(source, connections, look),
  };
}

async function openRunningLab({ name, stateDir }: PlaceFlags): Promise<TestPlace> {
  const { defaultLabName, LabState } = await import('../../lab/state.ts');
  const { askLab } = await import('../../lab/control.ts');
  const state = new LabState(name ?? defaultLabName, stateDir);
  const { objects } = await askLab(state, 'objects', {});
  return labPlace(objects, async (connections) => (await askLab(state, 'look', { connections })).seen);
}
