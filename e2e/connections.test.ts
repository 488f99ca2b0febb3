import { it } from 'mocha';
import { pods, policy } from '../test/kernel/policies.ts';
import { onCluster } from './cluster/cluster.ts';
import { expectNothingLost, expectSilence, openFlows, untilMore } from './cluster/flows.ts';

const allow = (namespace: string) => policy('x', 'p', { ingress: [{ from: [pods({}, { ns: namespace })] }] });

onCluster('connections', (cluster) => {
  it('stop when a policy revokes them, and continue when it allows them again (S5.12, S5.15)', async () => {
    const flows = await openFlows(cluster(), ['y/a', 'y/b'], 'x/a', 80);
    await untilMore(flows, 20);
    await cluster().apply(allow('y'));
    await untilMore(flows, 20);
    await cluster().apply(allow('z'));
    await expectSilence(flows);
    await cluster().apply(allow('y'));
    await untilMore(flows, 20);
    for (const flow of flows) await flow.close();
  });

  it('stop when the peer or its namespace loses its label (S5.12)', async () => {
    const flows = await openFlows(cluster(), ['y/b'], 'x/a', 80);
    await cluster().label('y', { team: 'clients' });
    await cluster().apply(policy('x', 'p', { ingress: [{ from: [pods({ pod: 'b' }, { team: 'clients' })] }] }));
    await untilMore(flows, 20);
    await cluster().label('y', {});
    await expectSilence(flows);
    for (const flow of flows) await flow.close();
  });

  it('continue during a change after which another rule allows them (S5.13)', async () => {
    await cluster().apply(allow('y'));
    const flows = await openFlows(cluster(), ['y/a', 'y/b'], 'x/a', 80);
    await untilMore(flows, 20);
    await cluster().apply(
      policy('x', 'p', { ingress: [{ from: [pods({ pod: 'a' }, { ns: 'y' }), pods({ pod: 'b' })] }, {}] }),
    );
    await cluster().apply(policy('x', 'q', { ingress: [{ from: [pods({}, { ns: 'y' })] }] }));
    await cluster().remove(allow('y'));
    await untilMore(flows, 20);
    await expectNothingLost(flows);
  });
});
