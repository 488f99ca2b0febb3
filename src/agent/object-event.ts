import { shortHash } from '../lib/hash.ts';
import type { ObjectKey, ResourceName } from '../model/cluster.ts';
import type { Issue } from '../model/issue.ts';
import { watchedResources } from '../watch/resources.ts';
import type { ObjectVersion } from './census.ts';

/** An Event of the core API, and where it is created. */
export interface ObjectEvent {
  readonly path: string;
  readonly name: string;
  readonly body: object;
}

/** Longest note that the API server takes (core validation). */
const longestMessage = 1024;
/** Of 253 (RFC 1123 subdomain), less a dot and the hash. */
const longestPrefix = 240;

/**
 * The Event that tells an object's owner of an issue. Its name is the same on every node and after every restart, so each case is written
 * once for a generation of the object: whoever comes second is told that it exists (S9.11).
 * @param now milliseconds since 1970
 */
export function objectEvent(
  { resource, key, version }: { resource: ResourceName; key: ObjectKey; version: ObjectVersion },
  issue: Issue,
  { node, now }: { node: string; now: number },
): ObjectEvent {
  const { kind, path } = watchedResources.find((each) => each.resource === resource)!;
  const [namespace, name] = splitKey(key);
  const { uid, resourceVersion, generation } = version;
  const hash = shortHash([uid, generation, issue.code, issue.path].join('\n'));
  const eventName = `${name.slice(0, longestPrefix).replace(/[^a-z0-9]+$/, '')}.${hash}`;
  const time = new Date(now).toISOString().replace(/\.[0-9]+Z$/, 'Z');
  // Events about objects without a namespace live in this one, by convention of the API.
  const home = namespace ?? 'default';
  return {
    path: `/api/v1/namespaces/${home}/events`,
    name: eventName,
    body: {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: eventName, namespace: home },
      involvedObject: { apiVersion: apiVersionOf(path), kind, namespace, name, uid, resourceVersion },
      type: 'Warning',
      reason: reasonOf(issue.code),
      message: `${issue.path}: ${issue.message} (${effects[issue.effect]})`.slice(0, longestMessage),
      action: 'Enforce',
      source: { component: 'postern', host: node },
      reportingComponent: 'postern',
      reportingInstance: node,
      firstTimestamp: time,
      lastTimestamp: time,
      count: 1,
    },
  };
}

const effects: Readonly<Record<Issue['effect'], string>> = {
  ignored: 'ignored',
  'failed-closed': 'failed closed: it allows nothing',
  'not-enforced': 'not enforced',
};

/** `invalid-cidr` as `InvalidCidr`: the form that reasons have. */
function reasonOf(code: string): string {
  return code.replace(/(?:^|-)([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** `/apis/networking.k8s.io/v1/networkpolicies` is of `networking.k8s.io/v1`, `/api/v1/pods` of `v1`. */
function apiVersionOf(path: string): string {
  return path.split('/').slice(2, -1).join('/');
}

function splitKey(key: ObjectKey): [namespace: string | undefined, name: string] {
  const [first, second] = key.split('/') as [string, string?];
  return second === undefined ? [undefined, first] : [first, second];
}
