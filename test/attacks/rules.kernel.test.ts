import assert from 'node:assert/strict';
import { it } from 'mocha';
import { labCnis } from '../../src/lab/cni-config.ts';
import { families } from '../../src/model/address.ts';
import type { Family } from '../../src/model/address.ts';
import { routedTable } from '../../src/nftables/ruleset.ts';
import type { AttackLab } from './attack-lab.ts';
import { errorLeaks, errorsOfThird, errorsToNode, tooLongErrors } from './icmp-error-attacks.ts';
import { duplicateAddresses, linkChannels, pretenders } from './link-control-attacks.ts';
import { linkLocalAttacks } from './link-local-attacks.ts';
import { carryOut, onLab } from './on-each-lab.ts';
import type { Attack } from './on-each-lab.ts';
import { overheard } from './overheard-attacks.ts';
import { reversedEntries } from './reversed-entries.ts';
import { fairly } from './steps.ts';
import { tunnelAttacks } from './tunnel-attacks.ts';

/** Where a rule stands: the one rule of its chain that the text is of. */
interface Place {
  /** By default that of the attack's family. */
  readonly table?: 'bridge';
  readonly chain: string;
  readonly text: RegExp | Readonly<Record<Family, RegExp>>;
}

/** Which attack gets through without a rule, or without the few of which each alone would hold. */
interface Row {
  readonly rules: readonly Place[];
  readonly attack: Attack;
  /** The rule goes only once the attack has put its policies in force. */
  readonly isLate?: true;
}

function named(attacks: readonly Attack[], name: string): Attack {
  const found = attacks.filter((each) => each.name === name);
  assert.equal(found.length, 1, name);
  return found[0]!;
}

/** What is sent to all reaches this pod too. The rules of an isolated one would deny it a second time. */
function toOpen(attack: Attack): Attack {
  return { ...attack, ear: 'bank/open', honest: fairly('evil/free', 'bank/open') };
}

const onBridge = (chain: string, text: Place['text']): Place => ({ table: 'bridge', chain, text });

/** By what each rule does. */
const rows: Readonly<Record<string, Row>> = {
  'a packet from the address of a pod comes by its device': {
    rules: [{ chain: 'from-wrong-device', text: /@guarded-ips.*drop/ }],
    attack: named(
      reversedEntries,
      'an answer over UDP to what the victim never asked, by the network card, from a neighbour',
    ),
  },
  'a packet from a pod to itself comes by its device': {
    rules: [{ chain: 'from-wrong-device', text: /@guarded-ips.*drop/ }],
    attack: named(reversedEntries, 'a packet from the victim to itself, by the network card, from a neighbour'),
  },
  'the device of a pod sends no tunnel packet to its node': {
    rules: [{ chain: 'input', text: /udp dport .* iifname @pod-and-bridge-ifs .*drop/ }],
    attack: named(tunnelAttacks, "VXLAN of evil/free in another's name, at the gateway's link-local address"),
  },
  'an address of the pod ranges sends no tunnel packet to a node': {
    rules: [{ chain: 'input', text: /udp dport .* saddr \. meta l4proto @cidrs.*drop/ }],
    attack: named(tunnelAttacks, "VXLAN of evil/far in another's name, at an address that the API does not know"),
  },
  'a port sends from its own MAC': {
    rules: [onBridge('port-sources', /iifname \. ether saddr != @port-macs .*drop/)],
    attack: named(
      overheard,
      "takes a datagram of the node away from another pod by a datagram of its own from the victim's MAC",
    ),
  },
  'a port advertises its own addresses': {
    rules: [onBridge('port-sources', /nd-neighbor-advert icmpv6 taddr != fe80::\/10 .*drop/)],
    attack: named(
      overheard,
      "takes a datagram of the node away from another pod by a neighbour advertisement of the victim's address",
    ),
  },
  'a port answers ARP for its own addresses': {
    rules: [onBridge('port-sources', /^iifname @bridge-ports counter .*drop/)],
    attack: named(
      overheard,
      "takes a datagram of the node away from another pod by an ARP reply with the victim's address",
    ),
  },
  'a port gets what is for its own addresses': {
    rules: [
      onBridge('to-port', /^oifname @bridge-ports counter .*drop/),
      onBridge('to-wrong-device', { ipv4: /@guarded-ips4 .*drop/, ipv6: /@guarded-ips6 .*drop/ }),
    ],
    attack: named(
      overheard,
      'reads a datagram of the node to another pod, as the bridge has forgotten where that pod is',
    ),
  },
  'an error is judged by the connection that it is about': {
    rules: [{ chain: 'icmp-errors', text: /ct original .* vmap @egress/ }],
    attack: named(
      errorLeaks('unreachable'),
      'an error (unreachable) about a connection that is denied by now, to bank/open',
    ),
    isLate: true,
  },
  'an error is no longer than errors are': {
    rules: [{ chain: 'icmp-errors', text: /meta length > .*return/ }],
    attack: named(tooLongErrors, 'an error about an allowed connection that is longer than errors are, to bank/open'),
  },
  'a pod sends errors about its own connections': {
    rules: [{ chain: 'icmp-errors', text: /@guarded-ips.*@self.*drop/ }],
    attack: named(
      errorsOfThird,
      'an error (unreachable) about a connection between an accomplice and the victim, from evil/caged',
    ),
  },
  'a pod sends its node errors about its own connections': {
    rules: [{ chain: 'icmp-errors-to-node', text: /@guarded-ips.*@self.*drop/ }],
    attack: named(errorsToNode, 'an error (unreachable) about a connection of the node to another pod'),
  },
  'DHCP goes to no pod': {
    rules: [onBridge('to-port', /ip saddr 0\.0\.0\.0 iifname @bridge-ports .*drop/)],
    attack: toOpen(named(linkChannels, 'DHCP')),
  },
  'DHCPv6 goes to no pod': {
    rules: [onBridge('to-port', /ip6 daddr ff02::1:2 iifname @bridge-ports .*drop/)],
    attack: toOpen(named(linkChannels, 'DHCPv6 by plain sockets')),
  },
  'IGMP of pods goes to no pod': {
    rules: [onBridge('to-port', /ip protocol igmp iifname @bridge-ports .*drop/)],
    attack: named(linkChannels, 'IGMP'),
  },
  'listener discovery of pods goes to no pod': {
    rules: [onBridge('to-port', /icmpv6 type \{.*mld.*\} iifname @bridge-ports .*drop/)],
    attack: named(linkChannels, 'multicast listener discovery, type 143'),
  },
  'ARP is short where it comes from a pod and where it goes to one': {
    rules: [
      onBridge('port-sources', /ether type arp meta length > 46 .*drop/),
      onBridge('to-port', /ether type arp meta length > 46 .*drop/),
    ],
    attack: named(linkChannels, 'behind an ARP question'),
  },
  'a router advertisement comes from no pod and goes from no pod to another': {
    rules: [
      onBridge('port-sources', /icmpv6 type \{ nd-router-advert, nd-redirect \} .*drop/),
      onBridge('to-port', /icmpv6 type \{.*nd-router-advert.*\} iifname @bridge-ports .*drop/),
    ],
    attack: named(pretenders, 'a router advertisement from its link-local address'),
  },
  'an answer of a DHCP server comes from no pod': {
    rules: [onBridge('port-sources', /^udp dport 68 .*drop/)],
    attack: named(pretenders, 'an answer of a DHCP server by plain sockets'),
  },
  'an answer of a DHCPv6 server comes from no pod': {
    rules: [onBridge('port-sources', /^udp dport 546 .*drop/)],
    attack: named(pretenders, 'an answer of a DHCPv6 server by plain sockets'),
  },
  'a port asks for its own addresses before it takes them': {
    rules: [onBridge('port-sources', /nd-neighbor-solicit ip6 saddr :: .*drop/)],
    attack: named(duplicateAddresses, "duplicate address detection of the receiver's address"),
  },
  'what goes to an isolated pod at its link-local address is dropped': {
    rules: [onBridge('to-port', /^oifname @bridge-ports counter .*drop/)],
    attack: named(linkLocalAttacks, 'a datagram at the link-local address of an isolated pod'),
  },
  'what an isolated pod sends to a link-local address is dropped': {
    rules: [onBridge('link-control', /^iifname @bridge-ports counter .*drop/)],
    attack: named(linkLocalAttacks, 'a datagram at the link-local address of another pod, by an isolated one'),
  },
};

/** Uses the lab without the rules, while its agent stands still and so does not restore them. Then they are as they were. */
async function without(
  attacks: AttackLab,
  family: Family,
  rules: readonly Place[],
  use: () => Promise<void>,
): Promise<void> {
  const nft = (...words: readonly string[]): Promise<string> => attacks.run('node', 'nft', ...words);
  const list = (): Promise<string[]> =>
    Promise.all(
      rules.map(({ table = routedTable[family], chain }) =>
        nft('--stateless', 'list', 'chain', table, 'postern', chain),
      ),
    );
  /** With the fast path, what has passed meanwhile is in flow sets. The agent makes them anew with each rule that it restores. */
  const flushingFlows = async (): Promise<string[]> => {
    const table = routedTable[family];
    const names = (await nft('list', 'sets', table)).matchAll(/set (\S+-flows\S*) /g);
    return [...names].map(([, name]) => `flush set ${table} postern ${name}`);
  };
  const agent = attacks.lab.agents.get('n1')!;
  await attacks.lab.settle();
  process.kill(agent.pid!, 'SIGSTOP');
  const restoring: string[] = [];
  const before = await list();
  try {
    for (const { table = routedTable[family], chain, text } of rules) {
      restoring.unshift(`flush chain ${table} postern ${chain}`, await nft('list', 'chain', table, 'postern', chain));
      const lines = (await nft('-a', 'list', 'chain', table, 'postern', chain)).split('\n').map((each) => each.trim());
      const pattern = text instanceof RegExp ? text : text[family];
      const found = lines.filter((each) => pattern.test(each));
      assert.equal(found.length, 1, `${String(pattern)} is of ${found.length} rules of ${chain}:\n${found.join('\n')}`);
      await nft('delete', 'rule', table, 'postern', chain, 'handle', found[0]!.split('# handle ')[1]!);
    }
    await use();
  } finally {
    await nft([...restoring, ...(await flushingFlows())].join('\n'));
    process.kill(agent.pid!, 'SIGCONT');
  }
  assert.deepEqual(await list(), before);
}

/** A control for each rule: it, and nothing else, is what holds. */
for (const cni of labCnis) {
  onLab('a rule is missing', { cni, isEnforced: true }, (attacks) => {
    for (const [what, { rules, attack, isLate }] of Object.entries(rows)) {
      if (attack.plugins?.includes(cni) === false) continue;
      for (const family of attack.of ?? families) {
        it(`${what}: else succeeds ${attack.name}, ${family}`, async () => {
          const scene = { attacks: attacks(), family, cni };
          const around = (use: () => Promise<void>): Promise<void> => without(attacks(), family, rules, use);
          if (isLate) await carryOut(attack, { ...scene, around }, true);
          else await around(() => carryOut(attack, scene, true));
          await carryOut(attack, scene, false);
        });
      }
    }
  });
}
