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
  /** Why it is not on for all devices. */
  readonly unguarded: string | undefined;
  readonly ready: Checks;
  readonly metrics: NodeMetrics;
  readonly logger: Logger;
}

const mostNamed = 5;

/** Without figures, so that a pod that comes or goes is no news. */
function describeClaims(claims: readonly GateClaims[]): string {
  const of = (pass: boolean, what: string): string => {
    const names = claims.filter((each) => each.pass === pass).map(({ node }) => node);
    const left = names.length - mostNamed;
    const named = [...sorted(names).slice(0, mostNamed), ...(left > 0 ? [`${left} more`] : [])].join(', ');
    return names.length > 0 ? `; pods of ${named} claim addresses there, which ${what}` : '';
  };
  return of(true, 'pass the gate') + of(false, 'do not pass the gate');
}

const restoredNote = 'what this node had kept is in force: the API server has not been reached yet';

/** Turns what is known of the node itself into log lines, metrics and readiness. Decides nothing. */
export class NodeReporter {
  readonly #options: NodeReporterOptions;

  constructor(options: NodeReporterOptions) {
    this.#options = options;
    // Without rules it keeps nobody, which is for the rules to say.
    options.ready.note('gate', 'not applied yet');
    this.#reportGuard();
  }

  /**
   * @param doubts what speaks against the ranges of the Node
   * @param isRestored it is what this node had kept
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
    if (guard && unguarded !== undefined) logger.warn(`the guard of pods' devices is on ${scope}: ${unguarded}`);
  }

  #reportGate(ranges: readonly string[], { disputedRanges, gateClaims }: GateDoubts): void {
    const { startGate, ready, logger } = this.#options;
    const doubt = `a pod of this node has an address outside of ${disputedRanges.join(', ')} of its Node: the network plugin does not keep to it`;
    const unknown = disputedRanges.length > 0 ? `${doubt}; --pod-cidr says where` : 'no range of this node is known';
    const off = `off: ${startGate ? unknown : '--no-start-gate'}`;
    const claims = describeClaims(gateClaims);
    if (!ready.note('gate', ranges.length > 0 ? ranges.join(', ') + claims : off)) return;
    if (claims !== '') logger.warn({ ranges, claims: gateClaims.slice(0, mostNamed) }, `the gate is on${claims}`);
    else if (ranges.length > 0) logger.info({ ranges }, 'in these ranges only pods with rules send and receive');
    else logger.warn(`pods that start are isolated by nothing until their rules are there: the gate is ${off}`);
  }

  /** The answer for the pod of a sandbox that the watch had not brought. */
  fetched(result: 'found' | 'missing' | 'failed', { namespace, name, uid }: Sandbox, error?: unknown): void {
    const { metrics, logger } = this.#options;
    metrics.podFetch(result);
    const fields = { pod: `${namespace}/${name}`, uid, ...(error === undefined ? {} : { err: error }) };
    if (result === 'found') logger.debug(fields, 'asked for a pod that the watch has not brought');
    else if (result === 'missing') logger.warn(fields, 'a sandbox runs whose pod is not there: it is denied');
    else logger.info(fields, 'could not ask for the pod of a sandbox, which is denied until it is known');
  }

  /** What the metrics count, from now on. */
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
