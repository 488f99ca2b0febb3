import type { Direction } from '../model/policy.ts';
import type { NodeState, StateOfIssue, StateOfPod } from '../model/node-state.ts';
import type { LocalPod, Snapshot } from '../model/snapshot.ts';
import type { Pipeline } from '../pipeline.ts';
import type { Checks } from '../telemetry/checks.ts';
import type { AppliedVersion } from './reconciler.ts';

interface Known {
  readonly node: string;
  readonly version: string;
  readonly applied: AppliedVersion | undefined;
  readonly startGate: boolean;
  readonly live: Pick<Checks, 'results'>;
  readonly ready: Pick<Checks, 'results'>;
  readonly pipeline: Pick<Pipeline, 'snapshot' | 'unknownSandboxes' | 'gateClaims'>;
  readonly issues: readonly StateOfIssue[];
}

/** Builds the content of `/node`: what only this agent knows about its node. */
export function describeNode(known: Known): NodeState {
  const { node, version, applied, startGate, live, ready, pipeline, issues } = known;
  const { snapshot, unknownSandboxes, gateClaims } = pipeline;
  return {
    node,
    version,
    ...(applied && { applied }),
    live: live.results(),
    ready: ready.results(),
    startGate,
    gatedRanges: snapshot.gatedRanges,
    ...(gateClaims.length > 0 && { gateClaims }),
    pods: Array.from(snapshot.localPods.values(), (pod) => describePod(pod, snapshot)),
    unknownPods: unknownSandboxes.map(({ namespace, name }) => `${namespace}/${name}`),
    issues,
  };
}

function describePod({ key, addresses, links, policies }: LocalPod, snapshot: Snapshot): StateOfPod {
  const isolating = (direction: Direction): string[] =>
    policies.filter((id) => snapshot.policies.get(id)?.isolates.has(direction));
  return {
    // A pod's key ends with its uid.
    pod: key.split('/', 2).join('/'),
    addresses,
    links: Object.fromEntries(links),
    ingress: isolating('ingress'),
    egress: isolating('egress'),
  };
}
