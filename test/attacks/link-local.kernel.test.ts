import { after, before, describe, it } from 'mocha';
import { needMachine } from '../kernel/cluster.ts';
import { AttackLab } from './attack-lab.ts';
import { carryOut } from './on-each-lab.ts';
import { fairly, newPort, say } from './steps.ts';

/** S1.16, where an operator has turned the guard off: what is left of it must hold, for link-local addresses belong to no policy. */
describe('attack: link-local addresses without the guard (kernel, bridge)', function () {
  this.timeout(60_000);
  let attacks: AttackLab;
  before(async function () {
    await needMachine(this, 'bridge');
    attacks = await AttackLab.open({ name: 'attnoguard', cni: 'bridge', agents: { args: ['--no-guard'] } });
  });
  after(() => attacks?.close());

  for (const [from, to] of [
    ['evil/free', 'bank/shut'],
    ['evil/caged', 'bank/open'],
    ['evil/caged', 'bank/shut'],
  ] as const) {
    it(`${from} does not reach ${to} at its link-local address`, async () => {
      const attack = {
        name: '',
        ear: to,
        attempt: async ({ text }: { text: string }) => {
          const goal = `${attacks.nic(to).linkLocal}%eth0`;
          await attacks.act(from, 'plain', [say(newPort(), goal, 5353, text), say(newPort(), goal, 7001, text)]);
        },
        honest: fairly(from, to),
      };
      await carryOut(attack, { attacks, family: 'ipv6', cni: 'bridge' }, false);
    });
  }

  it('two pods that no policy selects reach each other there', async () => {
    const attack = {
      name: '',
      ear: 'bank/open' as const,
      attempt: async ({ text }: { text: string }) => {
        const goal = `${attacks.nic('bank/open').linkLocal}%eth0`;
        await attacks.act('evil/free', 'plain', [say(newPort(), goal, 5353, text)]);
      },
      honest: fairly('evil/free', 'bank/open'),
    };
    await carryOut(attack, { attacks, family: 'ipv6', cni: 'bridge' }, true);
  });
});
