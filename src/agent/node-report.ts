import type { Guard } from '../compile/compile.ts';
import type { Sandbox } from '../model/cluster.ts';
import type { Snapshot } from '../model/snapshot.ts';
import type { Pipeline } from '../pipeline.ts';
import type { Checks } from '../telemetry/checks.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { NodeMetrics } from '../telemetry/metrics/node.ts';
import type { PlanSource } from './plan-source.ts';

interface NodeReporterOptions {
  readonly startGate: boolean;
  readonly guard: Guard;
  /** Why it is not on for all devices. */
  readonly unguarded: string | undefined;
  readonly ready: Checks;
  readonly metrics: NodeMetrics;
  readonly logger: Logger;
}

const restoredNote = 'what this node had kept is in force: the API server has not been reached yet';

/** Turns what is known of the node itself into log lines, metrics and readiness. Decides nothing. */
export class NodeReporter {
  readonly #options: NodeReporterOptions;

  constructor(options: NodeReporterOptions) {
    this.#options = options;
    // Without rules it keeps nobody, which is for the rules to say.
    options.ready.note('gate', 'not known yet');
    this.#reportGuard();
  }

  /**
   * @param disputed ranges of the Node that are not gated (`Pipeline.disputedRanges`)
   * @param isRestored it is what this node had kept
   */
  applied({ gatedRanges }: Snapshot, disputed: readonly string[], isRestored: boolean): void {
    const { ready, metrics, logger } = this.#options;
    metrics.restored(isRestored);
    if (!isRestored) ready.report('rules', undefined);
    else if (ready.note('rules', restoredNote)) logger.warn(restoredNote);
    this.#reportGate(gatedRanges, disputed);
  }

  #reportGuard(): void {
    const { guard, unguarded, ready, logger } = this.#options;
    const scope = guard === 'routed' ? 'for routed pods only' : guard ? 'on' : 'off';
    ready.note('guard', unguarded === undefined ? scope : `${scope}: ${unguarded}`);
    if (guard && unguarded !== undefined) logger.warn(`the guard of pods' devices is on ${scope}: ${unguarded}`);
  }

  #reportGate(ranges: readonly string[], disputed: readonly string[]): void {
    const { startGate, ready, logger } = this.#options;
    const doubt = `addresses of pods show that ${disputed.join(', ')} of its Node is not where its pods alone get theirs`;
    const unknown = disputed.length > 0 ? `${doubt}; --pod-cidr says where` : 'no range of this node is known';
    const off = `off: ${startGate ? unknown : '--no-start-gate'}`;
    if (!ready.note('gate', ranges.length > 0 ? ranges.join(', ') : off)) return;
    if (ranges.length > 0) logger.info({ ranges }, 'in these ranges only pods with rules send and receive');
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
    pipeline: Pick<Pipeline, 'unknownSandboxes' | 'unlinked'>,
    source: Pick<PlanSource, 'snapshot' | 'liveSandboxes'>,
  ): void {
    this.#options.metrics.counts(() => ({
      sandboxes: source.liveSandboxes,
      unknownSandboxes: pipeline.unknownSandboxes.length,
      unlinkedPods: pipeline.unlinked.length,
      gatedRanges: source.snapshot.gatedRanges.length,
    }));
  }
}
