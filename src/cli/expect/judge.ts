import { evaluate } from '../../evaluator/evaluator.ts';
import type { Decision, Verdict } from '../../evaluator/decision.ts';
import type { Family } from '../../model/address.ts';
import type { Cluster } from '../../evaluator/cluster.ts';
import { formatTraffic } from '../explain/port-argument.ts';
import { reasonsOf } from '../probe/reasons.ts';
import { judge as compare } from '../probe/report.ts';
import type { Attempt, SocketProtocol } from '../connect/attempt.ts';
import type { Connection } from './connections.ts';
import type { PolicyTest } from './format.ts';

/** What packets showed of a connection, or why none was sent. */
export type Sight =
  /** `protocol`: UDP if a silent end proves nothing. */
  | { readonly attempt: Attempt; readonly protocol: SocketProtocol }
  | { readonly untried: string }
  | { readonly error: string };

/** Connections of an expectation that do not hold, in one line: they differ in the family only. */
export interface Failure {
  readonly from: string;
  readonly to: string;
  /** `TCP/80` */
  readonly port: string;
  readonly families: readonly Family[];
  /** What the policies say. */
  readonly policies: Verdict;
  /** What packets did; missing without packets. */
  readonly observed?: string;
  /** Why the policies say so. */
  readonly reasons: readonly string[];
  /** Why packets do not show what is expected, although the policies say it. */
  readonly meaning?: string;
}

export interface TestResult {
  readonly test: PolicyTest;
  /** `skipped`: the policies say what is expected, and no packet could show it. `error`: the expectation could not be checked. */
  readonly status: 'passed' | 'failed' | 'skipped' | 'error';
  /** Of an error, or why it was skipped. */
  readonly message?: string;
  readonly connections: number;
  /** Connections that no packet could show, of a run with packets. */
  readonly untried: number;
  /** All of them. */
  readonly failed: number;
  /** The first of them. */
  readonly failures: readonly Failure[];
}

/** Limit of failures of one expectation in a report. */
const mostFailures = 50;

export function decide(cluster: Cluster, { from, to, family, traffic }: Connection): Decision {
  const ends = { source: from.endpoints.get(family)!, destination: to.endpoints.get(family)! };
  return evaluate(cluster, { ...ends, ...traffic, family });
}

/**
 * Compares an expectation with the policies, and with packets if there are any. A connection holds if the policies say what is expected, and packets do what the
 * policies say. An expectation holds if each of its connections does.
 * @param sightOf what packets showed; missing in a run without packets
 */
export function judgeTest(
  cluster: Cluster,
  test: PolicyTest,
  connections: readonly Connection[],
  sightOf?: (connection: Connection) => Sight,
): TestResult {
  const failures = new Map<string, Failure>();
  let [failed, untried] = [0, 0];
  let why: string | undefined;
  let error: string | undefined;
  for (const connection of connections) {
    const decision = decide(cluster, connection);
    const sight = sightOf?.(connection);
    if (sight && 'error' in sight) error ??= sight.error;
    if (sight && 'untried' in sight) {
      untried++;
      why ??= sight.untried;
    }
    const failure = findFailure(test, connection, decision, sight);
    if (!failure) continue;
    failed++;
    const key = JSON.stringify({ ...failure, families: [] });
    const same = failures.get(key);
    if (same) failures.set(key, { ...same, families: [...same.families, ...failure.families] });
    else if (failures.size < mostFailures) failures.set(key, failure);
  }
  const isUnseen = sightOf !== undefined && untried === connections.length;
  const message = error ?? (untried > 0 ? why : undefined);
  return {
    test,
    status: error !== undefined ? 'error' : failed > 0 ? 'failed' : isUnseen ? 'skipped' : 'passed',
    ...(message !== undefined && { message }),
    connections: connections.length,
    untried,
    failed,
    failures: [...failures.values()],
  };
}

/** Why a connection does not hold; `undefined` if it does, also if packets could not show it. */
function findFailure(
  { expect }: PolicyTest,
  { from, to, family, traffic }: Connection,
  decision: Decision,
  sight: Sight | undefined,
): Failure | undefined {
  const { verdict } = decision;
  const seen =
    sight && 'attempt' in sight
      ? compare({ verdict, reasons: [], nodes: [] }, sight.attempt, sight.protocol)
      : undefined;
  if (verdict === expect && (!seen || seen.agreement === 'agrees')) return undefined;
  return {
    from: from.name,
    to: to.name,
    port: formatTraffic(traffic),
    families: [family],
    policies: verdict,
    ...(seen && { observed: seen.attempt.outcome }),
    reasons: reasonsOf(decision, from.name, to.name),
    ...(seen?.meaning !== undefined && { meaning: seen.meaning }),
  };
}
