import { globSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { readManifestCluster } from '../../src/cli/explain/cluster-source.ts';
import type { Cluster } from '../../src/evaluator/cluster.ts';
import type { Endpoint } from '../../src/evaluator/decision.ts';
import { evaluate, familiesOf } from '../../src/evaluator/evaluator.ts';
import type { FlowEnd } from '../../src/flows/kept-flow.ts';
import { ownerLabels } from '../../src/flows/owner-labels.ts';
import type { Traffic } from '../../src/flows/traffic.ts';
import { labelsOf } from '../../src/flows/workloads.ts';
import { declaredPortsOf } from '../../src/impact/declared-ports.ts';
import { listAt, objectAt, textAt, type JsonObject } from '../../src/lib/json.ts';
import { familyOf } from '../../src/model/address.ts';
import { suggest, type Suggestion } from '../../src/suggest/suggest.ts';
import { wanted } from './random-traffic.ts';

const root = resolve(import.meta.dirname, '../..');
/** Folders of examples, from the root of the project. */
export const exampleFolders = [
  ...new Set(globSync('examples/*/*.yaml', { cwd: root }).map((file) => dirname(file))),
].toSorted();

/** A connection that an example's workloads could make, with what its policies say. */
export interface Talk {
  readonly source: Endpoint;
  readonly destination: Endpoint;
  readonly traffic: Traffic;
}

interface Station {
  readonly end: FlowEnd;
  readonly endpoint: Endpoint;
  readonly object: JsonObject;
  readonly isPod: boolean;
}

/** Pods, and the machines outside. */
function stationsOf(objects: readonly JsonObject[]): Station[] {
  return objects.flatMap((object): Station[] => {
    if (object['kind'] === 'Pod' && objectAt(object, 'spec')['hostNetwork'] !== true) {
      const namespace = textAt(object, 'metadata', 'namespace') ?? 'default';
      const pod = `${namespace}/${textAt(object, 'metadata', 'name')}`;
      const end = { kind: 'workload', namespace, labels: ownerLabels(labelsOf(object)) } as const;
      return [{ end, endpoint: { pod }, object, isPod: true }];
    }
    if (object['kind'] !== 'Host') return [];
    const addresses = listAt(object, 'spec', 'addresses').filter((each) => typeof each === 'string');
    return addresses.map((address) => ({
      end: { kind: 'block', cidr: `${address}/${familyOf(address) === 'ipv4' ? 32 : 128}` },
      endpoint: { address },
      object,
      isPod: false,
    }));
  });
}

/** What the policies of an example say about all its declared ports, and the policies that are suggested for what they allow. */
export async function suggestForExample(
  folder: string,
): Promise<{ objects: readonly JsonObject[]; talks: readonly Talk[]; suggestions: readonly Suggestion[] }> {
  const { objects, cluster } = await readManifestCluster([resolve(root, folder)]);
  const stations = stationsOf(objects);
  const talks = stations.flatMap((from) => stations.flatMap((to) => talksBetween(from, to, cluster)));
  const { suggestions } = suggest(
    objects,
    talks.map(({ traffic }) => traffic),
    wanted,
  );
  return { objects, talks, suggestions };
}

function talksBetween(from: Station, to: Station, cluster: Cluster): Talk[] {
  if (from === to || !to.isPod) return [];
  return declaredPortsOf(to.object).flatMap(({ protocol, port }): Talk[] => {
    const [source, destination] = [from.endpoint, to.endpoint];
    const family = familiesOf(cluster, source).find((each) => familiesOf(cluster, destination).includes(each));
    if (family === undefined || port === undefined || protocol === 'ICMP') return [];
    const { verdict } = evaluate(cluster, { source, destination, protocol, destinationPort: port, family });
    const counts = { connections: 1, first: 1, last: 1, minutes: [] };
    return [{ source, destination, traffic: { from: from.end, to: to.end, protocol, port, verdict, ...counts } }];
  });
}
