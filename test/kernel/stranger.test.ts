import assert from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import { labCnis } from '../../src/lab/cni-config.ts';
import type { LabCni } from '../../src/lab/cni-config.ts';
import { families } from '../../src/model/address.ts';
import { needMachine } from './cluster.ts';
import { eventually } from './eventually.ts';
import { strangerForgeries } from './frame-forgeries-stranger.ts';
import { newToken } from './ear.ts';
import { FrameLab } from './frame-lab.ts';
import { between, toNode } from './frame-makers.ts';
import { nameLab } from '../support/lab-name.ts';

interface Situation {
  readonly what: string;
  readonly args: readonly string[];
  readonly isShut: boolean;
  /** Its port is known. */
  readonly isTold: boolean;
  /** Before the pod starts. */
  readonly prepare: (frames: FrameLab) => Promise<void>;
}

const situations: readonly Situation[] = [
  {
    what: 'while the API server says nothing of it (S1.14)',
    args: [],
    isShut: true,
    isTold: true,
    prepare: async (frames) => frames.agent.stall(),
  },
  {
    what: 'while there is no agent (S7.5)',
    args: [],
    isShut: true,
    isTold: false,
    prepare: (frames) => frames.agent.stop('SIGKILL'),
  },
  {
    // The same eyes see it pass.
    what: 'without gate and guard',
    args: ['--no-guard', '--no-start-gate'],
    isShut: false,
    isTold: false,
    prepare: (frames) => frames.agent.stop('SIGKILL'),
  },
];

for (const cni of labCnis) {
  for (const { what, args, isShut, isTold, prepare } of situations) {
    describe(`a pod that starts ${what} (kernel, ${cni})`, function () {
      this.timeout(180_000);
      let frames: FrameLab;
      before(async function () {
        await needMachine(this, cni);
        frames = await FrameLab.open(nameLab(`klate${cni}`), cni, args);
        await prepare(frames);
        await frames.startLate(cni);
        if (isTold) await waitUntilGuarded(frames, cni);
      });
      after(() => frames?.close());

      for (const { name, plugins = labCnis, of = families, needsPort = [], to, forge } of strangerForgeries) {
        if (!plugins.includes(cni) || (needsPort.includes(cni) && isShut && !isTold)) continue;
        for (const family of of) {
          it(`${name}, ${family}: ${isShut ? 'dropped' : 'passes'}`, async () => {
            const [forged, honest] = [newToken(), newToken()];
            const right = to === 'node' ? toNode('free') : between('free', to);
            await frames.listen(to);
            await frames.send('late', forge({ frames, family, cni, text: `<${forged}>` }));
            await frames.send('free', right({ frames, family, cni, text: `<${honest}>` }));
            await frames.hears(to, honest);
            if (!isShut) await frames.hears(to, forged);
            assert.equal(frames.heard(to, forged), !isShut);
          });
        }
      }
    });
  }
}

/** The agent has heard of the sandbox. */
async function waitUntilGuarded(frames: FrameLab, cni: LabCni): Promise<void> {
  const { address } = frames.nic('late');
  for (const [family, table, set] of [
    ['ipv4', 'ip', 'if-ips4'],
    ['ipv6', 'ip6', 'if-ips6'],
  ] as const) {
    await eventually(async () => {
      const at = cni === 'bridge' ? 'bridge' : table;
      const owners = await frames.lab.exec('node/n1', 'nft', 'list', 'set', at, 'postern', set);
      return owners.includes(address[family]) ? undefined : owners;
    });
  }
}
