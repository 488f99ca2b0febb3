import assert from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import { readMetric } from '../kernel/agent-pages.ts';
import { needMachine } from '../kernel/cluster.ts';
import { eventually } from '../kernel/eventually.ts';
import { AttackLab } from './attack-lab.ts';
import { linkLocalAttacks } from './link-local-attacks.ts';
import { carryOut, declareAttacks } from './on-each-lab.ts';
import { fairly, newPort, say } from './steps.ts';
import { nameLab } from '../support/lab-name.ts';

declareAttacks('link-local addresses of isolated pods', linkLocalAttacks);

/** S1.16, where an operator has turned the guard off: nothing tells which pod has a link-local address, so that policies do not hold there is reported. */
describe('attack: link-local addresses without the guard (kernel, bridge)', function () {
  this.timeout(180_000);
  let attacks: AttackLab;
  before(async function () {
    await needMachine(this, 'bridge');
    attacks = await AttackLab.open({ name: nameLab('attnoguard'), cni: 'bridge', agents: { args: ['--no-guard'] } });
  });
  after(() => attacks?.close());

  it('reaches isolated pods, and an Event on each and a metric say that it does', async () => {
    const isolated = ['shut', 'caged'];
    const events = (): string[] =>
      attacks.lab.store.list('events').items.flatMap((event) => {
        const { involvedObject, message } = event as unknown as { involvedObject: { name: string }; message: string };
        return message.includes('fe80::/10') ? [involvedObject.name] : [];
      });
    await eventually(async () => {
      const missing = isolated.filter((name) => !events().includes(name));
      return missing.length === 0 ? undefined : `no Event on ${missing.join()}`;
    });
    assert.deepEqual(events().sort(), [...new Set(events())].sort(), 'each once');
    assert.equal(events().includes('open'), false);
    const metric = 'postern_issues{code="not-guarded",effect="not-enforced"}';
    assert.ok(((await readMetric(attacks.lab, 'n1', metric)) ?? 0) >= isolated.length);
  });

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
