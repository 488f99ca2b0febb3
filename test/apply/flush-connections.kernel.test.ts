import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'mocha';
import { createFlushConnections } from '../../src/apply/flush-connections.ts';

import { openKernel, type Kernel } from './kernel.ts';

const udp = (from: string, to: string, port: number): string => `-p udp -s ${from} -d ${to} --sport ${port} --dport 53`;

/** Each names 10.7.0.1 or fd07::1, of every kind that conntrack(8) tells apart. */
const named = [
  udp('10.7.0.1', '10.2.0.9', 1),
  udp('10.2.0.9', '10.7.0.1', 2),
  // Translated: to the address, from it, and of it.
  `${udp('10.2.0.9', '10.96.0.1', 3)} --dst-nat 10.7.0.1`,
  `${udp('10.2.0.9', '10.2.0.8', 4)} --src-nat 10.7.0.1`,
  `${udp('10.7.0.1', '10.96.0.1', 5)} --dst-nat 10.2.0.8 --src-nat 10.2.0.7`,
  '-p tcp -s 10.7.0.1 -d 10.2.0.9 --sport 6 --dport 80 --state SYN_SENT',
  '-p tcp -s 10.7.0.1 -d 10.2.0.9 --sport 7 --dport 80 --state ESTABLISHED -u SEEN_REPLY,ASSURED',
  '-p tcp -s 10.7.0.1 -d 10.2.0.9 --sport 8 --dport 80 --state CLOSE -u SEEN_REPLY',
  '-p sctp -s 10.7.0.1 -d 10.2.0.9 --sport 9 --dport 80 --state ESTABLISHED --orig-vtag 5 --reply-vtag 6',
  '-p udplite -s 10.7.0.1 -d 10.2.0.9 --sport 10 --dport 80',
  '-p dccp -s 10.7.0.1 -d 10.2.0.9 --sport 13 --dport 80 --state OPEN --role client',
  '-p icmp -s 10.7.0.1 -d 10.2.0.9 --icmp-type 8 --icmp-code 0 --icmp-id 11',
  '-p gre -s 10.7.0.1 -d 10.2.0.9 --srckey 1 --dstkey 2',
  '-p 50 -s 10.7.0.1 -d 10.2.0.9',
  `${udp('10.7.0.1', '10.2.0.9', 12)} -w 7`,
  udp('fd07::1', 'fd02::9', 1),
  '-p tcp -s fd02::9 -d fd07::1 --sport 2 --dport 80 --state ESTABLISHED',
  '-p icmpv6 -s fd07::1 -d fd02::9 --icmpv6-type 128 --icmpv6-code 0 --icmpv6-id 3',
];
const others = [
  udp('10.7.0.11', '10.2.0.9', 1),
  udp('10.17.0.1', '10.2.0.9', 1),
  udp('fd07::11', 'fd02::9', 1),
  '-p tcp -s 10.7.0.2 -d 10.2.0.9 --sport 6 --dport 80 --state SYN_SENT',
];

describe('connections of an address (kernel)', function () {
  this.timeout(180_000);
  let kernel: Kernel;
  let folder: string;
  before(async function () {
    kernel = await openKernel(this);
    folder = await mkdtemp(join(tmpdir(), 'postern-conntrack-'));
  });
  after(async () => {
    await kernel?.close();
    if (folder) await rm(folder, { recursive: true });
  });

  beforeEach(async () => {
    const commands = [...named, ...others].map((each) => `-I ${each} -t 600`).join('\n');
    await kernel.sh(`conntrack -F 2>/dev/null; conntrack -R - <<'END' 2>/dev/null\n${commands}\nEND`);
    assert.equal(await count(), named.length + others.length);
  });

  async function count(): Promise<number> {
    return Number(await kernel.sh('conntrack -C'));
  }

  async function list(): Promise<string> {
    return kernel.sh('for family in ipv4 ipv6; do conntrack -L -f $family -o save 2>/dev/null; done');
  }

  /** A conntrack that does with what it is given, on standard input too, what the shell says. */
  async function program(shell: string): Promise<string> {
    const path = join(folder, 'conntrack');
    await writeFile(path, `#!/bin/sh\nreal=${kernel.conntrack}\n${shell}\n`);
    await chmod(path, 0o755);
    return path;
  }

  it('are deleted, wherever an entry names it, and no others', async () => {
    await createFlushConnections({ program: kernel.conntrack })(['10.7.0.1', 'fd07::1', '10.7.0.200'], []);
    const left = await list();
    assert.doesNotMatch(left, / (10\.7\.0\.1|fd07::1) /);
    assert.equal(left.trim().split('\n').length, others.length);
  });

  it('are expired, which costs no listing for each', async () => {
    await createFlushConnections({
      program: await program('[ "$1" = -D ] && exit 1; exec $real "$@"'),
    })(['10.7.0.1', 'fd07::1'], []);
    assert.equal(await count(), others.length);
  });

  it('are deleted of one family alone where that is asked', async () => {
    await createFlushConnections({ program: kernel.conntrack })(['fd07::1'], []);
    const left = await list();
    assert.doesNotMatch(left, / fd07::1 /);
    assert.equal(left.trim().split('\n').length, named.length - 3 + others.length);
  });

  const faults: Readonly<Record<string, string>> = {
    'that do not expire, since a packet has extended them': '[ "$1" = -R ] && exit 0; exec $real "$@"',
    'that cannot be expired': '[ "$1" = -R ] && exit 1; exec $real "$@"',
  };
  for (const [what, shell] of Object.entries(faults)) {
    it(`are deleted one address after the other, ${what}`, async () => {
      await createFlushConnections({ program: await program(shell) })(['10.7.0.1', 'fd07::1'], []);
      assert.doesNotMatch(await list(), / (10\.7\.0\.1|fd07::1) /);
      assert.equal(await count(), others.length);
    });
  }

  it('start one process where there are none', async () => {
    const log = join(folder, 'log');
    await createFlushConnections({ program: await program(`echo "$@" >>${log}; exec $real "$@"`) })(['10.7.0.200'], []);
    assert.equal(await kernel.sh(`cat ${log}`), '-L -f ipv4 -o save');
  });

  it('are listed for the addresses in ranges that they name, once the others are deleted', async () => {
    const flush = createFlushConnections({ program: kernel.conntrack });
    const ranges = ['10.7.0.0/24', 'fd07::/64'];
    assert.deepEqual([...(await flush([], ranges))].sort(), [
      '10.7.0.1',
      '10.7.0.11',
      '10.7.0.2',
      'fd07::1',
      'fd07::11',
    ]);
    const left = ['10.7.0.11', '10.7.0.2', 'fd07::11'];
    const slow = createFlushConnections({ program: await program('[ "$1" = -R ] && exit 1; exec $real "$@"') });
    assert.deepEqual([...(await slow(['10.7.0.1'], ['10.7.0.0/24']))].sort(), ['10.7.0.11', '10.7.0.2']);
    assert.deepEqual([...(await flush(['10.7.0.1', 'fd07::1'], ranges))].sort(), left);
    assert.deepEqual([...(await flush([], ['10.7.0.8/29']))], ['10.7.0.11']);
    assert.deepEqual([...(await flush([], []))], []);
  });

  it('say why some may be left', async () => {
    const failing = await program('echo "Operation failed: no rights" >&2; exit 1');
    const reasonOf = (options: object) =>
      createFlushConnections(options)(['10.7.0.1'], []).then(() => assert.fail(), String);
    assert.match(
      await reasonOf({ program: failing }),
      /conntrack -L -f ipv4 -o save failed: Operation failed: no rights/,
    );
    assert.match(await reasonOf({ program: join(folder, 'none') }), /conntrack cannot be used: install conntrack/);
    const hanging = await program('exec sleep 60');
    assert.match(await reasonOf({ program: hanging, timeoutMs: 100 }), /did not end in time/);
  });
});
