import assert from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import { labCnis } from '../../src/lab/cni-config.ts';
import { needMachine } from './cluster.ts';
import { PodStarts } from './pod-starts.ts';
import type { Start } from './pod-starts.ts';
import { nameLab } from '../support/lab-name.ts';

/** How many pods are started for each plugin; with the variable, times are printed. */
const asked = process.env['POD_STARTS'];
const wanted = Number(asked ?? 24);
/** How many of them at once: it decides about the times, on a small machine above all. */
const wave = Number(process.env['POD_STARTS_AT_ONCE'] ?? 8);

for (const cni of labCnis) {
  describe(`a pod that starts (kernel, ${cni})`, function () {
    this.timeout(120_000 + wanted * 2000);
    let starts: PodStarts;
    before(async function () {
      await needMachine(this, cni);
      starts = await PodStarts.open(nameLab(`kstart${cni}`), cni);
    });
    after(() => starts?.close());

    it('floods from its first instruction, and nothing forbidden ever passes (S7.5)', async () => {
      printTimes(`${cni}, with the gate`, await startAll(starts, wanted));
    });

    it('is shut while the API server says nothing, and right as soon as it does (S1.14, S7.7)', async () => {
      starts.agent.stall();
      const keys = starts.create(4);
      await starts.flood(keys);
      await starts.assertShut(keys);
      starts.agent.unstall();
      await endRight(starts, keys);
    });

    it('is never open while the agent restarts (S7.14)', async () => {
      for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
        const keys = starts.create(4);
        await starts.agent.stop(signal);
        await starts.startAgent();
        keys.push(...starts.create(4));
        await endRight(starts, keys);
      }
    });

    it('is shut while there is no agent, and others go on as before (S7.13)', async () => {
      const standing = starts.create(1);
      await starts.finish(standing);
      await starts.agent.stop('SIGKILL');
      const keys = starts.create(4);
      await starts.flood(keys);
      await starts.assertShut(keys);
      await starts.assertGoesOn(standing[0]!);
      await starts.startAgent();
      await endRight(starts, [...standing, ...keys]);
    });
  });

  /** The same eyes see what passes where nothing shuts a pod out that nobody knows yet. */
  describe(`a pod that starts without the gate (kernel, ${cni})`, function () {
    this.timeout(120_000 + wanted * 2000);
    let starts: PodStarts;
    before(async function () {
      await needMachine(this, cni);
      starts = await PodStarts.open(nameLab(`kopen${cni}`), cni, ['--no-start-gate']);
    });
    after(() => starts?.close());

    it('is open for a moment (S7.6)', async () => {
      const keys = starts.create(wave);
      await starts.finish(keys);
      assert.ok((await starts.findForbidden(keys)).length > 0);
      await starts.remove(keys);
      if (asked !== undefined) printTimes(`${cni}, without`, await startAll(starts, wanted, true));
    });

    it('is open while there is no agent', async () => {
      await starts.agent.stop('SIGKILL');
      const keys = starts.create(4);
      await starts.flood(keys);
      const found = (await starts.findForbidden(keys)).join('\n');
      for (const key of keys)
        assert.ok(found.includes(`${key} → `) && found.includes(` → ${key}`), `${key} in:\n${found}`);
    });
  });
}

/** Wave after wave, so that addresses are given again. */
async function startAll(starts: PodStarts, count: number, isOpen = false): Promise<Start[]> {
  const started: Start[] = [];
  while (started.length < count) {
    const keys = starts.create(Math.min(wave, count - started.length));
    started.push(...(await endRight(starts, keys, isOpen)));
  }
  return started;
}

async function endRight(starts: PodStarts, keys: readonly string[], isOpen = false): Promise<Start[]> {
  const started = await starts.finish(keys);
  if (!isOpen) assert.deepEqual(await starts.findForbidden(keys), []);
  await starts.remove(keys);
  return started;
}

function printTimes(what: string, started: readonly Start[]): void {
  if (asked === undefined) return;
  const times = started.map(({ milliseconds }) => milliseconds).sort((one, other) => one - other);
  const at = (part: number): string => times[Math.ceil(part * times.length) - 1]!.toFixed(0);
  process.stdout.write(
    `${what}: ${times.length} starts, ADD to the first packet: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms\n`,
  );
}
