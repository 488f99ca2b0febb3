import { it } from 'mocha';
import { policy } from '../test/kernel/policies.ts';
import { skipTest } from '../test/support/skip.ts';
import { onCluster } from './cluster/cluster.ts';

/** The last file of the run, because no policy is enforced afterwards. */
onCluster('uninstalling', (cluster) => {
  it('ends all denials on every node', async function () {
    const { uninstall } = cluster().target;
    if (!uninstall) return skipTest(this, 'E2E_UNINSTALL does not ask for it');
    await cluster().apply(policy('x', 'deny', { ingress: [] }));
    const ask = (answer?: string) =>
      ['x/a', 'x/b'].map((to) => ({ from: 'y/b', to, port: 'TCP/80', answer: answer ?? to }));
    await cluster().expect(ask('timeout'));
    await uninstall();
    await cluster().expect(ask());
  });
});
