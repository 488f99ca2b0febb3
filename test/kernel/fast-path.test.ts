import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { after, before, describe, it } from 'mocha';
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
import { renderScript } from '../../src/nftables/render.ts';
import type { Operation, Ruleset } from '../../src/nftables/ruleset.ts';
import { planStages } from '../../src/plan/plan.ts';
import { namespace, node, pod, policy, sandbox } from '../support/objects.ts';
import { startPipeline } from '../support/pipeline.ts';
import { skipTest } from '../support/skip.ts';
import { eventually } from './eventually.ts';

/** How often the permission comes and goes, for each way to take it away. */
const revocations = Number(process.env['REVOCATIONS'] ?? 40);
/** By family: the client on another node, and the pod. `kept` stays allowed. */
const ends = { 4: { client: '10.2.0.2', server: '10.1.0.2' }, 6: { client: 'fd02::2', server: 'fd01::2' } } as const;
const versions = [4, 6] as const;
const [port, kept] = [5000, 5001];

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
    await bring(allowed);
    const answering = spawn(...enterNamespace(names.server, python, [...pythonOptions, '-c', answers]));
    running.push(answering);
    await new Promise((resolve) => answering.stdout.once('data', resolve));
    running.push(spawn(...enterNamespace(names.client, python, [...pythonOptions, '-c', flood]), { stdio: 'inherit' }));
    await eventually(async () => ((await flows()) >= 2 * versions.length ? undefined : 'no flow is known'));
  });
  after(async () => {
    for (const each of running) each.kill('SIGKILL');
    for (const name of Object.values(names)) await deleteNamespace(name).catch(() => {});
  });

  for (const rule of ['another port', 'no peer', 'no policy allows'] as const) {
    it(`ends with the revocation by ${rule}, and what stays allowed loses nothing`, async () => {
      const total = await revokeOften(rule, revocations, ({ operations }) => renderScript(operations));
      report(rule, total);
      assert.deepEqual(total.leaked, 0);
      assert.deepEqual(total.lost, 0);
      assert.ok(total.sent > 0);
    });

    it(`would not end with it if the sets stayed: ${rule}`, async () => {
      const total = await revokeOften(rule, 3, ({ operations }) =>
        renderScript(operations.flatMap((each) => (each.verb === 'renew sets' ? withoutRenewal(each) : [each]))),
      );
      report(`${rule}, sets kept`, total);
      assert.equal(total.leaks, 3);
    });
  }

  it('loses and leaks nothing where the sets are full', async () => {
    const inSmallSets = ({ operations }: { operations: readonly Operation[] }): string =>
      renderScript(operations).replaceAll(
        /size [0-9]+; flags dynamic,timeout; timeout 30s/g,
        'size 1; flags dynamic,timeout; timeout 30s',
      );
    await bring(rulesOf('no peer'), inSmallSets);
    await eventually(async () => ((await flows()) === versions.length ? undefined : 'the sets are not full'));
    const total = await revokeOften('no peer', 10, inSmallSets, () => flows());
    report('full sets', total);
    assert.deepEqual([total.leaked, total.lost], [0, 0]);
    assert.equal(await flows(), versions.length);
    await bring(rulesOf('no peer'));
  });

  it('loses nothing where another program flushes the sets', async () => {
    await bring(allowed);
    const start = await quietLoss();
    for (let turn = 0; turn < 20; turn++) {
      await nft('flush set ip postern udp-flows4; flush set ip6 postern udp-flows6');
      await eventually(async () =>
        (await flowsTo(kept)) === versions.length ? undefined : 'the flow does not come back',
      );
    }
    assert.equal((await quietLoss()) - start, 0);
  });

  /** Only the rules, for the same sets. */
  function withoutRenewal(operation: Operation & { verb: 'renew sets' }): Operation[] {
    return operation.chains.map((chain) => ({ family: operation.family, verb: 'replace rules', chain }));
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
    scriptOf: (stage: { operations: readonly Operation[] }) => string,
    known = () => flowsTo(port),
  ): Promise<{ leaked: number; leaks: number; lost: number; sent: number }> {
    const denied = rulesOf(rule);
    const total = { leaked: 0, leaks: 0, lost: 0, sent: 0 };
    const start = await quietLoss();
    for (let turn = 0; turn < times; turn++) {
      await bring(allowed, scriptOf);
      await eventually(async () => ((await known()) === versions.length ? undefined : 'the flow is not known'));
      await bring(denied, scriptOf);
      const before = await count();
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

  async function bring(
    desired: Ruleset,
    scriptOf = ({ operations }: { operations: readonly Operation[] }) => renderScript(operations),
  ): Promise<void> {
    const { stages, result } = planStages(desired, applied);
    for (const stage of stages) await nft(scriptOf(stage));
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

  /** The elements of the original direction. */
  async function listFlows(version: 4 | 6): Promise<string[]> {
    const family = version === 4 ? 'ip' : 'ip6';
    const text = await runInNamespace(names.node, 'nft', ['list', 'set', family, 'postern', `udp-flows${version}`]);
    return text.split('\n').flatMap((line) => line.match(/\S+ \. \S+ \. \S+ \. \S+ \. [0-9]+ /g) ?? []);
  }

  async function count(): Promise<Map<string, number>> {
    const text = await runInNamespace(names.node, 'nft', ['-j', 'list', 'counters', 'table', 'inet', 'counts']);
    const { nftables } = JSON.parse(text) as { nftables: { counter?: { name: string; packets: number } }[] };
    return new Map(nftables.flatMap(({ counter }) => (counter ? [[counter.name, counter.packets]] : [])));
  }
});
