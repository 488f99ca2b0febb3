import assert from 'node:assert/strict';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { after, before, describe, it } from 'mocha';
import { labCnis } from '../../src/lab/cni-config.ts';
import { runInNamespace } from '../../src/lab/network-namespace.ts';
import { tableFamilies, unsavedTable } from '../../src/nftables/ruleset.ts';
import { readMetric } from './agent-pages.ts';
import { needMachine } from './cluster.ts';
import { eventually } from './eventually.ts';
import { PodStarts } from './pod-starts.ts';
import { policy } from './policies.ts';
import { nameLab } from '../support/lab-name.ts';

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

for (const cni of labCnis) {
  describe(`a node that boots while there is no API server (kernel, ${cni})`, function () {
    this.timeout(180_000);
    let starts: PodStarts;
    let args: readonly string[];
    let known: string[];
    before(async function () {
      await needMachine(this, cni);
      starts = await PodStarts.open(nameLab(`kboot${cni}`), cni);
      const directory = join(starts.lab.state.nodeDirectory('n1'), 'kept');
      args = ['--state-dir', directory];
      await starts.agent.stop();
      await starts.startAgent(args);
      known = starts.create(3);
      await starts.finish(known);
      await waitUntilKept(starts, directory, known);
    });
    after(() => starts?.close());

    it('is as it was for the pods that it knew, and shut for all others (S7.15, S1.14)', async () => {
      await lose(starts);
      await startAlone(starts, args);
      await eventually(async () =>
        (await readMetric(starts.lab, 'n1', 'postern_state_restored')) === 1 ? undefined : 'nothing is restored',
      );
      await starts.resume();
      await assertKnownOnly(starts, known);
    });

    it('with the boot unit is shut before its agent is there, and then never open', async () => {
      await lose(starts);
      await loadBootUnit(starts);
      await starts.resume();
      await starts.assertFallSilent(known);
      await startAlone(starts, args);
      await assertKnownOnly(starts, known);
    });

    it('is open where nothing was kept and nothing loaded: the same eyes see it', async () => {
      await lose(starts);
      await startAlone(starts, []);
      await starts.resume();
      await eventually(async () => ((await starts.findForbidden(known)).length > 0 ? undefined : 'nothing forbidden'));
    });
  });
}

describe('an agent that restarts without the API server after its disk has failed (kernel)', function () {
  this.timeout(180_000);
  let starts: PodStarts;
  let args: readonly string[];
  let known: string[];
  let directory: string;
  before(async function () {
    await needMachine(this, 'bridge');
    starts = await PodStarts.open(nameLab('kunsaved'), 'bridge');
    directory = join(starts.lab.state.nodeDirectory('n1'), 'kept');
    args = ['--state-dir', directory];
    await starts.agent.stop();
    await starts.startAgent(args);
    known = starts.create(2);
    await starts.finish(known);
    await waitUntilKept(starts, directory, known);
  });
  after(() => starts?.close());

  it('leaves the newer rules in force; without the mark, it would open what they deny (S7.12)', async () => {
    await breakSaves(starts, directory);
    starts.lab.store.update('networkpolicies', policy('x', 'friends-only', { ingress: [], egress: [] }));
    await starts.assertFallSilent(known);
    await starts.agent.stop('SIGKILL');
    await startAlone(starts, args);
    await eventually(async () =>
      (await starts.agent.log()).includes('is older than the rules in the kernel') ? undefined : 'no word of the state',
    );
    await starts.assertFallSilent(known);
    assert.equal(await readMetric(starts.lab, 'n1', 'postern_state_restored'), 0);

    await starts.agent.stop('SIGKILL');
    await starts.lab.exec('node/n1', 'nft', 'delete', 'table', 'ip', unsavedTable);
    await startAlone(starts, args);
    for (const key of known) await starts.assertGoesOn(key);
  });
});

/** The agent cannot replace its temporary file by a new one. */
async function breakSaves(starts: PodStarts, directory: string): Promise<void> {
  const isSaved = async (): Promise<boolean> => {
    const tables = await starts.lab.exec('node/n1', 'nft', 'list', 'tables');
    return !tables.includes(unsavedTable);
  };
  await eventually(async () => ((await isSaved()) ? undefined : `not saved: ${await starts.agent.log()}`), 60);
  await mkdir(join(directory, 'state.json.tmp'));
}

/** What a node loses that boots; its sandboxes are there, and in the runtime's notes. Nobody sends until `resume`. */
async function lose(starts: PodStarts): Promise<void> {
  await starts.agent.stop('SIGKILL');
  await starts.quieten();
  const commands = [
    ...tableFamilies.map((family) => ['nft', 'destroy', 'table', family, 'postern'] as const),
    ['nft', 'destroy', 'table', 'ip', unsavedTable],
    ['conntrack', '-F'],
  ] as const;
  for (const [file, ...args] of commands) await starts.lab.exec('node/n1', file, ...args);
}

/** An agent that cannot reach the API server. */
async function startAlone(starts: PodStarts, args: readonly string[]): Promise<void> {
  await starts.startAgent(args);
  // Which it comes to ask much later.
  await starts.agent.disconnect();
}

/** Also of pods that start now; and when the API server is back, all is right. */
async function assertKnownOnly(starts: PodStarts, known: readonly string[]): Promise<void> {
  for (const key of known) await starts.assertGoesOn(key);
  const unknown = starts.create(3);
  await starts.flood(unknown);
  await starts.assertShut(unknown);
  assert.deepEqual(await starts.findForbidden([...known, ...unknown]), []);
  starts.agent.reconnect();
  await starts.finish(unknown);
  for (const key of known) await starts.assertGoesOn(key);
  assert.deepEqual(await starts.findForbidden([...known, ...unknown]), []);
  await starts.remove(unknown);
}

async function waitUntilKept(starts: PodStarts, directory: string, keys: readonly string[]): Promise<void> {
  const uids = keys.map((key) => {
    const [namespace, name] = key.split('/') as [string, string];
    return starts.lab.store.get('pods', { namespace, name }).metadata.uid!;
  });
  await eventually(async () => {
    const text = await readFile(join(directory, 'state.json'), 'utf8').catch(() => '');
    const missing = uids.filter((uid) => !text.includes(uid));
    return missing.length === 0 ? undefined : `${missing.length} pods are not kept`;
  });
}

/** What systemd would hand to nft. */
async function loadBootUnit({ lab }: PodStarts): Promise<void> {
  const ranges = lab.plan.nodes[0]!.podCidrs.join();
  const { stdout } = await execa(process.execPath, [main, 'boot-unit', '--pod-cidr', ranges]);
  const lines = stdout.split('\n').flatMap((line) => /^StandardInputText=(.*)$/.exec(line)?.[1] ?? []);
  await runInNamespace(lab.names.node('n1'), 'nft', ['-f', '-'], { input: `${lines.join('\n')}\n` });
}
