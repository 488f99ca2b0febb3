import { spawn, type ChildProcess, type ChildProcessByStdio } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import assert from 'node:assert/strict';
import type { Context } from 'mocha';
import { nftKernelTables, type KernelTables } from '../../src/agent/kernel-tables.ts';
import { openElementWriter, type ElementWriter } from '../../src/apply/element-writer.ts';
import { createNft } from '../../src/apply/nft.ts';
import { openNftSession, type NftSession } from '../../src/apply/nft-session.ts';
import {
  configureLinks,
  createNamespace,
  deleteNamespace,
  enterNamespace,
  namespacePath,
  routerSysctls,
  runInNamespace,
} from '../../src/lab/network-namespace.ts';
import { python, pythonOptions } from '../../src/lab/pod-process.ts';
import { checkMachine } from '../../src/lab/preflight.ts';
import { routedTable, type Ruleset, type Stage } from '../../src/nftables/ruleset.ts';
import type { Plan } from '../../src/plan/plan.ts';
import { openNetlinkIn } from '../support/netlink-in-namespace.ts';
import { skipTest } from '../support/skip.ts';
import { eventually } from './eventually.ts';

export const versions = [4, 6] as const;
type Version = (typeof versions)[number];

/** A UDP port of a pod of the node, in both families. */
export interface Target {
  /** From 1. The device of the pod is `pod` with this number. */
  readonly pod: number;
  readonly port: number;
}

/** Of the client on another node. */
export const clientAddresses: Readonly<Record<Version, string>> = { 4: '10.2.0.2', 6: 'fd02::2' };

export function podAddresses(pod: number): Readonly<Record<Version, string>> {
  return { 4: `10.1.${pod}.2`, 6: `fd01:0:0:${pod}::2` };
}

/** What the kernel gets of a stage. */
export type Edit = (stage: Stage) => Stage;

/** Packets that came to the node for a target, and packets that left it to its pod, before and behind all of our hooks. */
export type Counts = ReadonlyMap<string, number>;

export interface Traffic {
  readonly arrived: number;
  readonly passed: number;
}

const { signal } = new AbortController();

/** A node with pods, a client behind it that floods the pods, and the agent's access to the kernel. */
export class FlowScene {
  readonly #names: { readonly node: string; readonly client: string; readonly pods: readonly string[] };
  readonly #targets: readonly Target[];
  readonly #running: ChildProcess[] = [];
  #folder: string | undefined;
  /** A process for each listing would take most of the time. */
  #lister: ChildProcessByStdio<Writable, Readable, null> | undefined;
  #lines: AsyncIterator<string> | undefined;
  #session: NftSession | undefined;
  #elements: ElementWriter | undefined;
  #kernel!: KernelTables;

  /** @param targets ports that the client sends to */
  constructor(name: string, targets: readonly Target[]) {
    const prefix = `postern-${name}-${process.pid}`;
    const pods = [...new Set(targets.map(({ pod }) => pod))].map((pod) => `${prefix}-pod${pod}`);
    this.#names = { node: `${prefix}-node`, client: `${prefix}-client`, pods };
    this.#targets = targets;
  }

  /** In a hook. Skips its suite where the machine lacks something. */
  async open(context: Context): Promise<void> {
    const lacking = await checkMachine('ptp').then(
      () => undefined,
      (error: unknown) => String(error),
    );
    if (lacking !== undefined) skipTest(context, lacking);
    const { node, client, pods } = this.#names;
    await createNamespace(node, routerSysctls);
    await this.#addEnd(client, 'peer', clientAddresses);
    for (const [index, name] of pods.entries()) await this.#addEnd(name, `pod${index + 1}`, podAddresses(index + 1));
    await this.nft(`flush ruleset\n${counting(this.#targets)}`);
    this.#folder = await mkdtemp(join(tmpdir(), 'postern-flows-'));
    await writeFile(this.program, `#!/bin/sh\nexec ip netns exec ${node} nft "$@"\n`);
    await chmod(this.program, 0o755);
    this.#session = openNftSession(createNft({ program: this.program }), { program: this.program });
    this.#elements = openElementWriter({ openSocket: openNetlinkIn(namespacePath(node)), paused: assert.ifError });
    this.#kernel = nftKernelTables(this.#session, this.#elements ? { writer: this.#elements } : {});
  }

  /** Starts the pods and the client. */
  async flood(): Promise<void> {
    for (const [index, name] of this.#names.pods.entries()) {
      const ports = this.#targets.filter(({ pod }) => pod === index + 1).map(({ port }) => port);
      const answering = spawn(...enterNamespace(name, python, [...pythonOptions, '-c', answers(ports)]));
      this.#running.push(answering);
      await new Promise((resolve) => answering.stdout.once('data', resolve));
    }
    const sending = enterNamespace(this.#names.client, python, [...pythonOptions, '-c', flood(this.#targets)]);
    this.#running.push(spawn(...sending, { stdio: 'inherit' }));
  }

  async close(): Promise<void> {
    for (const each of this.#running) each.kill('SIGKILL');
    this.#lister?.kill();
    this.#session?.close();
    this.#elements?.close();
    if (this.#folder !== undefined) await rm(this.#folder, { recursive: true });
    const { node, client, pods } = this.#names;
    for (const name of [node, client, ...pods]) await deleteNamespace(name).catch(() => {});
  }

  /** nft in the node. */
  get program(): string {
    return join(this.#folder!, 'nft');
  }

  nft(script: string): Promise<string> {
    return runInNamespace(this.#names.node, 'nft', ['-f', '-'], { input: script });
  }

  /**
   * Runs all stages as the agent does.
   * @param inForce called before the stages that only clean up
   */
  async apply({ stages, result }: Plan, inForce = async (): Promise<void> => {}, edit?: Edit): Promise<Ruleset> {
    const end = stages.findLastIndex(({ name }) => name !== 'delete') + 1;
    for (const [index, stage] of stages.entries()) {
      if (index === end) await inForce();
      const { operations, afterGracePeriod } = edit ? edit(stage) : stage;
      await this.#kernel.run(operations, { check: false, signal, afterGracePeriod });
    }
    if (end === stages.length) await inForce();
    return result;
  }

  /** Holds the client back while `work` runs. */
  async withoutFlood<Result>(work: () => Promise<Result>): Promise<Result> {
    const flooding = this.#running.at(-1)!;
    flooding.kill('SIGSTOP');
    try {
      return await work();
    } finally {
      flooding.kill('SIGCONT');
    }
  }

  async count(): Promise<Counts> {
    const listed = await this.#list('counters');
    return new Map(listed.flatMap(({ counter }) => (counter ? [[counter.name, counter.packets]] : [])));
  }

  /** The counts when no packet is on its way any more, with the flood held. */
  countQuiet(): Promise<Counts> {
    return this.withoutFlood(async () => {
      for (let before = await this.count(); ;) {
        const now = await this.count();
        if ([...now].every(([name, packets]) => packets === before.get(name))) return now;
        before = now;
      }
    });
  }

  /** The flows of the original direction that are known: elements of the edition that counts, in both families. */
  async knownFlows(): Promise<(Target & { readonly version: Version })[]> {
    const sets = (await this.#list('sets')).flatMap(({ set }) => (set?.table === 'postern' ? [set] : []));
    return versions.flatMap((version) => {
      const elementsOf = (name: string): readonly unknown[] =>
        sets.find((each) => each.family === tableOf(version) && each.name === name)?.elem ?? [];
      const edition = elementsOf('flows-second').length > 0 ? '-second' : '';
      return elementsOf(`udp-flows${version}${edition}`).map((element) => {
        const fields = (element as FlowElement).elem.val.concat;
        return { version, pod: podOf(version, String(fields[3])), port: Number(fields[4]) };
      });
    });
  }

  /** How many families know a flow to the target. */
  async familiesThatKnow({ pod, port }: Target): Promise<number> {
    const known = (await this.knownFlows()).filter((each) => each.pod === pod && each.port === port);
    return new Set(known.map(({ version }) => version)).size;
  }

  async awaitFlow(target: Target): Promise<void> {
    await eventually(async () =>
      (await this.familiesThatKnow(target)) === versions.length ? undefined : 'the flow is not known',
    );
  }

  async #list(what: 'counters' | 'sets'): Promise<readonly Listed[]> {
    this.#lister ??= spawn(...enterNamespace(this.#names.node, 'nft', ['-j', '-i']), {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    const { stdin, stdout } = this.#lister;
    this.#lines ??= createInterface(stdout)[Symbol.asyncIterator]();
    stdin.write(`list ${what}\n`);
    const { value } = await this.#lines.next();
    return (JSON.parse(value) as { nftables: readonly Listed[] }).nftables;
  }

  async #addEnd(name: string, device: string, addresses: Readonly<Record<Version, string>>): Promise<void> {
    await createNamespace(name);
    const gateways = versions.map((version) => addresses[version].replace(/2$/, '1'));
    await configureLinks(this.#names.node, [
      `link add ${device} type veth peer name eth0 netns ${name}`,
      `link set ${device} up`,
      ...versions.map((version, index) => `address add ${gateways[index]}/${lengthOf(version)} dev ${device}`),
    ]);
    await configureLinks(name, [
      'link set eth0 up',
      ...versions.flatMap((version, index) => [
        `address add ${addresses[version]}/${lengthOf(version)} dev eth0`,
        `route add default via ${gateways[index]}`,
      ]),
    ]);
  }
}

/** What happened to packets to the target between two counts, in each family. */
export function trafficTo(target: Target, before: Counts, now: Counts): Traffic[] {
  return versions.map((version) => {
    const since = (way: string): number => {
      const name = counterOf(way, version, target);
      return now.get(name)! - before.get(name)!;
    };
    return { arrived: since('in'), passed: since('out') };
  });
}

export function sumOf(traffic: readonly Traffic[], what: keyof Traffic): number {
  return traffic.reduce((sum, each) => sum + each[what], 0);
}

function tableOf(version: Version): 'ip' | 'ip6' {
  return routedTable[version === 4 ? 'ipv4' : 'ipv6'];
}

/** Prefixes of 80 bits leave the number of the pod in the address. */
function lengthOf(version: Version): number {
  return version === 4 ? 24 : 80;
}

function podOf(version: Version, address: string): number {
  return Number(address.split(version === 4 ? '.' : ':')[version === 4 ? 2 : 3]);
}

function counterOf(way: string, version: Version, { pod, port }: Target): string {
  return `${way}-${version}-${pod}-${port}`;
}

interface Listed {
  readonly counter?: { readonly name: string; readonly packets: number };
  readonly set?: {
    readonly family: string;
    readonly table: string;
    readonly name: string;
    readonly elem?: readonly unknown[];
  };
}
interface FlowElement {
  readonly elem: { readonly val: { readonly concat: readonly unknown[] } };
}

function counting(targets: readonly Target[]): string {
  const each = (write: (version: Version, target: Target) => string): string =>
    versions.flatMap((version) => targets.map((target) => write(version, target))).join('\n');
  const rules = (way: string): string =>
    each((version, target) => {
      const daddr = `${tableOf(version)} daddr ${podAddresses(target.pod)[version]}`;
      return `${daddr} udp dport ${target.port} counter name ${counterOf(way, version, target)}`;
    });
  return `
table inet counts {
  ${['in', 'out'].map((way) => each((version, target) => `counter ${counterOf(way, version, target)} { }`)).join('\n')}
  chain in { type filter hook prerouting priority -400
    ${rules('in')}
  }
  chain out { type filter hook postrouting priority 400
    ${rules('out')}
  }
}
`;
}

/** Sends to all targets as fast as it can, from one port. */
function flood(targets: readonly Target[]): string {
  const ends = versions.map((version) => [version, targets.map(({ pod, port }) => [podAddresses(pod)[version], port])]);
  return `
import socket
to = []
for family, ends in ${JSON.stringify(ends)}:
    out = socket.socket(socket.AF_INET if family == 4 else socket.AF_INET6, socket.SOCK_DGRAM)
    if family == 6:
        out.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    out.bind(("", 4000))
    out.setblocking(False)
    to += [(out, tuple(end)) for end in ends]
while True:
    for out, end in to:
        for _ in range(32):
            try:
                out.sendto(b"x", end)
            except OSError:
                pass
`;
}

/** Answers one packet of many, so that connections stand. */
function answers(ports: readonly number[]): string {
  return `
import selectors, socket
ready = selectors.DefaultSelector()
for family in (socket.AF_INET, socket.AF_INET6):
    for port in ${JSON.stringify(ports)}:
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
}
