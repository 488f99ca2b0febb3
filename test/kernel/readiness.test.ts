import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { after, afterEach, before, describe, it } from 'mocha';
import type { AgentProcess } from '../../src/lab/agent-process.ts';
import { kubeconfigText } from '../../src/lab/kubeconfig.ts';
import type { Lab } from '../../src/lab/lab.ts';
import { pod } from '../lab/objects.ts';
import { readPage } from './agent-pages.ts';
import { ApiGate } from './api-gate.ts';
import { Cluster, needMachine, onEachCni } from './cluster.ts';
import { eventually } from './eventually.ts';
import { nameLab } from '../support/lab-name.ts';

const sysctls = ['iptables', 'ip6tables'].map((suffix) => `net.bridge.bridge-nf-call-${suffix}`);

onEachCni('readiness', (cluster, cni) => {
  it('ends while kube-proxy is in IPVS mode, and says so (S6.7)', async () => {
    const { lab } = cluster();
    await changePods(lab);
    await becomesReady(lab);
    try {
      // A real one is a dummy, which not all kernels can make: only its name counts.
      const add = (kind: string): string => `ip link add kube-ipvs0 type ${kind}`;
      await lab.exec('node/n1', 'sh', '-c', `${add('dummy')} 2>/dev/null || ${add('ifb')}`);
      await lab.exec('node/n1', 'ip', 'address', 'add', '10.96.0.1/32', 'dev', 'kube-ipvs0');
      await changePods(lab);
      const body = await fails(lab, ['ipvs']);
      assert.match(body, /^\[-\] ipvs: kube-proxy's IPVS mode .*: set its mode to nftables or iptables, /m);
    } finally {
      await lab.exec('node/n1', 'sh', '-c', '! ip link show kube-ipvs0 >/dev/null 2>&1 || ip link del kube-ipvs0');
    }
    await changePods(lab);
    await becomesReady(lab);
  });

  // Without a bridge there is nothing that could pass the hooks by.
  if (cni !== 'bridge') return;

  for (const sysctl of sysctls) {
    it(`ends while ${sysctl} is off, and says so (S6.8)`, async () => {
      const { lab } = cluster();
      await changePods(lab);
      await becomesReady(lab);
      try {
        await setSysctl(lab, sysctl, 0);
        await changePods(lab);
        const body = await fails(lab, ['bridge-netfilter']);
        assert.ok(body.includes('on bridge cni0') && body.includes(`sysctl -w ${sysctl}=1`), body);
        assert.deepEqual(
          sysctls.filter((each) => body.includes(`${each}=1`)),
          [sysctl],
        );
      } finally {
        await setSysctl(lab, sysctl, 1);
      }
      await changePods(lab);
      await becomesReady(lab);
    });
  }
});

describe('readiness of an agent that starts (kernel)', function () {
  this.timeout(180_000);
  let cluster: Cluster;
  let agent: AgentProcess;
  before(async function () {
    await needMachine(this, 'bridge');
    cluster = await Cluster.up({ name: nameLab('kready'), agents: false });
    agent = cluster.lab.agents.get('n1')!;
  });
  after(() => cluster?.lab.down());
  afterEach(() => agent?.stop());

  it('waits for an nft that can be run', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'postern-path-'));
    try {
      for (const program of ['ip', 'conntrack']) await symlink(await which(program), join(folder, program));
      await agent.start({ env: { PATH: folder } });
      const body = await fails(cluster.lab, ['rules', 'nft', 'nf_tables', 'flow-tables']);
      assert.match(body, /^\[-\] nft: nft cannot be run: install nftables /m);
      await symlink(await which('nft'), join(folder, 'nft'));
      await becomesReady(cluster.lab);
    } finally {
      await agent.stop();
      await rm(folder, { recursive: true });
    }
  });

  it('waits for an API server that can be reached, and is live meanwhile', async () => {
    const { lab } = cluster;
    // As of the gate, which is not there yet.
    const kubeconfig = join(lab.state.nodeDirectory('n1'), 'away.kubeconfig');
    await writeFile(kubeconfig, kubeconfigText('http://127.0.0.1:6444'));
    await agent.start({ args: ['--kubeconfig', kubeconfig] });
    await fails(lab, ['lists', 'node', 'rules', 'bridge-netfilter']);
    assert.equal((await readPage(lab, 'n1', '/healthz')).status, 200);
    const gate = await ApiGate.create(lab, 'n1');
    try {
      await becomesReady(lab);
      await agent.stop();
    } finally {
      gate.close();
    }
  });
});

/** The agent looks again when its node's pods change, and every so often. */
async function changePods(lab: Lab): Promise<void> {
  lab.apply([pod('x', 'new', ['TCP/80'], { nodeName: 'n1' })]);
  await lab.settle();
  lab.store.delete('pods', { namespace: 'x', name: 'new' });
  await lab.settle();
}

/** Waits until these checks fail and all others hold: an agent that starts reports them one by one. Returns the page. */
function fails(lab: Lab, names: readonly string[]): Promise<string> {
  return waitForReadyz(lab, ({ status, body }) => status === 503 && failingChecks(body).join(' ') === names.join(' '));
}

async function becomesReady(lab: Lab): Promise<void> {
  await waitForReadyz(lab, ({ status }) => status === 200);
}

async function waitForReadyz(
  lab: Lab,
  isIt: (page: { readonly status: number; readonly body: string }) => boolean,
): Promise<string> {
  let body = '';
  await eventually(async () => {
    const page = await readPage(lab, 'n1', '/readyz?verbose');
    body = page.body;
    return isIt(page) ? undefined : `/readyz: ${page.status} ${body}`;
  }, 60);
  return body;
}

function failingChecks(page: string): string[] {
  return Array.from(page.matchAll(/^\[-\] ([^:]*)/gm), ([, name]) => name!);
}

async function setSysctl(lab: Lab, name: string, value: number): Promise<void> {
  await lab.exec('node/n1', 'sh', '-c', `echo ${value} > /proc/sys/${name.replaceAll('.', '/')}`);
}

async function which(program: string): Promise<string> {
  const { stdout } = await promisify(execFile)('sh', ['-c', `command -v ${program}`]);
  return stdout.trim();
}
