import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'mocha';
import { reportSandboxes } from '../../src/agent/sandbox-watch.ts';
import type { NodeFact } from '../../src/model/cluster.ts';
import type { SandboxWatchOptions } from '../../src/sandboxes/sandboxes.ts';
import { Checks } from '../../src/telemetry/checks.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { createMetrics } from '../../src/telemetry/metrics/all.ts';

describe('reportSandboxes', () => {
  let ready: Checks;
  let log: string[];
  let facts: NodeFact[];
  let listings: number;
  let metrics: ReturnType<typeof createMetrics>;
  let watched: SandboxWatchOptions | undefined;
  let emit: (fact: NodeFact) => void;

  beforeEach(() => {
    ready = new Checks(['sandboxes']);
    [log, facts, listings, watched] = [[], [], 0, undefined];
    metrics = createMetrics('0');
  });

  const start = (directory: string | undefined): Promise<void> =>
    reportSandboxes(
      directory,
      {
        ready,
        metrics: metrics.node,
        logger: createLogger({
          level: 'warn',
          node: 'n1',
          version: '0',
          destination: { write: (line) => log.push(line) },
        }),
        signal: new AbortController().signal,
        tell: (fact) => facts.push(fact),
        listed: () => void listings++,
      },
      async (options, tell) => {
        [watched, emit] = [options, tell];
      },
    );
  const notes = (): (string | undefined)[] => ready.results().map(({ reason, note }) => reason ?? note);
  const metric = async (name: string): Promise<string | undefined> =>
    new RegExp(`^${name} (.*)$`, 'm').exec(await metrics.registry.metrics())?.[1];

  it('is not fine until the first listing is in', async () => {
    await start('/cache');
    assert.deepEqual([notes(), listings], [['not checked yet'], 0]);
    emit({ op: 'ranges', cidrs: ['10.1.0.0/24'] });
    assert.equal(facts.length, 1);
    watched!.observer.listed(3);
    assert.deepEqual(facts.at(-1), { op: 'cache-readable', readable: true });
    assert.deepEqual([notes(), listings, ready.ok], [['from /cache'], 1, true]);
    assert.equal(await metric('postern_sandbox_cache_available'), '1');
  });

  it('is fine without a cache, and says so', async () => {
    await start('/cache');
    watched!.observer.lost('the directory /cache does not exist');
    assert.deepEqual(
      [notes(), listings, ready.ok],
      [['no cache: the directory /cache does not exist: pod addresses come from the API server'], 1, true],
    );
    assert.equal(await metric('postern_sandbox_cache_available'), '0');
    assert.equal(log.length, 1);
    assert.deepEqual(facts, [{ op: 'cache-readable', readable: false }]);
    watched!.observer.listed(0);
    assert.deepEqual(notes(), ['from /cache']);
    watched!.observer.lost('it cannot be read');
    assert.deepEqual(notes(), [
      'no cache: it cannot be read: known sandboxes stay in force, other pod addresses come from the API server',
    ]);
    assert.deepEqual(facts.at(-1), { op: 'cache-readable', readable: false });
  });

  it('does not look where it shall not', async () => {
    await start(undefined);
    assert.deepEqual(
      [watched, notes(), listings],
      [undefined, ['disabled: pod addresses come from the API server'], 1],
    );
  });

  it('tells of files that cannot be used, and of facts that are late', async () => {
    await start('/cache');
    watched!.observer.problem('net-1-eth0', 'is not JSON');
    watched!.observer.degraded('no watches left');
    assert.equal(await metric('postern_sandbox_cache_problems_total'), '1');
    assert.match(log[0]!, /"file":"net-1-eth0","msg":"[^"]*: it is not JSON"/);
    assert.match(log[1]!, /"msg":"no watches left"/);
    assert.deepEqual([notes(), listings], [['not checked yet'], 0]);
  });
});
