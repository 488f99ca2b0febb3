import { ConfigError } from '../../config/config-error.ts';
import { exitCode } from '../exit-code.ts';
import type { ClusterSource } from '../explain/cluster-source.ts';
import { connectionsOf, type Connection } from './connections.ts';
import { Ends } from './ends.ts';
import type { PolicyTest } from './format.ts';
import { judgeTest, type Sight, type TestResult } from './judge.ts';
import { countOf, type By, type Report } from './render.ts';

/** Where expectations are checked. */
export interface TestPlace {
  readonly by: By;
  readonly source: ClusterSource;
  /** Limit of connections of a run. */
  readonly most: number;
  /** Sends packets for all connections; missing if the policies alone decide. */
  readonly look?: (connections: readonly Connection[]) => Promise<(connection: Connection) => Sight>;
}

/** Checks every expectation. One that is invalid or selects nothing is an error of its own, and the others are checked. */
export async function checkTests(
  { by, source, most, look }: TestPlace,
  tests: readonly PolicyTest[],
): Promise<Report & { readonly notes: readonly string[] }> {
  const ends = new Ends(source);
  let left = most;
  const asked = tests.map((test): { test: PolicyTest; connections: readonly Connection[] } | TestResult => {
    try {
      const connections = connectionsOf(source, ends, test, left);
      left -= connections.length;
      // Without packets nothing needs the connections of all expectations at once.
      return look ? { test, connections } : judgeTest(source.cluster, test, connections);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      return { test, status: 'error', message: error.message, connections: 0, untried: 0, failed: 0, failures: [] };
    }
  });
  const sightOf = await look?.(asked.flatMap((each) => ('status' in each ? [] : each.connections)));
  const results = asked.map((each) =>
    'status' in each ? each : judgeTest(source.cluster, each.test, each.connections, sightOf),
  );
  return { by, results, notes: source.notes };
}

/** An expectation that cannot be checked counts more than one that does not hold. A run that could show nothing is no success. */
export function exitCodeOf(results: readonly TestResult[]): number {
  if (countOf(results, 'error') > 0 || countOf(results, 'skipped') === results.length) return exitCode.usage;
  return countOf(results, 'failed') > 0 ? exitCode.finding : exitCode.fine;
}
