import assert from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import { labCnis } from '../../src/lab/cni-config.ts';
import { families } from '../../src/model/address.ts';
import type { Family } from '../../src/model/address.ts';
import { needMachine } from './cluster.ts';
import { newToken } from './ear.ts';
import { FrameLab } from './frame-lab.ts';
import { controls } from './frame-controls.ts';
import { forgeries } from './frame-forgeries.ts';
import { nameLab } from '../support/lab-name.ts';

/** The gate alone would stop who takes the node's address on the bridge: it is in the range, and no pod's. */
const open = ['--no-guard', '--no-start-gate'];

for (const cni of labCnis) {
  for (const isGuarded of [true, false]) {
    describe(`a pod that forges, ${isGuarded ? 'guarded' : 'without the guard'} (kernel, ${cni})`, function () {
      this.timeout(180_000);
      let frames: FrameLab;
      before(async function () {
        await needMachine(this, cni);
        frames = await FrameLab.open(nameLab(`kspoof${cni}${isGuarded ? '' : 'off'}`), cni, isGuarded ? [] : open);
      });
      after(() => frames?.close());

      const title = (name: string, family: Family): string => `${name}, ${family}`;
      for (const { name, plugins = labCnis, of = families, from, to, forge, right } of forgeries) {
        if (!plugins.includes(cni)) continue;
        for (const family of of) {
          // The same eyes see it pass where nobody guards.
          it(`${title(name, family)}: ${isGuarded ? 'dropped' : 'passes'}`, async () => {
            const [forged, honest] = [newToken(), newToken()];
            const scene = { frames, family, cni };
            const sent = [forge({ ...scene, text: `<${forged}>` }), right({ ...scene, text: `<${honest}>` })];
            await frames.listen(to);
            await frames.send(from, ...sent);
            await frames.hears(to, honest);
            if (!isGuarded) await frames.hears(to, forged);
            assert.equal(frames.heard(to, forged), !isGuarded);
          });
        }
      }

      it('finds its neighbours, from nothing', async () => {
        for (const key of ['x/free', 'node/n1']) await frames.lab.exec(key, 'ip', 'neighbour', 'flush', 'all');
        const targets = families.flatMap((family) =>
          (['victim', 'far'] as const).map((name) => frames.nic(name).address[family]),
        );
        const probes = targets.map((address) => ({ protocol: 'icmp' as const, address, port: 0 }));
        const answers = await frames.lab.station('x/free').process.probe(probes, { tries: 6, deadlineMs: 6000 });
        assert.deepEqual(
          answers.map(({ identity }) => identity),
          targets,
        );
      });

      for (const { name, plugins = labCnis, of = families, from, to, make } of controls) {
        if (!plugins.includes(cni)) continue;
        for (const family of of) {
          it(`${title(name, family)}: passes`, async () => {
            const token = newToken();
            await frames.listen(to);
            await frames.send(from, make({ frames, family, cni, text: `<${token}>` }));
            await frames.hears(to, token);
          });
        }
      }
    });
  }
}
