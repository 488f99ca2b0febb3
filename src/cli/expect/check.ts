import { ConfigError } from '../../config/config-error.ts';
import { plural } from '../../lib/plural.ts';
import { exitCode } from '../exit-code.ts';
import type { ClusterSource } from '../explain/cluster-source.ts';
import { connectionsOf, type Connection, type Subject } from './connections.ts';
import { Ends } from './ends.ts';
import type { PolicyTest } from './format.ts';
import { judgeTest, type Sight, type TestResult } from './judge.ts';
import { countOf, titleOf, type By, type Report } from './render.ts';

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
  const notes: string[] = [];
  let left = most;
  const asked = tests.map((test): Asked | TestResult => {
    try {
      const subject = connectionsOf(source, ends, test, left);
      const { connections, unaddressed } = subject;
      left -= connections.length;
      notes.push(...subject.notes.map((note) => `${titleOf(test)}: ${note}`));
      // Without packets nothing needs the connections of all expectations at once.
      return look ? { test, ...subject } : withUnaddressed(judgeTest(source.cluster, test, connections), unaddressed);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      return { test, status: 'error', message: error.message, connections: 0, untried: 0, failed: 0, failures: [] };
    }
  });
  const sightOf = await look?.(asked.flatMap((each) => ('status' in each ? [] : each.connections)));
  const results = asked.map((each) =>
    'status' in each
      ? each
      : withUnaddressed(judgeTest(source.cluster, each.test, each.connections, sightOf), each.unaddressed),
  );
  return { by, results, notes: [...source.notes, ...notes] };
}

interface Asked extends Subject {
  readonly test: PolicyTest;
}

/** Pods in a message. */
const mostNamed = 3;

/** An expectation must hold for every pod, so one that was not checked leaves it open. What does not hold already stays so. */
function withUnaddressed(result: TestResult, pods: readonly string[]): TestResult {
  if (pods.length === 0 || result.status === 'failed' || result.status === 'error') return result;
  const named =
    pods.slice(0, mostNamed).join(', ') + (pods.length > mostNamed ? ` and ${pods.length - mostNamed} more` : '');
  const were = pods.length === 1 ? 'was' : 'were';
  return {
    ...result,
    status: 'error',
    message: `${plural(pods.length, 'pod')} without an address ${were} not checked: ${named}`,
  };
}

/** An expectation that cannot be checked counts more than one that does not hold. A run that could show nothing is no success. */
export function exitCodeOf(results: readonly TestResult[]): number {
  if (countOf(results, 'error') > 0 || countOf(results, 'skipped') === results.length) return exitCode.usage;
  return countOf(results, 'failed') > 0 ? exitCode.finding : exitCode.fine;
}
