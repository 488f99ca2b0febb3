import assert from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import { openConnectionReader } from '../../src/apply/connection-reader.ts';
import type { TrackedConnection } from '../../src/nftables/conntrack-dump.ts';
import { trackedStatus } from '../../src/nftables/conntrack-dump.ts';
import { openNetlinkIn } from '../support/netlink-in-namespace.ts';
import { openKernel, type Kernel } from './kernel.ts';

const tracked = [
  // Translated from a Service to a pod, on another port.
  '-p tcp -s 10.1.0.2 -d 10.96.0.1 --sport 6 --dport 80 --dst-nat 10.1.0.3:8080 --state ESTABLISHED -u SEEN_REPLY,ASSURED',
  // Translated on the way out.
  '-p tcp -s 10.1.0.2 -d 203.0.113.9 --sport 7 --dport 443 --src-nat 192.0.2.1 --state SYN_SENT',
  '-p udp -s 10.1.0.2 -d 10.1.0.9 --sport 5000 --dport 53 -u SEEN_REPLY',
  '-p sctp -s 10.1.0.2 -d 10.1.0.9 --sport 9 --dport 90 --state ESTABLISHED --orig-vtag 5 --reply-vtag 6',
  '-p icmp -s 10.1.0.2 -d 10.1.0.9 --icmp-type 8 --icmp-code 0 --icmp-id 11',
  '-p gre -s 10.1.0.2 -d 10.1.0.9 --srckey 1 --dstkey 2',
  '-p tcp -s fd01::2 -d fd01::3 --sport 6 --dport 80 --state ESTABLISHED -u SEEN_REPLY,ASSURED',
  '-p icmpv6 -s fd01::2 -d fd01::3 --icmpv6-type 128 --icmpv6-code 0 --icmpv6-id 3',
];
const v4 = (text: string): number =>
  Number(
    `0x${text
      .split('.')
      .map((part) => Number(part).toString(16).padStart(2, '0'))
      .join('')}`,
  );
const v6 = (last: number): string => `\xfd\x01${'\0'.repeat(13)}${String.fromCharCode(last)}`;

describe('tracked connections (kernel)', function () {
  this.timeout(180_000);
  let kernel: Kernel;
  before(async function () {
    kernel = await openKernel(this);
  });
  after(() => kernel?.close());

  async function readAll(): Promise<{ all: TrackedConnection[]; parts: number }> {
    const reader = openConnectionReader(openNetlinkIn(kernel.namespacePath));
    const into: TrackedConnection = { source: '', destination: '', protocol: 0, port: 0, status: 0, id: 0 };
    const all: TrackedConnection[] = [];
    await reader.begin();
    let parts = 1;
    while (!reader.readPart(into, () => all.push({ ...into }))) parts++;
    // The socket serves another look.
    await reader.begin();
    while (!reader.readPart(into, () => {}));
    reader.close();
    return { all, parts };
  }
  const insert = (lines: readonly string[]): Promise<string> =>
    kernel.sh(
      `conntrack -F 2>/dev/null; conntrack -R - <<'END' 2>/dev/null\n${lines.map((each) => `-I ${each} -t 600`).join('\n')}\nEND`,
    );

  it('are read with both addresses, the port after translation, status and id', async () => {
    assert.deepEqual((await readAll()).all, []);
    await insert(tracked);
    const { all } = await readAll();
    const known = trackedStatus.answered | trackedStatus.assured;
    const found = all.map(({ source, destination, protocol, port, status }) => [
      source,
      destination,
      protocol,
      port,
      status & known,
    ]);
    const byText = (a: unknown, b: unknown): number => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);
    const pod = v4('10.1.0.2');
    assert.deepEqual(
      found.sort(byText),
      [
        [pod, v4('10.1.0.3'), 6, 8080, 6],
        [pod, v4('203.0.113.9'), 6, 443, 0],
        [pod, v4('10.1.0.9'), 17, 53, 2],
        [pod, v4('10.1.0.9'), 132, 90, 0],
        [pod, v4('10.1.0.9'), 1, 0, 0],
        [pod, v4('10.1.0.9'), 47, 2, 0],
        [v6(2), v6(3), 6, 80, 6],
        [v6(2), v6(3), 58, 0, 0],
      ].sort(byText),
    );
    const ids = new Set(all.map(({ id }) => id));
    assert.equal(ids.size, tracked.length);
    const again = await readAll();
    assert.deepEqual(new Set(again.all.map(({ id }) => id)), ids, 'ids stay');
  });

  it('come in parts, each connection once', async () => {
    const line = '-I -p udp -s 10.1.0.2 -d 10.1.0.9 --sport %g --dport %g -t 600';
    await kernel.sh(
      `conntrack -F 2>/dev/null; seq 1000 2999 | sed 's/.*/${line.replaceAll('%g', '&')}/' | conntrack -R - 2>/dev/null`,
    );
    const { all, parts } = await readAll();
    assert.equal(new Set(all.map(({ port }) => port)).size, 2_000);
    assert.equal(all.length, 2_000);
    assert.ok(parts > 5, `${parts} parts`);
  });
});
