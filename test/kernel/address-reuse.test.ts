import { after, before, describe, it } from 'mocha';
import { labCnis } from '../../src/lab/cni-config.ts';
import { AddressTurns } from './address-turns.ts';
import type { Color, Turn } from './address-turns.ts';
import { needMachine } from './cluster.ts';
import { nameLab } from '../support/lab-name.ts';

/** How often the address is handed on, for each plugin. */
const wanted = Number(process.env['REUSES'] ?? 12);
const colorOf = (number: number): Color => (number % 2 === 0 ? 'red' : 'blue');

for (const cni of labCnis) {
  describe(`an address that is handed on (kernel, ${cni})`, function () {
    this.timeout(120_000 + wanted * 4000);
    let turns: AddressTurns;
    before(async function () {
      await needMachine(this, cni);
      turns = await AddressTurns.open(nameLab(`kturn${cni}`), cni);
    });
    after(() => turns?.close());

    let last: Turn | undefined;
    const hand = async (color: Color, name: string): Promise<Turn> => (last = await turns.hand(color, name, last));

    it('at once, under live connections: none is inherited, and none refused that should pass (S5.17, S7.1)', async () => {
      for (let number = 0; number < wanted; number++) {
        // Now and then to a pod of another name: what one has in common with the next is then the address alone.
        const turn = await hand(colorOf(number), number % 4 < 2 ? 'one' : 'other');
        await turns.finish(turn);
      }
    });

    it('while the API server says nothing: to nobody, until it tells whose it is (S1.14)', async () => {
      const agent = turns.lab.agents.get('n1')!;
      for (const number of [0, 1]) {
        await turns.finish(await hand(colorOf(number), 'one'));
        agent.stall();
        const next = await hand(colorOf(number + 1), 'one');
        await turns.assertShut(next);
        agent.unstall();
        await turns.finish(next);
      }
    });

    it('while there is no agent: to nobody, until one knows whose it is (S7.13)', async () => {
      const agent = turns.lab.agents.get('n1')!;
      for (const number of [0, 1]) {
        await turns.finish(await hand(colorOf(number), 'one'));
        await agent.stop('SIGKILL');
        const next = await hand(colorOf(number + 1), 'one');
        await turns.assertShut(next);
        await turns.assertHearsItsNode(next);
        await agent.start();
        await turns.finish(next);
      }
    });

    it('while the pod that had it is still told of, and when its end is told at last (S1.9, S1.11)', async () => {
      for (const number of [0, 1]) {
        const held = await hand(colorOf(number), 'one');
        await turns.finish(held);
        turns.hold(held);
        const next = await hand(colorOf(number + 1), 'other');
        await turns.finish(next);
        turns.letGo(held);
        await turns.lab.settle();
        await turns.assertGoesOn(next);
        await turns.assertOnly(next, next.color);
      }
    });

    it('stays shut with a sandbox that outlives its pod, also beside the next of that name (S1.7, S1.14)', async () => {
      await turns.makeRoom();
      const pod = await hand('red', 'one');
      await turns.finish(pod);
      const { left, remove } = await turns.leaveBehind(pod);
      await turns.finish(left);
      await turns.end(pod, true);
      await turns.lab.settle();
      await turns.assertFallsSilent(left);
      last = undefined;
      const next = await hand('red', 'one');
      await turns.finish(next);
      await turns.assertFallsSilent(left);
      await remove();
      await turns.finish(await hand('blue', 'one'));
    });
  });
}
