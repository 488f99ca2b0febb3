import assert from 'node:assert/strict';
import fc from 'fast-check';
import { after, before, describe, it } from 'mocha';
import { readForeignTables } from '../../src/cli/doctor/foreign-tables.ts';
import { walkForeign, type PacketPath } from '../../src/doctor/foreign/walk.ts';
import { createNamespace, deleteNamespace } from '../../src/lab/network-namespace.ts';
import { openKernel, type Kernel } from '../apply/kernel.ts';

const numRuns = Number(process.env['WALKS'] ?? 150);

const packet: PacketPath = {
  family: 'ipv4',
  source: '10.9.1.2',
  destination: '10.9.2.2',
  inDevice: 'veth-a',
  outDevice: 'veth-b',
  protocol: 'udp',
  mark: 0,
};

const conditions = [
  'ip saddr 10.9.1.2',
  'ip saddr 10.9.1.9',
  'ip saddr != 10.9.1.2',
  'ip saddr 10.9.0.0/16',
  'ip saddr { 10.9.1.2, 10.9.1.7 }',
  'ip saddr != { 10.9.1.0/24, 10.8.0.1-10.8.0.9 }',
  'ip saddr 10.9.1.1-10.9.1.3',
  'ip daddr 10.9.2.2',
  'ip daddr != 10.9.2.0/24',
  'ip6 saddr ::1',
  'ip6 saddr != ::1',
  'meta nfproto ipv4',
  'meta nfproto ipv6',
  'iifname "veth-a"',
  'iifname "veth*"',
  'iifname != "veth-a"',
  'iifname { "veth-a", "veth-c" }',
  'oifname "veth-b"',
  'oifname != "veth-b"',
  'ct state new',
  'ct status dnat',
  'ct state established,related',
  'ct direction original',
  'ct status dnat',
  'meta mark 0',
  'meta mark 7',
  'meta mark and 0x4000 == 0x4000',
  'meta mark != 7',
  'meta l4proto tcp',
  'ip protocol udp',
  'ip protocol icmp icmp type echo-request',
  'tcp dport 9',
  'udp dport 9',
  'udp dport 10',
  'ip saddr @named',
  'limit rate 1000/second',
  'counter',
  'meta mark set 7',
  'meta mark set meta mark or 0x4000',
];
const endings = ['accept', 'drop', 'return', 'continue', 'counter'];

/** Chains lead to later ones only: the kernel refuses circles. */
const chainNames = ['c0', 'c1', 'c2'];

function rule(targets: readonly string[]): fc.Arbitrary<string> {
  const verdicts = [...endings, ...targets.flatMap((each) => [`jump ${each}`, `goto ${each}`])];
  const verdict = fc.constantFrom(...verdicts.filter((each) => each !== 'counter'));
  const maps = fc.oneof(
    verdict.map((each) => `iifname vmap { "veth-a" : ${each}, "veth-b" : drop }`),
    verdict.map((each) => `ct state vmap { established : drop, new : ${each} }`),
    verdict.map((each) => `ip saddr vmap { 10.9.1.9 : drop, 10.9.1.2 : ${each} }`),
    verdict.map((each) => `udp dport vmap { 9 : ${each}, 10 : drop }`),
  );
  const before = fc.array(fc.constantFrom(...conditions), { maxLength: 2 });
  const end = fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...verdicts) }, { weight: 1, arbitrary: maps });
  return fc.tuple(before, end).map(([texts, last]) => [...texts, last].join(' '));
}

const rules = (targets: readonly string[]): fc.Arbitrary<string[]> => fc.array(rule(targets), { maxLength: 4 });

const tableText = fc
  .record({
    bases: fc.array(
      fc.record({
        hook: fc.constantFrom(
          'prerouting priority -150',
          'forward priority 0',
          'forward priority 10',
          'postrouting priority 100',
        ),
        policy: fc.constantFrom('accept', 'accept', 'drop'),
        rules: rules(chainNames),
      }),
      { minLength: 1, maxLength: 3 },
    ),
    chains: fc.tuple(...chainNames.map((_, index) => rules(chainNames.slice(index + 1)))),
  })
  .map(({ bases, chains }) => {
    const regular = chains.map((lines, index) => `chain ${chainNames[index]} {\n${lines.join('\n')}\n}`);
    const hooked = bases.map(({ hook, policy, rules: lines }, index) => {
      return `chain b${index} { type filter hook ${hook}; policy ${policy};\n${lines.join('\n')}\n}`;
    });
    const named = 'set named { type ipv4_addr; elements = { 10.9.1.2 }\n}';
    return `table inet theirs {\n${[named, ...regular.toReversed(), ...hooked].join('\n')}\n}\n`;
  });

/** The kernel does what the doctor reports as certain. */
describe('the walk through the rules of other programs, compared with the kernel', function () {
  this.timeout(numRuns * 4000);
  let kernel: Kernel;
  const pods = ['a', 'b'].map((each) => `postern-walk-${process.pid}-${each}`) as [string, string];
  const { signal } = new AbortController();

  before(async function () {
    kernel = await openKernel(this);
    for (const pod of pods) await createNamespace(pod);
    await kernel.sh(`
      sysctl -qw net.ipv4.ip_forward=1
      link() {
        ip link add $1 address 02:00:00:00:0$2:01 type veth peer name eth0 netns $3
        ip address add 10.9.$2.1/24 dev $1
        ip link set $1 up
        ip -netns $3 link set eth0 address 02:00:00:00:0$2:02 up
        ip -netns $3 address add 10.9.$2.2/24 dev eth0
        ip -netns $3 route add default via 10.9.$2.1
        # Nobody has to ask, and no packet waits for an answer.
        ip -netns $3 neighbour replace 10.9.$2.1 lladdr 02:00:00:00:0$2:01 dev eth0
        ip neighbour replace 10.9.$2.2 lladdr 02:00:00:00:0$2:02 dev $1
      }
      link veth-a 1 ${pods[0]}
      link veth-b 2 ${pods[1]}
      nft -f - <<'end'
        table inet seen { chain last { type filter hook postrouting priority 300; policy accept;
          ip saddr 10.9.1.2 ip daddr 10.9.2.2 udp dport 9 counter
        }
        }
end
    `);
  });
  after(async () => {
    for (const pod of pods) await deleteNamespace(pod).catch(() => undefined);
    await kernel?.close();
  });

  /** A packet arrives before the sender continues: everything between them is this kernel. */
  const passes = async (): Promise<boolean> => {
    const count = async (): Promise<string> =>
      /counter packets (\d+)/.exec(await kernel.sh('nft list chain inet seen last'))![1]!;
    const earlier = await count();
    await kernel.sh(`nsenter --net=/run/netns/${pods[0]} bash -c 'echo > /dev/udp/10.9.2.2/9'`);
    return (await count()) !== earlier;
  };

  it('passes a packet that no rule matches', async () => assert.equal(await passes(), true));

  it('agrees with the kernel on random rules', async () => {
    const seen = { certain: 0, open: 0, uncertain: 0 };
    await fc.assert(
      fc.asyncProperty(tableText, async (text) => {
        const script = `nft destroy table inet theirs; nft -f - <<'end'\n${text}end`;
        // nft refuses rules that compare both families.
        fc.pre(
          await kernel.sh(script).then(
            () => true,
            () => false,
          ),
        );
        const { rules: read, unreadable } = await readForeignTables({ nft: kernel.nft, signal });
        assert.deepEqual(unreadable, []);
        const drops = walkForeign(read, packet, { rules: 10_000 }).filter(({ action }) => action === 'drop');
        const isPassed = await passes();
        if (drops.some(({ isCertain }) => isCertain)) {
          seen.certain++;
          assert.equal(isPassed, false, 'it surely drops, and lets pass');
        } else if (drops.length === 0) {
          seen.open++;
          assert.equal(isPassed, true, 'it drops nothing, and drops');
        } else seen.uncertain++;
      }),
      { numRuns },
    );
    await kernel.sh('nft destroy table inet theirs');
    assert.ok(
      Object.values(seen).every((count) => count > numRuns / 20),
      JSON.stringify(seen),
    );
  });
});
