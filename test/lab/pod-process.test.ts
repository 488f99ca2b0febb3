import assert from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import { createNamespace, deleteNamespace, runInNamespace } from '../../src/lab/network-namespace.ts';
import { PodProcess } from '../../src/lab/pod-process.ts';
import type { FlowEnds, ProbeTarget } from '../../src/lab/pod-process.ts';
import { runCommand } from '../../src/lab/command.ts';
import { until } from './until.ts';

const client = `postern-pod${process.pid}-client`;
const server = `postern-pod${process.pid}-server`;
const quick = { tries: 2, deadlineMs: 300 };
/** Where an answer is expected: a machine under load is slow. */
const patient = { tries: 3, deadlineMs: 6000 };

describe('lab: the process in a pod (kernel)', function () {
  this.timeout(180_000);
  let from: PodProcess;
  let to: PodProcess;
  before(async () => {
    await createNamespace(client);
    await createNamespace(server);
    await runCommand('ip', ['link', 'add', 'eth0', 'netns', client, 'type', 'veth', 'peer', 'eth0', 'netns', server]);
    for (const [namespace, number] of [
      [client, 1],
      [server, 2],
    ] as const) {
      const lines = [
        'link set eth0 up',
        `address add 10.9.0.${number}/24 dev eth0`,
        `address add fd09::${number}/64 dev eth0`,
      ];
      await runCommand('ip', ['-n', namespace, '-batch', '-'], { input: lines.join('\n') });
    }
    from = new PodProcess(client);
    to = new PodProcess(server);
    await from.serve('x/client', []);
    await to.serve('x/server', [
      { protocol: 'TCP', port: 80 },
      { protocol: 'UDP', port: 80 },
      { protocol: 'SCTP', port: 80 },
    ]);
  });
  after(async () => {
    await from.stop();
    await to.stop();
    await deleteNamespace(client);
    await deleteNamespace(server);
  });

  for (const address of ['10.9.0.2', 'fd09::2']) {
    it(`${address} answers with its identity on TCP, UDP and SCTP, and to ICMP`, async () => {
      const targets = (['TCP', 'UDP', 'SCTP', 'icmp'] as const).map((protocol) => ({ protocol, address, port: 80 }));
      const answers = await from.probe(targets, patient);
      assert.deepEqual(
        answers.map(({ identity }) => identity),
        ['x/server', 'x/server', 'x/server', address],
      );
    });

    it(`${address} does not answer on ports it was not given`, async () => {
      const targets = (['TCP', 'UDP', 'SCTP'] as const).map((protocol) => ({ protocol, address, port: 81 }));
      const answers = await from.probe(targets, quick);
      assert.deepEqual(answers, [{ error: 'ECONNREFUSED' }, { error: 'ECONNREFUSED' }, { error: 'timeout' }]);
    });
  }

  it('does not accept an SCTP packet with a wrong checksum as an INIT', async () => {
    // The first bit of the checksum is turned over as the packet leaves, and the server's kernel counts that it came.
    const corrupt =
      'chain output { type filter hook output priority 0; meta l4proto sctp @th,64,8 set @th,64,8 ^ 0x80; }';
    await runInNamespace(client, 'nft', ['-f', '-'], { input: `table inet postern-test { ${corrupt}; }` });
    const count = 'chain input { type filter hook input priority 0; meta l4proto sctp counter; }';
    await runInNamespace(server, 'nft', ['-f', '-'], { input: `table inet postern-test { ${count}; }` });
    const target: ProbeTarget = { protocol: 'SCTP', address: '10.9.0.2', port: 80 };
    assert.deepEqual(await from.probe([target], quick), [{ error: 'timeout' }]);
    assert.match(await runInNamespace(server, 'nft', ['list', 'ruleset']), /counter packets 2 /);
    await runInNamespace(client, 'nft', ['delete', 'table', 'inet', 'postern-test']);
    await runInNamespace(server, 'nft', ['delete', 'table', 'inet', 'postern-test']);
    assert.deepEqual(await from.probe([target], patient), [{ identity: 'x/server' }]);
  });

  it('reports silence as no answer, and waits for all silent targets in parallel', async () => {
    const input = 'table inet postern-test { chain input { type filter hook input priority 0; policy drop; }; }';
    await runInNamespace(server, 'nft', ['-f', '-'], { input });
    const targets = Array.from({ length: 200 }, (_, index): ProbeTarget => ({
      protocol: (['TCP', 'UDP', 'SCTP', 'icmp'] as const)[index % 4]!,
      address: index % 8 < 4 ? '10.9.0.2' : 'fd09::2',
      port: 80,
    }));
    const answers = await from.probe(targets, quick);
    await runInNamespace(server, 'nft', ['delete', 'table', 'inet', 'postern-test']);
    assert.deepEqual(new Set(answers.map(({ error }) => error)), new Set(['timeout']));
  });

  it('retries: an answer to any try counts', async () => {
    // Of every connection attempt and datagram only the third passes.
    const input = `table inet postern-test { chain input { type filter hook input priority 0; policy accept;
      meta l4proto { tcp, udp, sctp, icmp } numgen inc mod 3 != 2 drop; }; }`;
    await runInNamespace(server, 'nft', ['-f', '-'], { input });
    const answers = [];
    for (const protocol of ['UDP', 'SCTP', 'icmp'] as const) {
      const target: ProbeTarget = { protocol, address: '10.9.0.2', port: 80 };
      answers.push(...(await from.probe([target], patient)));
    }
    await runInNamespace(server, 'nft', ['delete', 'table', 'inet', 'postern-test']);
    assert.deepEqual(
      answers.map(({ identity }) => identity),
      ['x/server', 'x/server', '10.9.0.2'],
    );
  });

  it('refuses a port that is taken', async () => {
    const second = new PodProcess(server);
    await assert.rejects(second.serve('x/second', [{ protocol: 'TCP', port: 80 }]), {
      code: 'input',
      message: /EADDRINUSE/,
    });
    await second.stop();
  });

  it('a TCP flow streams in both directions, and each end reports what it received', async () => {
    const options = { protocol: 'TCP', address: 'fd09::2', port: 80, rate: 500 } as const;
    assert.equal(await from.openFlow('tcp-stream--', options), 'x/server');
    const enough = (ends: FlowEnds, end: 'client' | 'server'): boolean => (ends[end]?.received ?? 0) > 50;
    await until(async () => enough(await from.flowStats('tcp-stream--'), 'client'));
    await until(async () => enough(await to.flowStats('tcp-stream--'), 'server'));
    const { server: there } = await to.flowStats('tcp-stream--');
    assert.equal(there!.distinct, there!.highest);
    await from.closeFlow('tcp-stream--');
    // An end that closes before it has read everything sends RST instead of FIN (RFC 2525, 2.17).
    const ended = /^(EOF|ECONNRESET|EPIPE)$/;
    await until(async () => ended.test((await to.flowStats('tcp-stream--')).server?.closed ?? ''));
  });

  it('a UDP flow counts what is lost', async () => {
    const options = { protocol: 'UDP', address: '10.9.0.2', port: 80, rate: 5000, echo: true } as const;
    await from.openFlow('udp-stream--', options);
    await until(async () => ((await to.flowStats('udp-stream--')).server?.received ?? 0) > 500);
    const input =
      'table inet postern-test { chain input { type filter hook input priority 0; udp dport 80 counter drop; }; }';
    await runInNamespace(server, 'nft', ['-f', '-'], { input });
    await until(async () => /packets [1-9][0-9]{2,}/.test(await runInNamespace(server, 'nft', ['list', 'ruleset'])));
    await runInNamespace(server, 'nft', ['delete', 'table', 'inet', 'postern-test']);
    const { server: before } = await to.flowStats('udp-stream--');
    await until(async () => (await to.flowStats('udp-stream--')).server!.received > before!.received + 100);
    const sent = (await from.pauseFlow('udp-stream--')).client!.sent;
    await until(async () => (await to.flowStats('udp-stream--')).server!.highest === sent);
    const { server: there } = await to.flowStats('udp-stream--');
    assert.ok(there!.highest - there!.distinct >= 100, JSON.stringify(there));
    await until(async () => (await from.flowStats('udp-stream--')).client!.distinct === there!.distinct);
    await from.closeFlow('udp-stream--');
  });

  it('reports its end', async () => {
    const short = new PodProcess(client);
    await short.serve('x/short', []);
    const waiting = assert.rejects(
      short.probe([{ protocol: 'UDP', address: '10.9.0.99', port: 80 }], { tries: 1, deadlineMs: 60_000 }),
      { code: 'state' },
    );
    await short.stop();
    await waiting;
    await assert.rejects(short.serve('x/short', []), { code: 'state' });
  });
});
