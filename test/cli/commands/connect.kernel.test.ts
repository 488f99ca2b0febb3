import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { after, before, describe, it } from 'mocha';
import { openKernel, type Kernel } from '../../apply/kernel.ts';

const postern = `${process.execPath} ${fileURLToPath(new URL('../../../src/main.ts', import.meta.url))}`;

const servers = `
  require('net').createServer((s) => s.end()).listen(7000, '::');
  const udp = require('dgram').createSocket('udp6');
  udp.on('message', (text, from) => udp.send(text, from.port, from.address)).bind(7000);
  require('dgram').createSocket('udp6').bind(7003);
  const dns = require('dgram').createSocket('udp6');
  // Name servers answer only queries.
  dns.on('message', (query, from) => query.length > 12 && dns.send(query, from.port, from.address)).bind(53);`;

/**
 * Ports: 7000 answers, 7001 is dropped, at 7002 nobody listens, 7003 never says a thing; 53 is a name server. 127.0.0.9 is rejected as by a
 * router that knows no way, 127.0.0.8 as by one that is not to let it through. Nothing else has a route.
 */
const world = `
  ip link set lo up
  nft 'add table inet denying; add chain inet denying input { type filter hook input priority 0; }'
  nft add rule inet denying input tcp dport 7001 drop
  nft 'add table inet way; add chain inet way input { type filter hook input priority 0; }'
  nft add rule inet way input udp dport 7001 drop
  nft add rule inet way input ip daddr 127.0.0.9 reject with icmp type host-unreachable
  nft add rule inet way input ip daddr 127.0.0.8 reject with icmp type admin-prohibited
  setsid ${process.execPath} -e "${servers}" >/dev/null 2>&1 &
  echo $!`;

describe('postern connect', function () {
  this.timeout(180_000);
  let kernel: Kernel;
  let server: string | undefined;
  before(async function () {
    kernel = await openKernel(this);
    server = await kernel.sh(world);
  });
  after(async () => {
    if (server) process.kill(Number(server));
    await kernel?.close();
  });

  const connect = (args: string): Promise<string> => kernel.sh(`${postern} connect ${args} 2>&1 || echo exit $?`);

  it('succeeds at once if the result is the wanted one', async () => {
    assert.equal(await connect('127.0.0.1 7000'), 'allowed: 127.0.0.1 7000');
    assert.equal(await connect('::1 7000 --until allowed'), 'allowed: ::1 7000');
    assert.equal(await connect('127.0.0.1 7001 --until denied --timeout 1'), 'denied: 127.0.0.1 7001');
  });

  it('retries until the wanted result', async () => {
    const denied = connect('127.0.0.1 7000 --until denied --timeout 25');
    await kernel.sh('nft add rule inet denying input tcp dport 7000 drop');
    assert.equal(await denied, 'denied: 127.0.0.1 7000');
    const allowed = connect('127.0.0.1 7000 --timeout 25');
    await kernel.sh('nft flush chain inet denying input');
    assert.equal(await allowed, 'allowed: 127.0.0.1 7000');
    await kernel.sh('nft add rule inet denying input tcp dport 7001 drop');
  });

  it('prints the actual result, and takes a refusal as neither', async () => {
    for (const [args, expected] of [
      ['127.0.0.1 7001 --timeout 1', '127.0.0.1 7001 is not allowed after 1 s: denied'],
      ['127.0.0.1 7000 --until denied --timeout 1', '127.0.0.1 7000 is not denied after 1 s: allowed'],
      ['127.0.0.1 7002 --until denied --timeout 1', '127.0.0.1 7002 is not denied after 1 s: ECONNREFUSED'],
      ['127.0.0.1 7002 --timeout 1', '127.0.0.1 7002 is not allowed after 1 s: ECONNREFUSED'],
    ] as const) {
      assert.equal(await connect(args), `postern: ${expected}\nexit 1`);
    }
  });

  interface Seen {
    readonly family?: string;
    readonly address: string;
    readonly outcome: string;
    readonly code?: string;
  }
  const once = async (args: string): Promise<[seen: Seen[], exitCode: number]> => {
    const said = await kernel.sh(`${postern} connect --once -o json ${args} 2>&1 && echo exit 0 || echo exit $?`);
    const [, json, code] = /^(\[.*\])\nexit (\d)$/.exec(said) ?? assert.fail(said);
    return [JSON.parse(json!) as Seen[], Number(code)];
  };
  for (const [what, args, exit, ...expected] of [
    ['TCP that is open', '127.0.0.1 7000', 0, 'ipv4 127.0.0.1 connected'],
    ['both families', '127.0.0.1,::1 7000', 0, 'ipv4 127.0.0.1 connected', 'ipv6 ::1 connected'],
    ['TCP that is dropped', '::1 7001', 1, 'ipv6 ::1 no answer'],
    ['TCP to nobody', '127.0.0.1 7002', 1, 'ipv4 127.0.0.1 refused ECONNREFUSED'],
    ['TCP that a router turns away', '127.0.0.9 7000', 1, 'ipv4 127.0.0.9 unreachable EHOSTUNREACH'],
    ['TCP without a route', '203.0.113.1 7000', 1, 'ipv4 203.0.113.1 unreachable ENETUNREACH'],
    ['UDP that is answered', '--protocol UDP 127.0.0.1,::1 7000', 0, 'ipv4 127.0.0.1 connected', 'ipv6 ::1 connected'],
    ['UDP that is dropped', '--protocol udp 127.0.0.1 7001', 1, 'ipv4 127.0.0.1 no answer'],
    ['UDP to nobody', '--protocol UDP ::1 7002', 1, 'ipv6 ::1 refused ECONNREFUSED'],
    ['UDP to one who is silent', '--protocol UDP 127.0.0.1 7003', 1, 'ipv4 127.0.0.1 no answer'],
    ['UDP that a firewall turns away', '--protocol UDP 127.0.0.8 7000', 1, 'ipv4 127.0.0.8 unreachable EHOSTUNREACH'],
    // The kernel does not tell of it: for a datagram, a way that is missing may be back for the next.
    ['UDP that a router turns away', '--protocol UDP 127.0.0.9 7000', 1, 'ipv4 127.0.0.9 no answer'],
    ['UDP without a route', '--protocol UDP 203.0.113.1 7000', 1, 'ipv4 203.0.113.1 unreachable ENETUNREACH'],
    ['a name server, which answers queries alone', '--protocol UDP 127.0.0.1 53', 0, 'ipv4 127.0.0.1 connected'],
    [
      'some that open and some that do not',
      '127.0.0.1,127.0.0.9 7000',
      1,
      'ipv4 127.0.0.1 connected',
      'ipv4 127.0.0.9 unreachable EHOSTUNREACH',
    ],
  ] as const) {
    it(`prints the result of one attempt: ${what}`, async () => {
      const [seen, code] = await once(args);
      const lines = seen.map((each) => [each.family, each.address, each.outcome, each.code].filter(Boolean).join(' '));
      assert.deepEqual([code, lines], [exit, expected]);
    });
  }

  it('reports a name that does not resolve', async () => {
    const [[seen], code] = await once('nobody.invalid 7000');
    assert.equal(code, 1);
    assert.partialDeepStrictEqual(seen, { address: 'nobody.invalid', outcome: 'unresolved' });
    assert.match(seen!.code!, /^(ENOTFOUND|EAI_AGAIN)$/);
  });

  it('tries the addresses of a name', async () => {
    const [seen] = await once('localhost 7000');
    assert.deepEqual(new Set(seen.map(({ outcome }) => outcome)), new Set(['connected']));
  });

  it('prints text too', async () => {
    assert.match(await connect('--once 127.0.0.1 7000'), /^127\.0\.0\.1 TCP\/7000: connected after [\d.]+ ms$/);
    assert.match(await connect('--once 127.0.0.1 7002'), /^127.* refused \(ECONNREFUSED\) after [\d.]+ ms\nexit 1$/);
  });

  it('refuses unsupported arguments and combinations', async () => {
    assert.match(
      await connect('127.0.0.1 7 --once --protocol SCTP'),
      /^postern: --protocol: "SCTP" .*no SCTP sockets\nexit 2$/,
    );
    assert.match(await connect('127.0.0.1,::1 7'), /^postern: HOST: a list needs --once\nexit 2$/);
    assert.match(await connect('127.0.0.1 7 --once --until denied'), /cannot be used with[^]*\nexit 2$/);
  });

  it('refuses an invalid port and an invalid timeout', async () => {
    assert.match(await connect('127.0.0.1 http'), /^postern: PORT: "http" is not a number up to 65535\nexit 2$/);
    assert.match(await connect('127.0.0.1 65536'), /65535\nexit 2$/);
    assert.match(await connect('127.0.0.1 80 --timeout soon'), /^postern: --timeout: "soon" is not .*\nexit 2$/);
  });
});
