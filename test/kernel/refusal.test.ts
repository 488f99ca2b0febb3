import assert from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import { readMetric } from './agent-pages.ts';
import { Cluster, needMachine } from './cluster.ts';
import { eventually } from './eventually.ts';
import { NftShim } from './nft-shim.ts';
import { block, pods, policy, port } from './policies.ts';
import { nameLab } from '../support/lab-name.ts';

const poison = '10.66.6.6';
const peer = (name: string) => pods({ pod: name }, { team: 'peers' });

describe('a policy that the kernel does not take (S9.10) (kernel)', function () {
  this.timeout(180_000);
  let cluster: Cluster;
  let shim: NftShim;
  before(async function () {
    await needMachine(this, 'bridge');
    shim = await NftShim.create();
    cluster = await Cluster.up({ name: nameLab('krefuse'), agents: { env: shim.env } });
  });
  after(async () => {
    await cluster?.lab.down();
    await shim?.remove();
  });

  it('is found; its pods stay isolated without its allows, and all others go on', async () => {
    const good = policy('x', 'good', { ingress: [{ from: [peer('far')], ports: [port('TCP/80')] }] });
    const bad = (address: string) =>
      policy('x', 'bad', {
        pods: { pod: 'p' },
        ingress: [{ from: [peer('near'), block(`${address}/32`)], ports: [port('TCP/80')] }],
        egress: [{ to: [peer('near')] }],
      });
    const fillers = Array.from({ length: 14 }, (_, index) =>
      policy('x', `filler-${index}`, { ingress: [{ from: [peer('third')], ports: [port(`TCP/${5000 + index}`)] }] }),
    );
    const expect = (near: string): Promise<void> =>
      cluster.expect([
        { from: 'peers/near', to: 'x/p', port: 'TCP/80', answer: near === 'allowed' ? 'x/p' : 'timeout' },
        { from: 'x/p', to: 'peers/near', port: 'TCP/80', answer: near === 'allowed' ? 'peers/near' : 'timeout' },
        { from: 'x/p', to: 'peers/far', port: 'TCP/80', answer: 'timeout' },
        { from: 'peers/far', to: 'x/p', port: 'TCP/80', answer: 'x/p' },
        { from: 'peers/third', to: 'x/p', port: 'TCP/5000', answer: 'x/p' },
        { from: 'others/stranger', to: 'x/p', port: 'TCP/80', answer: 'timeout' },
        { from: 'others/stranger', to: 'peers/near', port: 'TCP/80', answer: 'peers/near' },
      ]);
    await cluster.apply(good, ...fillers);
    await shim.refuse(poison);
    await cluster.apply(bad(poison));

    // 16 policies of n1: the write that fails, 2 log2(16) questions at most, then the stages of what is left, of which there are five. A busy agent may still
    // write the last stages of the change before.
    const { writes, checks } = await shim.runs();
    assert.ok(checks > 0 && checks <= 8, `${checks} questions`);
    assert.ok(writes <= 1 + 2 * 5, `${writes} writes`);
    await expect('denied');
    assert.equal(await readMetric(cluster.lab, 'n1', 'postern_refused_policies'), 1);
    assert.equal(await readMetric(cluster.lab, 'n1', 'postern_apply_errors_total{code="refused"}'), 1);
    const log = (await cluster.lab.agents.get('n1')!.log()).split('\n').filter((line) => line.includes('x/bad'));
    assert.equal(log.length, 1, log.join('\n'));
    const { level, code } = JSON.parse(log[0]!) as { level: string; code: string };
    assert.deepEqual([level, code], ['error', 'refused-by-kernel']);

    // Other changes are applied beside it.
    await cluster.apply(policy('x', 'later', { ingress: [{ from: [peer('third')], ports: [port('TCP/8080')] }] }));
    await cluster.expect([{ from: 'peers/third', to: 'x/p', port: 'TCP/8080', answer: 'x/p' }]);

    // A changed policy is tried again at once.
    await cluster.apply(bad('10.66.6.7'));
    await expect('allowed');
    await eventually(async () => {
      const refused = await readMetric(cluster.lab, 'n1', 'postern_refused_policies');
      return refused === 0 ? undefined : `${refused} policies are still refused`;
    });
  });
});
