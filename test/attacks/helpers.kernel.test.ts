import assert from 'node:assert/strict';
import { after, before, it } from 'mocha';
import { labCnis } from '../../src/lab/cni-config.ts';
import { families } from '../../src/model/address.ts';
import type { Family } from '../../src/model/address.ts';
import { routedTable } from '../../src/nftables/ruleset.ts';
import { skipTest } from '../support/skip.ts';
import type { AttackLab, PodKey } from './attack-lab.ts';
import { carryOut, onLab } from './on-each-lab.ts';
import type { Attack, Scene } from './on-each-lab.ts';
import { fairly, hex, newPort, say } from './steps.ts';

/**
 * S5.3: a helper of connection tracking reads what a tenant sends, and expects another connection. The kernel calls that one `related`. It is
 * judged as any new one, whatever the operator uses helpers for.
 */
const operatorTable = (family: Family): string => `table ${routedTable[family]} operator {
  ct helper ftp { type "ftp" protocol tcp; l3proto ${routedTable[family]}; }
  ct helper tftp { type "tftp" protocol udp; l3proto ${routedTable[family]}; }
  chain attach {
    type filter hook prerouting priority 0;
    tcp dport { 80, 8080 } ct helper set "ftp"
    udp dport 7001 ct helper set "tftp"
  }
  chain expected {
    type filter hook forward priority -20;
    ct state related meta l4proto { tcp, udp } counter
  }
}`;

/** The opcode of a read request, a file and a mode (RFC 1350). The answer comes from any port. */
const readRequest = Buffer.from('\0\u0001file\0octet\0');

/** The line by which a client of FTP says where it expects its data (RFC 959, RFC 2428). */
function dataPort(address: string, port: number): string {
  return address.includes(':')
    ? `EPRT |2|${address}|${port}|\r\n`
    : `PORT ${[...address.split('.'), port >> 8, port & 255].join(',')}\r\n`;
}

interface Way {
  readonly what: string;
  /** Who asks whom, as policies allow, so that the kernel expects a connection from the server to the client. */
  readonly client: PodKey;
  readonly server: PodKey;
}

const ways: readonly Way[] = [
  { what: 'to an isolated pod', client: 'bank/shut', server: 'evil/free' },
  { what: 'to an isolated pod from another node', client: 'bank/shut', server: 'evil/far' },
  { what: 'from an isolated pod', client: 'evil/free', server: 'evil/caged' },
  { what: 'from an isolated pod to another node', client: 'evil/far', server: 'evil/caged' },
];

const overTftp = ({ what, client, server }: Way): Attack => ({
  name: `a datagram that TFTP expects, ${what}`,
  ear: client,
  attempt: async ({ attacks, family, text }) => {
    const port = newPort();
    await attacks.act(client, 'plain', [say(port, attacks.address(server, family), 7001, readRequest)]);
    await attacks.act(server, 'plain', [say(newPort(), attacks.address(client, family), port, text)]);
  },
  honest: fairly(server, client),
});

const overFtp = ({ what, client, server }: Way): Attack => ({
  name: `a connection that FTP expects, ${what}`,
  ear: client,
  attempt: async ({ attacks, family }) => {
    const [from, to] = [attacks.address(client, family), attacks.address(server, family)];
    const [control, data] = [newPort(), newPort()];
    await attacks.act(client, 'plain', [
      { do: 'dial', sport: control, to, port: 8080 },
      { do: 'greeting', sport: control, ms: 2000 },
      // The helper begins to read behind the end of a line that it has seen.
      { do: 'tell', sport: control, hex: hex('USER anonymous\r\n') },
      { do: 'pause', ms: 50 },
      { do: 'tell', sport: control, hex: hex(dataPort(from, 80)) },
    ]);
    const seen = await attacks.act(server, 'plain', [
      { do: 'dial', sport: data, to: from, port: 80 },
      { do: 'greeting', sport: data, ms: 500 },
    ]);
    return seen.at(-1) === client;
  },
  honest: fairly(server, client),
});

/** Of the node, so that no attack is thought to fail which the kernel has not taken for what was expected. */
async function countExpected(attacks: AttackLab, family: Family): Promise<number> {
  const listing = await attacks.run('node', 'nft', 'list', 'chain', routedTable[family], 'operator', 'expected');
  return Number(/packets ([0-9]+)/.exec(listing)![1]);
}

const isExpected = (attack: Attack): Attack => ({
  ...attack,
  attempt: async (scene: Scene) => {
    const earlier = await countExpected(scene.attacks, scene.family);
    const result = await attack.attempt(scene);
    const more = (await countExpected(scene.attacks, scene.family)) - earlier;
    assert.ok(more > 0, 'the kernel has expected no such connection');
    return result;
  },
});

for (const cni of labCnis) {
  for (const isEnforced of [true, false]) {
    onLab(`connections that helpers expect${isEnforced ? '' : ', without agents'}`, { cni, isEnforced }, (attacks) => {
      before(async function () {
        for (const family of families) {
          try {
            await attacks().run('node', 'nft', operatorTable(family));
          } catch (error) {
            // ENOENT of the helper's type (nft_ct_helper_obj_init in net/netfilter/nft_ct.c).
            if (!String(error).includes('No such file or directory')) throw error;
            skipTest(
              this,
              'the kernel has no conntrack helpers of FTP and TFTP; test/compile/base-chains.test.ts proves the rule by trace',
            );
          }
        }
      });
      after(async () => {
        for (const family of families)
          await attacks().run('node', 'nft', 'destroy', 'table', routedTable[family], 'operator');
      });
      for (const attack of [...ways.map(overTftp), ...ways.map(overFtp)]) {
        for (const family of families) {
          it(`${attack.name}, ${family}: ${isEnforced ? 'fails' : 'succeeds'}`, async () => {
            await carryOut(isExpected(attack), { attacks: attacks(), family, cni }, !isEnforced);
          });
        }
      }
    });
  }
}
