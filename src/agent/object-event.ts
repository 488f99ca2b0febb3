import { shortHash } from '../lib/hash.ts';
import type { ObjectKey, ResourceName } from '../model/cluster.ts';
import { effectText } from '../model/effect-text.ts';
import type { Issue } from '../model/issue.ts';
import { optionalResources, watchedResources } from '../watch/resources.ts';
import type { ObjectVersion } from './object-versions.ts';

/** An Event of the core API, and the path of its collection. */
export interface ObjectEvent {
  readonly path: string;
  readonly name: string;
  /** What distinguishes the Event from all others. */
  readonly identity: string;
  readonly body: object;
  /** The patch to apply if the Event exists. */
  readonly newest?: object;
}

/** The limit of `note` in events.k8s.io/v1. */
const longestMessage = 1024;
/** 253 characters (RFC 1123 subdomain) without a dot and the hash. */
const longestPrefix = 240;

/** The object of an Event. */
interface Target {
  readonly resource: ResourceName;
  readonly key: ObjectKey;
  readonly version: ObjectVersion;
}

/** The node that writes the Event, and the time in milliseconds since 1970. */
interface Origin {
  readonly node: string;
  readonly now: number;
}

/**
 * Builds the Event of an issue. Its name is the same on every node and after every restart. So it exists once for each generation of the object: a second
 * writer gets a conflict from the API server (S9.11).
 */
export function objectEvent(target: Target, issue: Issue, origin: Origin): ObjectEvent {
  const { uid, generation } = target.version;
  const message = `${issue.path}: ${issue.message} (${describeEffect(typeOf(target.resource).kind, issue.effect)})`;
  const about = { reason: reasonOf(issue.code), message, action: 'Enforce' };
  return eventOf(target, about, [uid, generation, issue.code, issue.path], origin);
}

/** Something that happened to an object repeatedly. Times are milliseconds since 1970. */
export interface RepeatedEvent {
  readonly reason: string;
  readonly message: string;
  /** An object has one Event for each reason and subject. */
  readonly subject: string;
  readonly count: number;
  readonly since: number;
  readonly until: number;
}

/** Builds the Event. If it exists, the writer updates it with the newest content. */
export function repeatedEvent(target: Target, happening: RepeatedEvent, node: string): ObjectEvent {
  const { reason, message, subject, count, since, until } = happening;
  const { uid } = target.version;
  const event = eventOf(target, { reason, message, action: 'Deny' }, [uid, reason, subject], { node, now: since });
  const newest = { message: message.slice(0, longestMessage), count, lastTimestamp: timeText(until) };
  return { ...event, body: { ...event.body, ...newest }, newest };
}

/** @param distinct values that distinguish the Event from others of the same object */
function eventOf(
  { resource, key, version }: Target,
  about: { readonly reason: string; readonly message: string; readonly action: string },
  distinct: readonly (string | number)[],
  { node, now }: Origin,
): ObjectEvent {
  const { kind, apiVersion } = typeOf(resource);
  const [namespace, name] = splitKey(key);
  const { uid, resourceVersion } = version;
  const identity = distinct.join('\n');
  const hash = shortHash(identity);
  const eventName = `${name.slice(0, longestPrefix).replace(/[^a-z0-9]+$/, '')}.${hash}`;
  const time = timeText(now);
  // By convention of the API, Events about cluster-scoped objects are in the namespace default.
  const home = namespace ?? 'default';
  return {
    path: `/api/v1/namespaces/${home}/events`,
    name: eventName,
    identity,
    body: {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: eventName, namespace: home },
      involvedObject: { apiVersion, kind, namespace, name, uid, resourceVersion },
      type: 'Warning',
      reason: about.reason,
      message: about.message.slice(0, longestMessage),
      action: about.action,
      source: { component: 'postern', host: node },
      reportingComponent: 'postern',
      reportingInstance: node,
      firstTimestamp: time,
      lastTimestamp: time,
      count: 1,
    },
  };
}

/** What becomes of a field with an issue in an object of this kind. */
export function describeEffect(kind: string, effect: Issue['effect']): string {
  return `${effect === 'failed-closed' ? 'failed closed: ' : ''}${effectText(kind, effect)}`;
}

/** In whole seconds, as the API requires. */
export function timeText(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace(/\.[0-9]+Z$/, 'Z');
}

/** Event reasons are in CamelCase: `invalid-cidr` becomes `InvalidCidr`. */
function reasonOf(code: string): string {
  return code.replace(/(?:^|-)([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** The API server may serve an optional resource in several versions. Events always name v1alpha2, the version that `kinds` was written for. */
function typeOf(resource: ResourceName): { readonly kind: string; readonly apiVersion: string } {
  const watched = watchedResources.find((each) => each.resource === resource);
  if (watched) return { kind: watched.kind, apiVersion: apiVersionOf(watched.path) };
  const { kind, group } = optionalResources.find((each) => each.resource === resource)!;
  return { kind, apiVersion: `${group}/v1alpha2` };
}

/** `/apis/networking.k8s.io/v1/networkpolicies` → `networking.k8s.io/v1`, `/api/v1/pods` → `v1`. */
function apiVersionOf(path: string): string {
  return path.split('/').slice(2, -1).join('/');
}

function splitKey(key: ObjectKey): [namespace: string | undefined, name: string] {
  const [first, second] = key.split('/') as [string, string?];
  return second === undefined ? [undefined, first] : [first, second];
}
