import type { Guard } from '../compile/assemble.ts';
import { sorted } from '../lib/sort.ts';
import type { Sandbox } from '../model/cluster.ts';
import type { GateClaims } from '../model/node-state.ts';
import type { Snapshot } from '../model/snapshot.ts';
import type { Pipeline } from '../pipeline.ts';
import type { Checks } from '../telemetry/checks.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { NodeMetrics } from '../telemetry/metrics/node.ts';
import type { PlanSource } from './plan-source.ts';

type GateDoubts = Pick<Pipeline, 'disputedRanges' | 'gateClaims'>;

interface NodeReporterOptions {
  readonly startGate: boolean;
  readonly guard: Guard;
  /** Why the guard is incomplete. */
  readonly unguarded: string | undefined;
  readonly ready: Checks;
  readonly metrics: NodeMetrics;
  readonly logger: Logger;
}

const mostNamed = 5;

/** The text has no numbers, so that it does not change with each pod. */
function describeClaims(claims: readonly GateClaims[]): string {
  const of = (pass: boolean, what: string): string => {
    const names = claims.filter((each) => each.pass === pass).map(({ node }) => node);
    const left = names.length - mostNamed;
    const named = [...sorted(names).slice(0, mostNamed), ...(left > 0 ? [`${left} more`] : [])].join(', ');
    return names.length > 0 ? `; pods of ${named} claim addresses there, which ${what}` : '';
  };
  return of(true, 'pass the gate') + of(false, 'do not pass the gate');
}

const restoredNote = 'the saved state of this node is in force: the API server has not answered yet';

/** Reports the state of the node itself as log lines, metrics and readiness. It decides nothing. */
export class NodeReporter {
  readonly #options: NodeReporterOptions;

  constructor(options: NodeReporterOptions) {
    this.#options = options;
    // The gate works only with rules, and the check `rules` fails until they are applied.
    options.ready.note('gate', 'not applied yet');
    this.#reportGuard();
  }

  /**
   * @param doubts evidence that the ranges of the Node are wrong
   * @param isRestored whether the rules come from the saved state
   */
  applied({ gatedRanges }: Snapshot, doubts: GateDoubts, isRestored: boolean): void {
    const { ready, metrics, logger } = this.#options;
    metrics.restored(isRestored);
    if (!isRestored) ready.report('rules', undefined);
    else if (ready.note('rules', restoredNote)) logger.warn(restoredNote);
    this.#reportGate(gatedRanges, doubts);
  }

  #reportGuard(): void {
    const { guard, unguarded, ready, logger } = this.#options;
    const scope = guard === 'routed' ? 'for routed pods only' : guard ? 'on' : 'off';
    ready.note('guard', unguarded === undefined ? scope : `${scope}: ${unguarded}`);
    if (guard && unguarded !== undefined) logger.warn(`the guard is incomplete (${scope}): ${unguarded}`);
  }

  #reportGate(ranges: readonly string[], { disputedRanges, gateClaims }: GateDoubts): void {
    const { startGate, ready, logger } = this.#options;
    const doubt = `a pod of this node has an address outside of the pod range ${disputedRanges.join(', ')} of its Node: the network plugin does not use that range`;
    const unknown =
      disputedRanges.length > 0
        ? `${doubt}; set the right one with --pod-cidr`
        : 'the pod ranges of this node are unknown';
    const off = `off: ${startGate ? unknown : '--no-start-gate'}`;
    const claims = describeClaims(gateClaims);
    if (!ready.note('gate', ranges.length > 0 ? ranges.join(', ') + claims : off)) return;
    if (claims !== '') logger.warn({ ranges, claims: gateClaims.slice(0, mostNamed) }, `the gate is on${claims}`);
    else if (ranges.length > 0)
      logger.info({ ranges }, 'the gate is on: in these ranges only pods with rules can send and receive');
    else logger.warn(`new pods are unprotected until their rules are in the kernel: the gate is ${off}`);
  }

  /** Reports a request to the API server for the pod of a sandbox that the watch had not reported. */
  fetched(result: 'found' | 'missing' | 'failed', { namespace, name, uid }: Sandbox, error?: unknown): void {
    const { metrics, logger } = this.#options;
    metrics.podFetch(result);
    const fields = { pod: `${namespace}/${name}`, uid, ...(error === undefined ? {} : { err: error }) };
    if (result === 'found') logger.debug(fields, 'read a pod that the watch had not reported');
    else if (result === 'missing')
      logger.warn(fields, 'a sandbox runs, but its pod object does not exist: its traffic is denied');
    else logger.info(fields, 'could not read the pod of a sandbox: its traffic is denied until the pod is known');
  }

  /** Connects the metrics to the pipeline and the plan source. */
  count(
    pipeline: Pick<Pipeline, 'unknownSandboxes' | 'unlinked' | 'gateClaims'>,
    source: Pick<PlanSource, 'snapshot' | 'liveSandboxes'>,
  ): void {
    this.#options.metrics.counts(() => ({
      sandboxes: source.liveSandboxes,
      unknownSandboxes: pipeline.unknownSandboxes.length,
      unlinkedPods: pipeline.unlinked.length,
      gatedRanges: source.snapshot.gatedRanges.length,
      gateClaims: pipeline.gateClaims.reduce((sum, { addresses }) => sum + addresses, 0),
    }));
  }
}
