import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'mocha';
import { nftKernelTables, type KernelTables } from '../../src/agent/kernel-tables.ts';
import { createNft } from '../../src/apply/nft.ts';
import { openNftSession, type NftSession } from '../../src/apply/nft-session.ts';
import {
  configureLinks,
  createNamespace,
  enterNamespace,
  routerSysctls,
  runInNamespace,
} from '../../src/lab/network-namespace.ts';
import { runCommand } from '../../src/lab/command.ts';
import { python, pythonOptions } from '../../src/lab/pod-process.ts';
import { checkMachine } from '../../src/lab/preflight.ts';
import { listArguments, parseTable } from '../../src/nftables/parse.ts';
import { renderScript } from '../../src/nftables/render.ts';
import type { Operation, Ruleset } from '../../src/nftables/ruleset.ts';
import { planStages } from '../../src/plan/plan.ts';
import { namespace, node, pod, policy } from '../support/objects.ts';
import { compileNode } from '../support/pipeline.ts';
import { skipTest } from '../support/skip.ts';
import { eventually } from './eventually.ts';

const rewrites = Number(process.env['REWRITES'] ?? 10);
const [client, server] = ['10.2.0.2', '10.1.0.2'];
const [allowed, forbidden] = [5000, 5001];

const desired = compileNode('n1', [
  namespace('x'),
  node('n1', '192.0.2.1'),
  pod('x/a', { ips: [server] }),
  pod('x/b', { node: 'n2', ips: [client] }),
  policy('x/p', {
    podSelector: {},
    policyTypes: ['Ingress'],
    ingress: [{ from: [{ ipBlock: { cidr: '10.2.0.0/24' } }], ports: [{ port: allowed, protocol: 'UDP' }] }],
  }),
]);

/** A packet is in our chains for as long as 1,000 rules take, in front of the lookup that denies: it is caught by what changes meanwhile. */
const long = `
  add chain ip postern long
  ${'add rule ip postern long ip saddr 192.0.2.99 counter\n'.repeat(1000)}
  insert rule ip postern forward jump long
`;

/** A packet is in our chains for longer than two transactions of a session take. */
const longer = `${long}
  ${'insert rule ip postern forward jump long\n'.repeat(2000)}
`;

/** What another program, or another version of ours, may have done to the table. None of it opens anything by itself. */
const causes: Readonly<Record<string, string>> = {
  'a foreign chain and a foreign rule': long,
  'a foreign chain in which packets spend milliseconds': longer,
  'a foreign set': `${long}
    add set ip postern dbg { type ipv4_addr; }
    insert rule ip postern forward ip saddr @dbg log`,
  'a mapping with a comment': `${long}
    delete element ip postern ingress4 { ${server} }
    add element ip postern ingress4 { ${server} comment "x" : jump CLASS }`,
  'a base chain of another priority': `${long}
    add chain ip postern moved { type filter hook forward priority -20; policy accept; }
    add rule ip postern moved jump long
    add rule ip postern moved ip daddr vmap @ingress4
    delete chain ip postern forward
    add chain ip postern forward { type filter hook forward priority 7; policy accept; }`,
  'a named counter': `${long}
    add counter ip postern named
    insert rule ip postern forward counter name named`,
};

/** Sends to both ports as fast as it can. */
const flood = `
import socket
out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
out.bind(("", 4000))
while True:
    for _ in range(64):
        out.sendto(b"x", ("${server}", ${allowed}))
        out.sendto(b"x", ("${server}", ${forbidden}))
`;

/** Counts what comes to the node and what leaves it, before and behind all of our hooks. */
const counting = `
table ip counts {
  ${['in', 'out'].flatMap((way) => [allowed, forbidden].map((port) => `counter ${way}-${port} { }`)).join('\n')}
  chain in {
    type filter hook prerouting priority -400
    udp dport ${allowed} counter name in-${allowed}
    udp dport ${forbidden} counter name in-${forbidden}
  }
  chain out {
    type filter hook postrouting priority 400
    udp dport ${allowed} counter name out-${allowed}
    udp dport ${forbidden} counter name out-${forbidden}
  }
}
`;

interface Counts {
  readonly sent: number;
  /** Allowed ones that came to the node and did not leave it. */
  readonly lost: number;
  /** Forbidden ones that left it. */
  readonly leaked: number;
}

describe('a table that is written anew under a flood (kernel)', function () {
  this.timeout(600_000);
  const prefix = `postern-rewrite-${process.pid}`;
  const [router, sender] = [`${prefix}-node`, `${prefix}-peer`];
  let flooding: ChildProcess | undefined;
  let folder: string;
  let session: NftSession;
  /** As the agent writes: small transactions by a session, a fraction of a millisecond apart. */
  let kernel: KernelTables;
  const nft = (script: string): Promise<string> => runInNamespace(router, 'nft', ['-f', '-'], { input: script });

  before(async function () {
    const lacking = await checkMachine('ptp').then(
      () => undefined,
      (error: unknown) => String(error),
    );
    if (lacking !== undefined) skipTest(this, lacking);
    await createNamespace(router, routerSysctls);
    await createNamespace(sender);
    await configureLinks(router, [
      `link add peer type veth peer name eth0 netns ${sender}`,
      `link add pod type veth peer name sink netns ${sender}`,
      'link set peer up',
      'link set pod up',
      'address add 10.2.0.1/24 dev peer',
      `route add ${server}/32 dev pod`,
      `neighbour add ${server} lladdr 02:00:00:00:00:01 dev pod`,
    ]);
    await configureLinks(sender, [
      'link set eth0 up',
      'link set sink up',
      `address add ${client}/24 dev eth0`,
      'route add default via 10.2.0.1',
    ]);
    folder = await mkdtemp(join(tmpdir(), 'postern-test-'));
    const program = join(folder, 'nft');
    await writeFile(program, `#!/bin/sh\nexec ip netns exec ${router} nft "$@"\n`);
    await chmod(program, 0o755);
    session = openNftSession(createNft({ program }), { program });
    kernel = nftKernelTables(session);
    flooding = spawn(...enterNamespace(sender, python, [...pythonOptions, '-c', flood]), { stdio: 'inherit' });
    flooding.kill('SIGSTOP');
  });
  after(async () => {
    flooding?.kill('SIGKILL');
    session?.close();
    if (folder) await rm(folder, { recursive: true });
    for (const name of [router, sender]) await runCommand('ip', ['netns', 'delete', name]).catch(() => {});
  });
  beforeEach(async () => {
    await nft(`flush ruleset\n${counting}`);
    await bring(undefined);
  });

  for (const [cause, script] of Object.entries(causes)) {
    it(`lets no forbidden packet pass and loses no allowed one, where there is ${cause}`, async () => {
      const total = { sent: 0, lost: 0, leaked: 0 };
      for (let turn = 0; turn < rewrites; turn++) {
        const { sent, lost, leaked } = await underFlood(script, bring);
        total.sent += sent;
        total.lost += lost;
        total.leaked += leaked;
      }
      if (process.env['REWRITES']) process.stderr.write(`${cause}: ${JSON.stringify(total)}\n`);
      assert.deepEqual({ lost: total.lost, leaked: total.leaked }, { lost: 0, leaked: 0 });
    });
  }

  it('would let some pass if one transaction deleted and made it', async () => {
    const inOne = async (): Promise<void> => {
      const all = planStages({ ip: desired.ip! }).stages.flatMap(({ operations }) => operations);
      const replaced = all.map((each): Operation =>
        each.verb === 'add table' ? { ...each, verb: 'replace table' } : each,
      );
      await nft(renderScript(replaced));
    };
    let [leaked, turns] = [0, 0];
    while (turns < rewrites || (leaked === 0 && turns < 500)) {
      leaked += (await underFlood(long, inOne)).leaked;
      turns++;
    }
    if (process.env['REWRITES']) process.stderr.write(`in one transaction: ${leaked} in ${turns}\n`);
    assert.ok(leaked > 0);
  });

  it('would let some pass if it deleted the old chains at once', async () => {
    const atOnce = (applied: Ruleset): Promise<void> => bring(applied, false);
    let [leaked, turns] = [0, 0];
    while (turns < rewrites || (leaked === 0 && turns < 500)) {
      leaked += (await underFlood(longer, atOnce)).leaked;
      turns++;
    }
    if (process.env['REWRITES']) process.stderr.write(`at once: ${leaked} in ${turns}\n`);
    assert.ok(leaked > 0);
  });

  /** Has another program change the table, and what then happens to packets while it is written anew. */
  async function underFlood(script: string, write: (applied: Ruleset) => Promise<void>): Promise<Counts> {
    const { ip } = await list();
    const judge = ip!.maps.get('ingress4')!.elements.get(server);
    assert.ok(judge?.kind === 'jump');
    await nft(script.replaceAll('CLASS', judge.chain));
    const held = await list();
    assert.equal(planStages(desired, held).stages.length > 0, true);
    const before = await readCounts();
    flooding!.kill('SIGCONT');
    try {
      await eventually(async () =>
        (await count()).get(`in-${forbidden}`)! > before.get(`in-${forbidden}`)! ? undefined : 'no packets',
      );
      await write(held);
    } finally {
      flooding!.kill('SIGSTOP');
    }
    const now = await readCounts();
    const since = (name: string): number => now.get(name)! - before.get(name)!;
    assert.deepEqual(planStages(desired, await list()).stages, []);
    return {
      sent: since(`in-${allowed}`) + since(`in-${forbidden}`),
      lost: since(`in-${allowed}`) - since(`out-${allowed}`),
      leaked: since(`out-${forbidden}`),
    };
  }

  async function bring(applied: Ruleset | undefined, waits = true): Promise<void> {
    const { signal } = new AbortController();
    for (const { operations, afterGracePeriod } of planStages(desired, applied).stages) {
      await kernel.run(operations, { check: false, signal, afterGracePeriod: waits && afterGracePeriod });
    }
  }

  async function list(): Promise<Ruleset> {
    const tables = (['ip', 'ip6'] as const).map(
      async (family) =>
        [family, parseTable(family, await runInNamespace(router, 'nft', listArguments(family)))] as const,
    );
    return Object.fromEntries(await Promise.all(tables));
  }

  async function count(): Promise<Map<string, number>> {
    const text = await runInNamespace(router, 'nft', ['-j', 'list', 'counters', 'table', 'ip', 'counts']);
    const { nftables } = JSON.parse(text) as { nftables: { counter?: { name: string; packets: number } }[] };
    return new Map(nftables.flatMap(({ counter }) => (counter ? [[counter.name, counter.packets]] : [])));
  }

  /** When no packet is on its way any more. */
  async function readCounts(): Promise<Map<string, number>> {
    for (let before = await count(); ;) {
      const now = await count();
      if ([...now].every(([name, packets]) => packets === before.get(name))) return now;
      before = now;
    }
  }
});
