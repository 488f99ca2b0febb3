import type { Cluster } from '../evaluator/cluster.ts';
import type { Endpoint } from '../evaluator/decision.ts';
import { isPortNumber, readProtocol } from '../evaluator/port.ts';
import type { Pod } from '../evaluator/party.ts';
import { isJsonObject, listAt, textAt } from '../lib/json.ts';
import type { JsonObject } from '../lib/json.ts';
import { parseAddress } from '../model/address.ts';
import type { Family } from '../model/address.ts';
import { declaredPortsOf } from './declared-ports.ts';
import type { DeclaredPort } from './declared-ports.ts';
import { keyOf } from './object-key.ts';
import { classifyPods } from './pod-class.ts';

/** Ends with the same verdicts. */
export interface EndClass {
  /** `shop/web-0`, `shop: app=web`, `host db` */
  readonly name: string;
  readonly members: readonly [Member, ...Member[]];
  readonly ports: readonly DeclaredPort[];
}

export interface Member {
  readonly name: string;
  readonly endpoint: Endpoint;
  readonly pod: Pod | undefined;
}

/** Classifies pods that both clusters have, and Host objects, which are the lab's machines outside the cluster. */
export function classifyEnds(
  before: Cluster,
  after: Cluster,
  objects: readonly JsonObject[],
  family: Family,
): EndClass[] {
  const raw = new Map(objects.map((object) => [keyOf(object), object]));
  const classes = classifyPods(before, after, family, (key) => declaredPortsOf(raw.get(`Pod ${key}`) ?? {}));
  const ofPods = classes.map(({ workload, pods, ports }): EndClass => {
    const [first, ...rest] = pods.map((pod) => ({ name: pod.key, endpoint: { pod: pod.key }, pod }));
    return { name: workload, members: [first!, ...rest], ports };
  });
  return [...ofPods, ...objects.filter((object) => object['kind'] === 'Host').flatMap((host) => hostEnd(host, family))];
}

function hostEnd(host: JsonObject, family: Family): EndClass[] {
  const texts = listAt(host, 'spec', 'addresses').filter((each) => typeof each === 'string');
  const address = texts.find((text) => parseAddress(text)?.family === family);
  if (address === undefined) return [];
  const name = `host ${textAt(host, 'metadata', 'name')}`;
  const ports = listAt(host, 'spec', 'ports').flatMap((raw): DeclaredPort[] => {
    const { protocol: named, port } = isJsonObject(raw) ? raw : {};
    const protocol = readProtocol(named);
    return protocol && isPortNumber(port) ? [{ protocol, port }] : [];
  });
  return [{ name, members: [{ name, endpoint: { address }, pod: undefined }], ports }];
}
