import { messageOf } from '../../lib/message-of.ts';
import type { Sandbox } from '../../model/cluster.ts';
import type { Issue } from '../../model/issue.ts';
import type { PodNetwork } from './pod-network.ts';

/** Milliseconds for which a restoration is reported as an issue of the pod. */
const driftShownMs = 600_000;

/** What the agent knows of the network namespace of a sandbox. */
export interface Entry {
  readonly sandbox: Sandbox;
  /**
   * `looking`: its devices are not known yet. `outside`: the node judges all of its packets. `superseded`: a later sandbox has its network namespace.
   */
  state: 'looking' | 'outside' | 'superseded' | PodNetwork;
  /** A look at its devices is under way: another one would open the namespace once more. */
  isLooking?: boolean;
  failure?: unknown;
  driftedAt?: number;
}

export function isInForce({ state }: Entry): boolean {
  return typeof state === 'object' && state.isInForce;
}

/** Why rules of this version, or later ones, are not in force inside; `undefined` if they are, or if the node judges all packets of the pod. */
export function obstacleOf({ state, failure }: Entry, version: number): string | undefined {
  if (state === 'outside') return undefined;
  if (state === 'superseded') return "another pod has the pod's network namespace by now";
  if (typeof state === 'object') return state.obstacle(version);
  if (failure === undefined) return "the agent has not looked into the pod's network namespace yet";
  return `the agent cannot look into the pod's network namespace: ${messageOf(failure)}`;
}

export function hasFailed({ failure }: Entry): boolean {
  return failure !== undefined;
}

/** The network namespace of a sandbox; `undefined` if its record has none. */
export function pathOf({ interfaces = [] }: Sandbox): string | undefined {
  return interfaces[0]?.namespace;
}

export function nameOf({ namespace, name }: Sandbox): string {
  return `${namespace}/${name}`;
}

/** Whether both have the same interfaces, and the same links to the node. */
export function isSameInside(a: Sandbox, b: Sandbox): boolean {
  const textOf = ({ live, link, interfaces = [] }: Sandbox): string => JSON.stringify([live, link?.device, interfaces]);
  return textOf(a) === textOf(b);
}

export function issuesOf({ failure, driftedAt }: Entry, now: number): Issue[] {
  const path = 'status.podIPs';
  const effect = 'not-enforced';
  if (failure !== undefined) {
    const message = `packets of this pod do not cross the node, and the agent cannot write the rules in the pod's network namespace: ${messageOf(failure)}`;
    return [{ code: 'not-enforceable', path, message, effect }];
  }
  if (driftedAt === undefined || now - driftedAt > driftShownMs) return [];
  const message =
    "a program in the pod changed Postern's rules in the pod's network namespace, and the agent restored them: packets that policies deny may have passed in between. " +
    'Remove the capability NET_ADMIN from the pod';
  return [{ code: 'rules-changed-in-pod', path: 'spec.containers', message, effect }];
}
