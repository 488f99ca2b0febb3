import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
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
  let steps: string[];
  let saved: number[];
  let metrics: ReturnType<typeof createMetrics>;
  let clock: ManualClock;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postern-test-'));
    log = [];
    steps = [];
    saved = [];
    metrics = createMetrics('0');
    clock = new ManualClock();
  });
  afterEach(() => rm(folder, { recursive: true }));

  const open = (directory: string | undefined): StateKeeper =>
    openStateKeeper({
      directory,
      node: 'n1',
      snapshot: () => {
        steps.push('write');
        return fullSnapshot;
      },
      saved: (revision) => saved.push(revision),
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
    const first = open(folder);
    assert.equal(await first.read(), undefined);
    first.changed();
    await first.finish();
    assert.deepEqual(saved, [fullSnapshot.revision]);
    assert.deepEqual(await writes(), ['postern_state_writes_total{result="written"} 1']);
    assert.deepEqual(await open(folder).read(), stateOf(fullSnapshot));
    assert.deepEqual(messages(), ['read the saved state of this node']);
  });

  it('says of what was kept that it cannot be used', async () => {
    await writeFile(join(folder, 'state.json'), 'nonsense');
    assert.equal(await open(folder).read(), undefined);
    assert.match(messages().join(), /state\.json is not used: /);
  });

  it('keeps nothing before what cannot be used has been put aside', async () => {
    await writeFile(join(folder, 'state.json'), 'nonsense');
    const keeper = open(folder);
    const reading = keeper.read();
    const noted = reading.then(() => steps.push('read'));
    keeper.changed();
    await keeper.finish();
    await noted;
    assert.deepEqual([await reading, steps], [undefined, ['read', 'write']]);
    assert.equal(await readFile(join(folder, 'state.json.rejected'), 'utf8'), 'nonsense');
    assert.deepEqual(await open(folder).read(), stateOf(fullSnapshot));
  });

  it('keeps a change, and those of the next second together', async () => {
    const keeper = open(folder);
    keeper.changed();
    keeper.changed();
    await keeper.finish();
    assert.deepEqual(steps, ['write', 'write']);
    assert.deepEqual(await writes(), ['postern_state_writes_total{result="written"} 1']);
    assert.deepEqual(await open(folder).read(), stateOf(fullSnapshot));
  });

  it('warns of a disk that fails, once, and says when it is mended', async () => {
    const blocker = join(folder, 'file');
    await writeFile(blocker, '');
    const keeper = open(join(blocker, 'state'));
    messages();
    keeper.changed();
    await keeper.finish();
    keeper.changed();
    await keeper.finish();
    assert.deepEqual(messages(), ['could not save the state of this node']);
    await rm(blocker);
    await keeper.finish();
    assert.deepEqual(messages(), ['saved the state of this node again']);
    assert.equal((await writes())[0]?.startsWith('postern_state_writes_total{result="failed"}'), true);
  });

  it('keeps nothing where it has no directory', async () => {
    const keeper = open(undefined);
    keeper.changed();
    await keeper.finish();
    assert.deepEqual([await keeper.read(), log, await writes(), clock.pending], [undefined, [], [], 0]);
  });
});
