import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { InstalledPlugin } from '../../../src/agent/cni/keep-installed.ts';
import { pluginEntry, pluginType } from '../../../src/cni/plugin-entry.ts';
import { Checks } from '../../../src/telemetry/checks.ts';
import { createLogger } from '../../../src/telemetry/logger.ts';
import { createMetrics } from '../../../src/telemetry/metrics/all.ts';
import { until } from '../../lab/until.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const list = '{"cniVersion":"1.0.0","name":"a","plugins":[{"type":"ptp"}]}';
const entry = pluginEntry({ socket: '/run/postern/cni.sock', failurePolicy: 'Ignore', timeoutSeconds: 10 });

describe('the agent that keeps the CNI plugin installed', function () {
  this.timeout(180_000);
  let directory: string;
  let clock: ManualClock;
  let ready: Checks;
  let metrics: ReturnType<typeof createMetrics>;
  let log: string[];
  let notEnforcing: string | undefined;
  let installed: InstalledPlugin;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'postern-cni-'));
    for (const name of ['net.d', 'bin']) await mkdir(join(directory, name));
    await writeFile(join(directory, 'program'), 'program');
    await write(list);
    [clock, ready, metrics, log] = [new ManualClock(), new Checks(['cni']), createMetrics('0'), []];
    notEnforcing = 'not yet';
    const destination = { write: (line: string) => log.push((JSON.parse(line) as { msg: string }).msg) };
    installed = new InstalledPlugin({
      directories: { conf: join(directory, 'net.d'), bin: join(directory, 'bin'), program: join(directory, 'program') },
      entry,
      notEnforcing: () => notEnforcing,
      ready,
      metrics: metrics.cni,
      logger: createLogger({ level: 'info', node: 'n1', version: '0', destination }),
      clock,
    });
  });
  afterEach(async () => {
    await installed.close(false);
    await rm(directory, { recursive: true, force: true });
  });

  const path = (): string => join(directory, 'net.d', '10-a.conflist');
  /** As Calico's installer does: whole. */
  const write = async (text: string): Promise<void> => {
    await writeFile(join(directory, 'net.d', 'calico.tmp'), text);
    await rename(join(directory, 'net.d', 'calico.tmp'), path());
  };
  const isThere = async (): Promise<boolean> => (await readFile(path(), 'utf8')).includes(pluginType);
  const untilThere = (): Promise<void> => until(async () => isThere());
  const metric = async (name: string): Promise<string | undefined> =>
    new RegExp(`^postern_cni_${name} (.*)$`, 'm').exec(await metrics.registry.metrics())?.[1];
  const install = async (): Promise<void> => {
    notEnforcing = undefined;
    installed.look();
    await untilThere();
    await until(() => log.includes('installed the CNI plugin'));
  };

  it('installs it only when it can answer it', async () => {
    await until(() => clock.pending > 0);
    assert.equal(await isThere(), false);
    notEnforcing = undefined;
    clock.advance(500);
    await untilThere();
    assert.equal(await readFile(join(directory, 'bin', pluginType), 'utf8'), 'program');
    await until(async () => (await metric('installed')) === '1');
    assert.deepEqual(ready.results(), [{ name: 'cni', note: 'in 10-a.conflist' }]);
    assert.equal(await metric('restorations_total'), '0');
  });

  it('puts it back when another program rewrites the file, and counts that', async () => {
    await install();
    for (const time of ['1', '2']) {
      await write(list);
      await untilThere();
      await until(async () => (await metric('restorations_total')) === time);
    }
    await rm(join(directory, 'bin', pluginType));
    clock.advance(10_000);
    await until(async () => (await metric('restorations_total')) === '3');
  });

  it('does not fight without end', async () => {
    await install();
    for (let time = 1; time <= 5; time++) {
      await write(list);
      await until(async () => (await metric('restorations_total')) === String(time));
    }
    await write(list);
    installed.look();
    await until(() => clock.pending > 0);
    assert.equal(await isThere(), false);
    await until(() => {
      clock.advance(10_000);
      return isThere();
    });
    assert.ok(clock.now() >= 60_000);
  });

  it('says why it cannot install it, once', async () => {
    await write('no JSON');
    notEnforcing = undefined;
    installed.look();
    await until(() => ready.results()[0]!.note!.includes('not a JSON object'));
    installed.look();
    await until(() => clock.pending > 0);
    assert.deepEqual(log, ['could not install the CNI plugin']);
    assert.equal(await metric('installed'), '0');
    await write(list);
    await untilThere();
  });

  it('takes it out when it leaves, and leaves the program for pods that were started with it', async () => {
    await install();
    await installed.close(true);
    assert.equal(await readFile(path(), 'utf8'), list);
    assert.equal(await readFile(join(directory, 'bin', pluginType), 'utf8'), 'program');
  });
});
