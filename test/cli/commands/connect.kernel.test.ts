import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { after, before, describe, it } from 'mocha';
import { openKernel, type Kernel } from '../../apply/kernel.ts';

const postern = `${process.execPath} ${fileURLToPath(new URL('../../../src/main.ts', import.meta.url))}`;

/** Ports: 7000 answers, 7001 is dropped, at 7002 nobody listens. */
const world = `
  ip link set lo up
  nft 'add table inet postern; add chain inet postern input { type filter hook input priority 0; }'
  nft add rule inet postern input tcp dport 7001 drop
  setsid ${process.execPath} -e "require('net').createServer(s => s.end()).listen(7000, '::')" >/dev/null 2>&1 &
  echo $!`;

describe('postern connect', function () {
  this.timeout(30_000);
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

  it('is content with what it was told to wait for', async () => {
    assert.equal(await connect('127.0.0.1 7000'), 'allowed: 127.0.0.1 7000');
    assert.equal(await connect('::1 7000 --until allowed'), 'allowed: ::1 7000');
    assert.equal(await connect('127.0.0.1 7001 --until denied --timeout 1'), 'denied: 127.0.0.1 7001');
  });

  it('tries until then', async () => {
    const denied = connect('127.0.0.1 7000 --until denied --timeout 25');
    await kernel.sh('nft add rule inet postern input tcp dport 7000 drop');
    assert.equal(await denied, 'denied: 127.0.0.1 7000');
    const allowed = connect('127.0.0.1 7000 --timeout 25');
    await kernel.sh('nft flush chain inet postern input');
    assert.equal(await allowed, 'allowed: 127.0.0.1 7000');
    await kernel.sh('nft add rule inet postern input tcp dport 7001 drop');
  });

  it('says what it got instead, and takes a refusal for neither', async () => {
    for (const [args, expected] of [
      ['127.0.0.1 7001 --timeout 1', '127.0.0.1 7001 is not allowed after 1 s: denied'],
      ['127.0.0.1 7000 --until denied --timeout 1', '127.0.0.1 7000 is not denied after 1 s: allowed'],
      ['127.0.0.1 7002 --until denied --timeout 1', '127.0.0.1 7002 is not denied after 1 s: ECONNREFUSED'],
      ['127.0.0.1 7002 --timeout 1', '127.0.0.1 7002 is not allowed after 1 s: ECONNREFUSED'],
    ] as const) {
      assert.equal(await connect(args), `postern: ${expected}\nexit 1`);
    }
  });

  it('refuses what is no port and no time', async () => {
    assert.match(await connect('127.0.0.1 http'), /^postern: PORT: "http" is not a number up to 65535\nexit 2$/);
    assert.match(await connect('127.0.0.1 65536'), /65535\nexit 2$/);
    assert.match(await connect('127.0.0.1 80 --timeout soon'), /^postern: --timeout: "soon" is not .*\nexit 2$/);
  });
});
