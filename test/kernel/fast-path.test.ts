import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'mocha';
import { nftKernelTables, type KernelTables } from '../../src/agent/kernel-tables.ts';
import { openElementWriter, type ElementWriter } from '../../src/apply/element-writer.ts';
import { createNft } from '../../src/apply/nft.ts';
import { startNftMonitor } from '../../src/apply/nft-monitor.ts';
import { openNftSession, type NftSession } from '../../src/apply/nft-session.ts';
import {
  configureLinks,
  createNamespace,
  deleteNamespace,
  enterNamespace,
  routerSysctls,
  runInNamespace,
} from '../../src/lab/network-namespace.ts';
import { python, pythonOptions } from '../../src/lab/pod-process.ts';
import { checkMachine } from '../../src/lab/preflight.ts';
import { routedTable, type Operation, type Ruleset, type Stage } from '../../src/nftables/ruleset.ts';
import type { Transaction } from '../../src/nftables/transactions.ts';
import { planStages } from '../../src/plan/plan.ts';
import { namespace, node, pod, policy, sandbox } from '../support/objects.ts';
import { openNetlinkIn } from '../support/netlink-in-namespace.ts';
import { startPipeline } from '../support/pipeline.ts';
import { skipTest } from '../support/skip.ts';
import { eventually } from './eventually.ts';

/** How often the permission comes and goes, for each way to take it away. */
const revocations = Number(process.env['REVOCATIONS'] ?? 40);
/** By family: the client on another node, and the pod. `kept` stays allowed. */
const ends = { 4: { client: '10.2.0.2', server: '10.1.0.2' }, 6: { client: 'fd02::2', server: 'fd01::2' } } as const;
const versions = [4, 6] as const;
const [port, kept] = [5000, 5001];

const { signal } = new AbortController();

/** What the kernel gets of a stage. */
type Edit = (stage: Stage) => Stage;

type Rule = 'allowed' | 'another port' | 'no peer' | 'no policy allows';

const client = (labels: Readonly<Record<string, string>>) =>
  pod('x/client', { node: 'n2', ips: versions.map((version) => ends[version].client), labels });

/** `x/server` gets UDP/5001 from everybody, and UDP/5000 from what the rule says. */
function rulesOf(rule: Rule): Ruleset {
  const from = [{ podSelector: { matchLabels: { friend: 'yes' } } }];
  const ports = [{ port: rule === 'another port' ? port + 10 : port, protocol: 'UDP' }];
  const allows = { from, ports };
  const pipeline = startPipeline(
    'n1',
    [
      namespace('x'),
      node('n1', '192.0.2.1'),
      pod('x/server', { ips: versions.map((version) => ends[version].server), labels: { app: 'server' } }),
      client({ friend: rule === 'no peer' ? 'no' : 'yes' }),
      // Keeps the set of tuples, so that a peer that goes is an element that goes.
      pod('x/other', { node: 'n2', ips: ['10.2.0.3', 'fd02::3'], labels: { friend: 'yes' } }),
      policy('x/p', {
        podSelector: { matchLabels: { app: 'server' } },
        policyTypes: ['Ingress'],
        ingress: [{ ports: [{ port: kept, protocol: 'UDP' }] }, ...(rule === 'no policy allows' ? [] : [allows])],
      }),
    ],
    { fastPath: true },
  );
  pipeline.receive(
    sandbox('x/server', { ips: versions.map((version) => ends[version].server), link: { device: 'pod' } }),
  );
  return pipeline.plan(undefined).compiled.ruleset;
}

const allowed = rulesOf('allowed');

/** Sends to all ports as fast as it can, from one port. */
const flood = `
import socket
to = []
for family, address in ${JSON.stringify(versions.map((version) => [version, ends[version].server]))}:
    out = socket.socket(socket.AF_INET if family == 4 else socket.AF_INET6, socket.SOCK_DGRAM)
    if family == 6:
        out.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    out.bind(("", 4000))
    out.setblocking(False)
    to += [(out, (address, port)) for port in (${port}, ${kept})]
while True:
    for out, address in to:
        for _ in range(32):
            try:
                out.sendto(b"x", address)
            except OSError:
                pass
`;

/** Answers one packet of many, so that connections stand. */
const answers = `
import selectors, socket
ready = selectors.DefaultSelector()
for family in (socket.AF_INET, socket.AF_INET6):
    for port in (${port}, ${kept}):
        sock = socket.socket(family, socket.SOCK_DGRAM)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(("", port))
        ready.register(sock, selectors.EVENT_READ)
print("ready", flush=True)
count = 0
while True:
    for key, _ in ready.select():
        data, peer = key.fileobj.recvfrom(2048)
        count += 1
        if count % 16 == 0:
            key.fileobj.sendto(b"y", peer)
`;

const counters = versions.flatMap((version) =>
  [port, kept].flatMap((each) => ['in', 'out'].map((way) => `${way}-${version}-${each}`)),
);

/** Counts what comes to the node and what leaves it, before and behind all of our hooks. */
const counting = `
table inet counts {
  ${counters.map((name) => `counter ${name} { }`).join('\n')}
  chain in { type filter hook prerouting priority -400
    ${counted('in')}
  }
  chain out { type filter hook postrouting priority 400
    ${counted('out')}
  }
}
`;

function counted(way: string): string {
  return versions
    .flatMap((version) =>
      [port, kept].map((each) => `meta nfproto ipv${version} udp dport ${each} counter name ${way}-${version}-${each}`),
    )
    .join('\n');
}

describe('the fast path under a flood (S5.12, S5.21, kernel)', function () {
  this.timeout(600_000);
  const prefix = `postern-fast-${process.pid}`;
  const names = { node: `${prefix}-node`, client: `${prefix}-client`, server: `${prefix}-server` };
  const running: ChildProcess[] = [];
  let applied: Ruleset | undefined;
  let folder: string;
  let session: NftSession;
  let elements: ElementWriter | undefined;
  let kernel: KernelTables;
  const nft = (script: string): Promise<string> => runInNamespace(names.node, 'nft', ['-f', '-'], { input: script });

  before(async function () {
    const lacking = await checkMachine('ptp').then(
      () => undefined,
      (error: unknown) => String(error),
    );
    if (lacking !== undefined) skipTest(this, lacking);
    await createNamespace(names.node, routerSysctls);
    await createNamespace(names.client);
    await createNamespace(names.server);
    await configureLinks(names.node, [
      `link add peer type veth peer name eth0 netns ${names.client}`,
      `link add pod type veth peer name eth0 netns ${names.server}`,
      'link set peer up',
      'link set pod up',
      ...versions.flatMap((version) => [
        `address add ${version === 4 ? '10.2.0.1/24' : 'fd02::1/64'} dev peer`,
        `address add ${version === 4 ? '10.1.0.1/24' : 'fd01::1/64'} dev pod`,
      ]),
    ]);
    for (const [name, which] of [
      [names.client, 'client'],
      [names.server, 'server'],
    ] as const) {
      await configureLinks(name, [
        'link set eth0 up',
        ...versions.flatMap((version) => {
          const address = ends[version][which];
          return [
            `address add ${address}/${version === 4 ? 24 : 64} dev eth0`,
            `route add default via ${address.replace(/2$/, '1')}`,
          ];
        }),
      ]);
    }
    await nft(`flush ruleset\n${counting}`);
    folder = await mkdtemp(join(tmpdir(), 'postern-fast-'));
    const program = join(folder, 'nft');
    await writeFile(program, `#!/bin/sh\nexec ip netns exec ${names.node} nft "$@"\n`);
    await chmod(program, 0o755);
    session = openNftSession(createNft({ program }), { program });
    elements = openElementWriter({ openSocket: openNetlinkIn(`/run/netns/${names.node}`), paused: assert.ifError });
    kernel = nftKernelTables(session, { writer: elements });
    await bring(allowed);
    const answering = spawn(...enterNamespace(names.server, python, [...pythonOptions, '-c', answers]));
    running.push(answering);
    await new Promise((resolve) => answering.stdout.once('data', resolve));
    running.push(spawn(...enterNamespace(names.client, python, [...pythonOptions, '-c', flood]), { stdio: 'inherit' }));
    await eventually(async () => ((await flows()) >= 2 * versions.length ? undefined : 'no flow is known'));
  });
  after(async () => {
    for (const each of running) each.kill('SIGKILL');
    session?.close();
    elements?.close();
    if (folder) await rm(folder, { recursive: true });
    for (const name of Object.values(names)) await deleteNamespace(name).catch(() => {});
  });

  for (const rule of ['another port', 'no peer', 'no policy allows'] as const) {
    it(`ends with the revocation by ${rule}, and what stays allowed loses nothing`, async () => {
      const total = await revokeOften(rule, revocations);
      report(rule, total);
      assert.deepEqual(total.leaked, 0);
      assert.deepEqual(total.lost, 0);
      assert.ok(total.sent > 0);
    });

    it(`would not end with it if the edition stayed: ${rule}`, async () => {
      const keeping = withoutOperations((each) => 'set' in each && each.set.name === 'flows-second');
      const total = await revokeOften(rule, 3, keeping);
      report(`${rule}, edition kept`, total);
      assert.equal(total.leaks, 3);
      await refresh();
    });
  }

  it('would not end with the second revocation if nothing emptied the edition of before', async () => {
    const total = await revokeOften(
      'no peer',
      4,
      withoutOperations(({ verb }) => verb === 'flush set'),
    );
    report('sets not emptied', total);
    assert.ok(total.leaks >= 2, `${total.leaks}`);
    await refresh();
  });

  for (const waits of [true, false]) {
    it(`${waits ? 'ends' : 'would not end'} with it where packets in flight add themselves ${waits ? 'before' : 'after'} the sets are emptied`, async () => {
      const denied = rulesOf('no peer');
      await bring(denied);
      await delayRecords();
      const edit: Edit = (stage) => ({ ...stage, afterGracePeriod: stage.afterGracePeriod && waits });
      const total = { leaked: 0, leaks: 0 };
      for (let turn = 0; turn < 6; turn++) {
        // The first packets are judged now, and add themselves later.
        await bring(allowed, edit);
        await bring(denied, edit);
        const { leaked, leaks } = await revokeOften('no peer', 1, edit, flowsTo, denied);
        total.leaked += leaked;
        total.leaks += leaks;
      }
      report(`packets in flight, ${waits ? 'waited for' : 'not waited for'}`, total);
      if (waits) assert.equal(total.leaked, 0);
      else assert.ok(total.leaks > 0);
      await refresh();
    });
  }

  it('loses and leaks nothing where the sets are full', async () => {
    const small = { seconds: 30, size: 1 };
    const inSmallSets: Edit = (stage) => ({
      ...stage,
      operations: stage.operations.map((each) =>
        each.verb === 'add set' && each.set.records?.seconds === 30
          ? { ...each, set: { ...each.set, records: small } }
          : each,
      ),
    });
    await refresh(inSmallSets);
    await eventually(async () => ((await flows()) === versions.length ? undefined : 'the sets are not full'));
    const total = await revokeOften('no peer', 10, inSmallSets, flows);
    report('full sets', total);
    assert.deepEqual([total.leaked, total.lost], [0, 0]);
    assert.equal(await flows(), versions.length);
    await refresh();
  });

  it('is one transaction of our tables for each stage, also where nothing is in the sets: the agent counts them', async () => {
    running.at(-1)!.kill('SIGSTOP');
    await refresh();
    const told: Transaction[] = [];
    const monitor = startNftMonitor((transaction) => told.push(transaction), { program: join(folder, 'nft') });
    try {
      await monitor.listening;
      const stages: string[] = [];
      await bring(rulesOf('no peer'), (stage) => {
        stages.push(stage.name);
        return stage;
      });
      assert.equal(stages.at(-1), 'delete');
      // A last one, behind all others.
      await nft('add table ip last');
      await eventually(async () => (told.includes('others') ? undefined : told.join()));
      assert.deepEqual(told.filter((each) => each !== 'others').length, stages.length);
    } finally {
      monitor.close();
      running.at(-1)!.kill('SIGCONT');
    }
    await bring(allowed);
  });

  it('loses nothing where another program flushes the sets', async () => {
    await bring(allowed);
    const start = await quietLoss();
    for (let turn = 0; turn < 20; turn++) {
      await nft(
        ['', '-second']
          .map((edition) => `flush set ip postern udp-flows4${edition}; flush set ip6 postern udp-flows6${edition}`)
          .join('; '),
      );
      await eventually(async () =>
        (await flowsTo(kept)) === versions.length ? undefined : 'the flow does not come back',
      );
    }
    assert.equal((await quietLoss()) - start, 0);
  });

  function withoutOperations(isLeftOut: (operation: Operation) => boolean): Edit {
    return (stage) => ({ ...stage, operations: stage.operations.filter((each) => !isLeftOut(each)) });
  }

  /** Makes our tables anew. */
  async function refresh(edit?: Edit): Promise<void> {
    await nft('flush table ip postern; delete table ip postern; flush table ip6 postern; delete table ip6 postern');
    applied = undefined;
    await bring(allowed, edit);
  }

  /** Packets that have been judged take milliseconds until they add themselves to a flow set. */
  async function delayRecords(): Promise<void> {
    const delays = versions.flatMap((version) => {
      const family = routedTable[version === 4 ? 'ipv4' : 'ipv6'];
      const chains = ['originals', 'originals-second'].map((name) => allowed[family]!.chains.get(name)!);
      return [
        `add chain ${family} postern long`,
        `add chain ${family} postern longer`,
        ...Array.from({ length: 1000 }, () => `add rule ${family} postern long udp sport 1 counter`),
        ...Array.from({ length: 1000 }, () => `add rule ${family} postern longer jump long`),
        ...chains.flatMap(({ name, rules }) => {
          const last = rules.findIndex(({ verdict }) => verdict.kind === 'remember') - 1;
          const delay = `add rule ${family} postern ${name} index ${last} udp dport ${port} jump longer`;
          return Array.from({ length: 15 }, () => delay);
        }),
      ];
    });
    await nft(delays.join('\n'));
  }

  function report(what: string, total: object): void {
    if (process.env['REVOCATIONS']) process.stderr.write(`${what}: ${JSON.stringify(total)}\n`);
  }

  /**
   * `leaked`: packets that passed after the last transaction of a revocation. `leaks`: revocations after which some did. `lost`: packets to the port
   * that stays allowed.
   */
  async function revokeOften(
    rule: Rule,
    times: number,
    edit?: Edit,
    known: (port: number) => Promise<number> = flowsTo,
    denied = rulesOf(rule),
  ): Promise<{ leaked: number; leaks: number; lost: number; sent: number }> {
    const total = { leaked: 0, leaks: 0, lost: 0, sent: 0 };
    const start = await quietLoss();
    for (let turn = 0; turn < times; turn++) {
      await bring(allowed, edit);
      await eventually(async () => ((await known(port)) === versions.length ? undefined : 'the flow is not known'));
      const inForce = Promise.withResolvers<ReadonlyMap<string, number>>();
      await bring(denied, edit, async () => inForce.resolve(await count()));
      const before = await inForce.promise;
      let now = before;
      await eventually(async () => {
        now = await count();
        const isSeen = versions.every((version) => since(before, now, `in-${version}-${port}`) > 200);
        return isSeen ? undefined : 'no packets';
      });
      const leaked = versions.reduce((sum, version) => sum + since(before, now, `out-${version}-${port}`), 0);
      total.leaked += leaked;
      total.leaks += leaked > 0 ? 1 : 0;
      total.sent += versions.reduce((sum, version) => sum + since(before, now, `in-${version}-${port}`), 0);
    }
    await bring(allowed);
    total.lost = (await quietLoss()) - start;
    return total;
  }

  /** @param isInForce called before the stages that only clean up */
  async function bring(
    desired: Ruleset,
    edit: Edit = (stage) => stage,
    isInForce = async (): Promise<void> => {},
  ): Promise<void> {
    const { stages, result } = planStages(desired, applied);
    const end = stages.findLastIndex(({ name }) => name !== 'delete') + 1;
    for (const [index, stage] of stages.entries()) {
      if (index === end) await isInForce();
      const { operations, afterGracePeriod } = edit(stage);
      await kernel.run(operations, { check: false, signal, afterGracePeriod });
    }
    if (end === stages.length) await isInForce();
    applied = result;
  }

  /** Packets to the port that stays allowed that came to the node and did not leave it, with the flood held. */
  async function quietLoss(): Promise<number> {
    const flooding = running.at(-1)!;
    flooding.kill('SIGSTOP');
    try {
      for (let before = await count(); ;) {
        const now = await count();
        if ([...now].every(([name, packets]) => packets === before.get(name)))
          return versions.reduce(
            (sum, version) => sum + now.get(`in-${version}-${kept}`)! - now.get(`out-${version}-${kept}`)!,
            0,
          );
        before = now;
      }
    } finally {
      flooding.kill('SIGCONT');
    }
  }

  function since(before: ReadonlyMap<string, number>, now: ReadonlyMap<string, number>, name: string): number {
    return now.get(name)! - before.get(name)!;
  }

  async function flows(): Promise<number> {
    return (await Promise.all(versions.map(listFlows))).flat().length;
  }

  async function flowsTo(destination: number): Promise<number> {
    const found = (await Promise.all(versions.map(listFlows))).flat();
    return found.filter((line) => line.includes(` . ${destination} `)).length;
  }

  /** The elements of the original direction, of the edition that counts. */
  async function listFlows(version: 4 | 6): Promise<string[]> {
    const family = routedTable[version === 4 ? 'ipv4' : 'ipv6'];
    const list = (set: string) => runInNamespace(names.node, 'nft', ['list', 'set', family, 'postern', set]);
    const edition = (await list('flows-second')).includes('elements') ? '-second' : '';
    const text = await list(`udp-flows${version}${edition}`);
    return text.split('\n').flatMap((line) => line.match(/\S+ \. \S+ \. \S+ \. \S+ \. [0-9]+ /g) ?? []);
  }

  async function count(): Promise<Map<string, number>> {
    const text = await runInNamespace(names.node, 'nft', ['-j', 'list', 'counters', 'table', 'inet', 'counts']);
    const { nftables } = JSON.parse(text) as { nftables: { counter?: { name: string; packets: number } }[] };
    return new Map(nftables.flatMap(({ counter }) => (counter ? [[counter.name, counter.packets]] : [])));
  }
});
