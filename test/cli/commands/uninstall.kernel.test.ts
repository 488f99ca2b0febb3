import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { after, before, describe, it } from 'mocha';
import { openKernel, type Kernel } from '../../apply/kernel.ts';

const main = fileURLToPath(new URL('../../../src/main.ts', import.meta.url));

describe('postern uninstall', function () {
  this.timeout(180_000);
  let kernel: Kernel;
  before(async function () {
    kernel = await openKernel(this);
  });
  after(() => kernel?.close());

  const uninstall = (): Promise<string> => kernel.sh(`${process.execPath} ${main} uninstall`);

  it('deletes our tables with any content, deletes no others, and reports it', async () => {
    await kernel.sh(`nft -f - <<'END'
      table ip postern {
        set s { type ipv4_addr; elements = { 10.0.0.1 }; }
        map m { type ipv4_addr : verdict; elements = { 10.0.0.1 : goto class } }
        chain class { ip saddr @s return; drop; }
        chain forward { type filter hook forward priority -10; ip saddr vmap @m; }
      }
      table ip6 postern {
        set s { type ipv6_addr; elements = { fd01::1 }; }
        chain forward { type filter hook forward priority -10; ip6 saddr @s drop; }
      }
      table bridge postern {
        set ports { type ifname; elements = { "veth-a" }; }
        chain prerouting { type filter hook prerouting priority -300; iifname @ports drop; }
      }
      table bridge other { }
      table inet postern { }
      table ip other { }
END`);
    assert.equal(
      await uninstall(),
      [
        'deleted table ip postern: 2 chains, 1 sets, 1 maps',
        'deleted table ip6 postern: 1 chains, 1 sets, 0 maps',
        'deleted table bridge postern: 1 chains, 1 sets, 0 maps',
      ].join('\n'),
    );
    const left = await kernel.sh('nft list tables');
    assert.deepEqual(left.split('\n').toSorted(), ['table bridge other', 'table inet postern', 'table ip other']);
  });

  for (const family of ['ip', 'ip6', 'bridge']) {
    it(`deletes the table of ${family} if it is the only one`, async () => {
      await kernel.sh(`nft add table ${family} postern`);
      assert.equal(await uninstall(), `deleted table ${family} postern: 0 chains, 0 sets, 0 maps`);
      assert.doesNotMatch(await kernel.sh('nft list tables'), new RegExp(`table ${family} postern`));
    });
  }

  it('succeeds if there is none', async () => {
    assert.equal(await uninstall(), 'this node has no table of Postern');
  });
});
