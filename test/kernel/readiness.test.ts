import assert from 'node:assert/strict';
import { it } from 'mocha';
import { pod } from '../lab/objects.ts';
import { readPage } from './agent-pages.ts';
import { onEachCni } from './cluster.ts';
import type { Cluster } from './cluster.ts';
import { eventually } from './eventually.ts';

const sysctls = ['iptables', 'ip6tables'].map((suffix) => `net.bridge.bridge-nf-call-${suffix}`);

onEachCni('readiness', (cluster, cni) => {
  // Without a bridge there is nothing that could pass the hooks by.
  if (cni !== 'bridge') return;

  for (const sysctl of sysctls) {
    it(`ends while ${sysctl} is off, and says so (S6.8)`, async () => {
      await becomes(cluster(), 200);
      try {
        await setSysctl(cluster(), sysctl, 0);
        const body = await becomes(cluster(), 503);
        assert.match(body, /^\[-\] bridge-netfilter: /m);
        assert.ok(body.includes('on bridge cni0') && body.includes(`sysctl -w ${sysctl}=1`), body);
        assert.deepEqual(
          sysctls.filter((each) => body.includes(`${each}=1`)),
          [sysctl],
        );
      } finally {
        await setSysctl(cluster(), sysctl, 1);
      }
      await becomes(cluster(), 200);
    });
  }
});

/** The agent looks again when its node's pods change, and every so often. */
async function becomes({ lab }: Cluster, status: number): Promise<string> {
  lab.apply([pod('x', 'new', ['TCP/80'], { nodeName: 'n1' })]);
  await lab.settle();
  lab.store.delete('pods', { namespace: 'x', name: 'new' });
  await lab.settle();
  let body = '';
  await eventually(async () => {
    const page = await readPage(lab, 'n1', '/readyz');
    body = page.body;
    return page.status === status ? undefined : `/readyz: ${page.status} ${body}`;
  });
  return body;
}

async function setSysctl({ lab }: Cluster, name: string, value: number): Promise<void> {
  await lab.exec('node/n1', 'sh', '-c', `echo ${value} > /proc/sys/${name.replaceAll('.', '/')}`);
}
