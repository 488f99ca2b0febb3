import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { afterEach, before, beforeEach, describe, it } from 'mocha';
import { Compiler } from '../../../src/compile/compile.ts';
import { createNamespace, deleteNamespace } from '../../../src/lab/network-namespace.ts';
import { listArguments, parseTable } from '../../../src/nftables/parse.ts';
import type { Ruleset, TableFamily } from '../../../src/nftables/ruleset.ts';
import { planStages } from '../../../src/plan/plan.ts';
import { openKernel, type Kernel } from '../../apply/kernel.ts';
import { emptySnapshot } from '../../../src/model/snapshot.ts';

const main = fileURLToPath(new URL('../../../src/main.ts', import.meta.url));
const gatedRanges = ['10.244.1.0/24', 'fd00:10:244:1::/64'];
const agents: Ruleset = new Compiler().compile({ ...emptySnapshot, gatedRanges }).ruleset;

function settings(unit: string, name: string): string[] {
  const lines = unit.split('\n').filter((line) => line.startsWith(`${name}=`));
  return lines.map((line) => line.slice(name.length + 1));
}

/** Succeeds if the address answers, also with a refusal. A busy machine may need several seconds for an answer. */
function asked(address: string, seconds = 15): string {
  return `timeout ${seconds} bash -c '</dev/tcp/${address}/9' 2>&1 | grep -q 'Connection refused'`;
}

describe('the unit of postern boot-unit', function () {
  this.timeout(180_000);
  let kernel: Kernel;
  let unit: string;
  before(async () => {
    // Each range twice, in other words: the kernel would not take that.
    const podCidr = 'FD00:10:244:1::7/64,10.244.1.0/24,10.244.1.0/25,fd00:10:244:1:0::/64';
    ({ stdout: unit } = await execa(process.execPath, [main, 'boot-unit', '--pod-cidr', podCidr]));
  });
  beforeEach(async function () {
    kernel = await openKernel(this);
  });
  afterEach(() => kernel?.close());

  /** Runs the lines as systemd does: an empty one deletes the lines above it. */
  async function start(text = unit): Promise<void> {
    const [command, ...others] = settings(text, 'ExecStart');
    const input = settings(text, 'StandardInputText').reduce((all, line) => (line ? `${all}${line}\n` : ''), '');
    assert.deepEqual([others, settings(text, 'StandardInput')], [[], ['data']]);
    await kernel.sh(`${command} <<'END'\n${input}END`);
  }

  async function observe(): Promise<Ruleset> {
    const tables = ['ip', 'ip6'] as const;
    const read = async (family: TableFamily) =>
      [family, parseTable(family, await kernel.sh(`nft ${listArguments(family).join(' ')}`))] as const;
    return Object.fromEntries(await Promise.all(tables.map(read)));
  }

  it('loads the tables of the agent, which then has no change to make', async () => {
    await start();
    assert.deepEqual(planStages(agents, await observe()).stages, []);
  });

  it('does nothing if our table exists', async () => {
    await kernel.sh('nft "add table ip postern; add table ip6 postern"');
    await start();
    for (const { chains, maps, sets } of Object.values(await observe())) {
      assert.deepEqual([chains.size, maps.size, sets.size], [0, 0, 0]);
    }
  });

  it('fails visibly if it cannot load the rules', async () => {
    await assert.rejects(start(unit.replace('goto gate', 'goto nowhere')), /No such file or directory/);
  });

  it('blocks pod traffic, except between pods and their node', async () => {
    const pod = `postern-test-${process.pid}-pod`;
    await createNamespace(pod);
    try {
      await kernel.sh(`
        ip link add veth-pod type veth peer name eth0 netns ${pod}
        ip addr add 10.244.1.1/32 dev veth-pod && ip link set veth-pod up && ip route add 10.244.1.2 dev veth-pod
        ip addr add 192.0.2.1/32 dev lo && ip link set lo up`);
      const inPod = (script: string): Promise<unknown> => execa('ip', ['netns', 'exec', pod, 'sh', '-ec', script]);
      await inPod(`
        ip addr add 10.244.1.2/32 dev eth0 && ip link set eth0 up
        ip route add 10.244.1.1 dev eth0 && ip route add default via 10.244.1.1`);
      await inPod(asked('192.0.2.1'));
      await start();
      await assert.rejects(inPod(asked('192.0.2.1', 1)));
      await kernel.sh(asked('10.244.1.2'));
      await kernel.sh(asked('10.244.1.1'));
    } finally {
      await deleteNamespace(pod);
    }
  });
});
