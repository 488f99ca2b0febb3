import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { openStateKeeper, type StateKeeper } from '../../src/agent/state-keeper.ts';
import { stateOf } from '../../src/state/saved-state.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { createMetrics } from '../../src/telemetry/metrics/all.ts';
import { fullSnapshot } from '../state/samples.ts';
import { ManualClock } from '../support/manual-clock.ts';

describe('the state keeper', () => {
  let folder: string;
  let log: string[];
  let metrics: ReturnType<typeof createMetrics>;
  let clock: ManualClock;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postern-test-'));
    log = [];
    metrics = createMetrics('0');
    clock = new ManualClock();
  });
  afterEach(() => rm(folder, { recursive: true }));

  const open = (directory: string | undefined): Promise<StateKeeper> =>
    openStateKeeper({
      directory,
      node: 'n1',
      snapshot: () => fullSnapshot,
      clock,
      metrics: metrics.node,
      logger: createLogger({
        level: 'info',
        node: 'n1',
        version: '0',
        destination: { write: (line) => log.push(line) },
      }),
    });
  const messages = (): string[] => log.splice(0).map((line) => (JSON.parse(line) as { msg: string }).msg);
  const writes = async (): Promise<string[]> =>
    (await metrics.registry.metrics()).match(/^postern_state_writes_total.*$/gm) ?? [];

  it('has at the next start what was kept', async () => {
    const first = await open(folder);
    assert.equal(first.saved, undefined);
    first.changed();
    await first.finish();
    assert.deepEqual(await writes(), ['postern_state_writes_total{result="written"} 1']);
    assert.deepEqual((await open(folder)).saved, stateOf(fullSnapshot));
    assert.deepEqual(messages(), ['read what this node had kept']);
  });

  it('says of what was kept that it cannot be used', async () => {
    await writeFile(join(folder, 'state.json'), 'nonsense');
    assert.equal((await open(folder)).saved, undefined);
    assert.match(messages().join(), /state\.json is not used, for /);
  });

  it('warns of a disk that fails, once, and says when it is mended', async () => {
    const blocker = join(folder, 'file');
    await writeFile(blocker, '');
    const keeper = await open(join(blocker, 'state'));
    messages();
    keeper.changed();
    await keeper.finish();
    keeper.changed();
    await keeper.finish();
    assert.deepEqual(messages(), ['could not keep the state of this node']);
    await rm(blocker);
    await keeper.finish();
    assert.deepEqual(messages(), ['the state of this node is kept again']);
    assert.equal((await writes())[0]?.startsWith('postern_state_writes_total{result="failed"}'), true);
  });

  it('keeps nothing where it has no directory', async () => {
    const keeper = await open(undefined);
    keeper.changed();
    await keeper.finish();
    assert.deepEqual([keeper.saved, log, await writes(), clock.pending], [undefined, [], [], 0]);
  });
});
