import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'mocha';
import { tableFamilies, type Ruleset, type Table } from '../../src/nftables/ruleset.ts';
import { readMetric, readPage } from './agent-pages.ts';
import { Cluster, needMachine } from './cluster.ts';
import { eventually } from './eventually.ts';
import { NftShim } from './nft-shim.ts';
import { listTables } from './our-tables.ts';
import { pods, policy } from './policies.ts';
import { nameLab } from '../support/lab-name.ts';

/** On the node, as variables of a shell: a class chain, the group that it reads, and the address of peers/far, which is in none. */
const names = (far: string): string => `
  class=$(nft list map ip postern ingress4 | sed -n 's/.*jump \\(ingress-[a-z0-9]*\\).*/\\1/p' | head -n 1)
  group=$(nft list chain ip postern "$class" | sed -n 's/.*@\\(pods4-[a-z0-9/]*\\).*/\\1/p' | head -n 1)
  member=$(nft list set ip postern "$group" | grep -o '10[.][0-9.]*' | head -n 1)
  isolated=$(nft list set ip postern isolated4 | grep -o '10[.][0-9.]*' | head -n 1)
  drop=$(nft -a list chain ip6 postern deny-ingress | sed -n 's/.*drop # handle //p')
  far=${far}
`;

/** None of them changes a chain that every packet meets, but the last. */
const changes: Readonly<Record<string, string>> = {
  'a chain is flushed': 'nft flush chain ip postern deny-ingress',
  'a rule is deleted': 'nft delete rule ip6 postern deny-ingress handle $drop',
  'a rule is added at the head of the chain of a class': 'nft insert rule ip postern $class accept',
  'a rule that is none of ours is added': 'nft insert rule ip postern $class meta mark 7 accept',
  'an element of a map is deleted': 'nft delete element ip postern ingress4 "{ $isolated }"',
  'an element of a set is deleted': 'nft delete element ip postern self4 "{ $isolated . $isolated }"',
  'an element is added that lets another in': 'nft add element ip postern $group "{ $far }"',
  'an element is exchanged for another': `nft "delete element ip postern $group { $member }; add element ip postern $group { $far }"`,
  'a set is flushed': 'nft flush set ip postern isolated4',
  'an element is added to a set that packets fill': `nft 'add element ip postern udp-flows4 { "lo" . "lo" . 192.0.2.1 . 192.0.2.2 . 9 timeout 1h }'`,
  'the other edition of the sets that packets fill is chosen': `if nft list set ip6 postern flows-second | grep -q elements
    then nft flush set ip6 postern flows-second; else nft add element ip6 postern flows-second '{ tcp, udp }'; fi`,
  'an edition of the sets that packets fill is chosen for one protocol': `nft 'add element ip postern flows-second { tcp, udp }; delete element ip postern flows-second { udp }'`,
  'a set is added': 'nft add set ip postern stray "{ type ipv4_addr; }"',
  'a named counter is added': 'nft add counter ip postern stray',
  'a chain is renamed': 'nft rename chain ip postern replies stray',
  'a chain is added whose name nft cannot write': `echo '{"nftables":[{"add":{"chain":{"family":"ip","table":"postern","name":"a b"}}}]}' | nft -j -f -`,
  'a chain of bridge ports is flushed': 'nft flush chain bridge postern port-sources',
  'a whole table is deleted': 'nft delete table bridge postern',
  'a table is switched off': 'nft add table ip postern "{ flags dormant; }"',
};

const policies = [
  policy('x', 'deny', { ingress: [] }),
  policy('x', 'allow', { ingress: [{ from: [pods({ pod: 'near' }, { team: 'peers' })] }] }),
];

describe('any part of our tables in the hands of another program (kernel)', function () {
  this.timeout(180_000);
  let cluster: Cluster;
  let shim: NftShim;
  before(async function () {
    await needMachine(this, 'bridge');
    shim = await NftShim.create();
    cluster = await Cluster.up({
      name: nameLab('kdrift'),
      // Elements are read as the agent reads them by default.
      agents: { env: { ...shim.env, POSTERN_FAST_PATH: 'true', POSTERN_NETLINK: 'true' } },
    });
  });
  beforeEach(async () => {
    await cluster.apply(...policies);
    await eventually(async () => ((await metric('postern_drift_monitor_up')) === 1 ? undefined : 'nothing listens'));
  });
  afterEach(() => cluster.reset());
  after(async () => {
    await cluster?.lab.down();
    await shim?.remove();
  });

  /** Our tables. Each change chooses another edition of flow sets. */
  async function listed(): Promise<Ruleset | undefined> {
    const held = await listTables(cluster.lab);
    const withoutChoice = ({ sets, ...table }: Table): Table => {
      const choice = sets.get('flows-second');
      return { ...table, sets: choice ? new Map(sets).set(choice.name, { ...choice, elements: new Set() }) : sets };
    };
    return held && Object.fromEntries(Object.entries(held).map(([family, table]) => [family, withoutChoice(table)]));
  }

  for (const [change, command] of Object.entries(changes)) {
    it(`is restored where ${change} (S7.18)`, async () => {
      const [held, before] = [await listed(), await metric('postern_drift_total')];
      await onNode(`${names(cluster.address('peers/far', 'ipv4'))} set -x; ${command}`);
      await eventually(async () =>
        (await metric('postern_drift_total')) > before ? undefined : 'the agent has not noticed',
      );
      await eventually(async () => {
        const { status, body } = await readPage(cluster.lab, 'n1', '/readyz');
        return status === 200 ? undefined : body;
      });
      assert.deepEqual(await listed(), held);
      await cluster.expect([
        { from: 'peers/near', to: 'x/p', port: 'TCP/80', answer: 'x/p' },
        { from: 'peers/far', to: 'x/p', port: 'TCP/80', answer: 'timeout' },
      ]);
    });
  }

  it('is not read, and not held to be changed, while another program changes its own tables and the agent ours', async () => {
    await settled();
    await shim.reset();
    const before = await metric('postern_drift_total');
    for (let turn = 0; turn < 10; turn++) {
      await onNode(`for i in 1 2 3 4 5 6 7 8 9 10; do
        nft "add table ip proxy; add map ip proxy m { type ipv4_addr : verdict; }; add chain ip proxy c; \\
          add rule ip proxy c ip saddr { 10.0.0.1, 10.0.0.2 } accept; add element ip proxy m { 10.0.0.$i : goto c }"
        nft "flush map ip proxy m; flush chain ip proxy c"
      done`);
      await cluster.apply(
        policy('x', 'turn', { ingress: [{ from: [pods({ pod: turn % 2 ? 'far' : 'third' }, { team: 'peers' })] }] }),
      );
    }
    await settled();
    const lists = await shim.lists();
    assert.equal((await metric('postern_drift_total')) - before, 0);
    // The first time, nft does not know the tables that are new since it began to listen. The sampler lists each table once in a round, and two rounds can
    // fall into the test. A report of nft monitor that comes late costs a reading, too. An agent that
    // reads after each transaction of another program lists hundreds.
    assert.ok(lists <= 10 * tableFamilies.length, `${lists} tables were listed`);
    const held = await listed();
    await onNode(`nft flush chain ip postern deny-ingress`);
    await eventually(async () =>
      (await metric('postern_drift_total')) > before ? undefined : 'the agent has not noticed',
    );
    await settled();
    assert.deepEqual(await listed(), held);
  });

  /** All that the agent has to look at has been looked at. */
  async function settled(): Promise<void> {
    await eventually(async () => {
      const { status, body } = await readPage(cluster.lab, 'n1', '/readyz');
      return status === 200 ? undefined : body;
    });
    await cluster.lab.settle();
  }

  function onNode(script: string): Promise<string> {
    return cluster.lab.exec('node/n1', 'sh', '-ec', script);
  }

  async function metric(name: string): Promise<number> {
    return (await readMetric(cluster.lab, 'n1', name)) ?? 0;
  }
});
