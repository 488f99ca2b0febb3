import { after, before, it } from 'mocha';
import { labCnis } from '../../src/lab/cni-config.ts';
import { families } from '../../src/model/address.ts';
import { pod } from '../lab/objects.ts';
import { eventually } from '../kernel/eventually.ts';
import { datagram, frame } from '../kernel/frames.ts';
import { nicOf, readLinks } from '../kernel/nic.ts';
import type { LinkInfo, Nic } from '../kernel/nic.ts';
import { pods, policy, port } from '../kernel/policies.ts';
import type { AttackLab, PodKey } from './attack-lab.ts';
import { carryOut, onLab } from './on-each-lab.ts';
import type { Attack } from './on-each-lab.ts';
import { typeOf } from './packets.ts';
import { newPort, say } from './steps.ts';

/** `vault` gets UDP/7001 from `late` alone. `late` goes, and a device of `heir` is where its device was. */
const [late, heir, vault] = ['evil/late', 'evil/heir', 'bank/vault'] as unknown as readonly PodKey[] as readonly [
  PodKey,
  PodKey,
  PodKey,
];

interface End {
  readonly nic: Nic;
  /** On the node. */
  readonly port: LinkInfo;
}

async function endOf({ lab }: AttackLab, key: PodKey): Promise<End> {
  let own!: LinkInfo;
  // The kernel gives a device its link-local address a moment after the device is up.
  await eventually(async () => {
    own = (await readLinks(lab, key)).find(({ ifname }) => ifname === 'eth0')!;
    return own.addr_info.some(({ scope }) => scope === 'link') ? undefined : `${key} has no link-local address`;
  });
  const port = (await readLinks(lab, 'node/n1')).find(({ ifindex }) => ifindex === own.link_index)!;
  return { nic: nicOf(own), port };
}

async function start({ lab }: AttackLab, ...keys: readonly PodKey[]): Promise<void> {
  lab.apply(
    keys.map((key) => {
      const [namespace, name] = key.split('/') as [string, string];
      return pod(namespace, name, [], { nodeName: 'n1' });
    }),
  );
  await lab.settle();
}

async function end(attacks: AttackLab, key: PodKey): Promise<void> {
  remove(attacks, key);
  await attacks.lab.settle();
}

function remove(attacks: AttackLab, key: PodKey): void {
  const [namespace, name] = key.split('/') as [string, string];
  attacks.forget(key);
  attacks.lab.store.delete('pods', { namespace, name });
}

/** Its device goes; whether the agent has heard of it is another matter. */
async function leave(attacks: AttackLab, { ifname }: LinkInfo): Promise<void> {
  remove(attacks, late);
  await eventually(async () => {
    const links = await readLinks(attacks.lab, 'node/n1');
    return links.some((each) => each.ifname === ifname) ? 'the device is still there' : undefined;
  });
}

type Reuse = (attacks: AttackLab, own: End, old: LinkInfo) => Promise<void>;

/** How the heir's device comes to be where the old one was. Each keeps the MACs, so that these tell nothing. */
const reuses: Readonly<Record<string, Reuse>> = {
  'by its name': async (attacks, { port: own }, old) => {
    await attacks.run('node', 'ip', 'link', 'set', own.ifname, 'name', old.ifname);
  },
  'by its name and its index': async (attacks, own, old) => {
    await remake(attacks, own, old.ifname, old.ifindex);
  },
  'by its index': async (attacks, own, old) => {
    await remake(attacks, own, own.port.ifname, old.ifindex);
  },
};

async function remake(attacks: AttackLab, { nic, port: own }: End, name: string, index: number): Promise<void> {
  const peer = `peer name eth0 address ${nic.mac} netns ${attacks.namespaceOf(heir)}`;
  const lines = [
    `link delete ${own.ifname}`,
    `link add name ${name} index ${index} address ${own.address} type veth ${peer}`,
    ...(attacks.cni === 'bridge' ? [`link set ${name} master cni0`] : []),
    `link set ${name} up`,
  ];
  for (const line of lines) await attacks.run('node', 'ip', ...line.split(' '));
  await attacks.run(heir, 'ip', 'link', 'set', 'eth0', 'up');
}

/** The agent has heard of both sandboxes. */
async function waitUntilOwned({ lab, cni }: AttackLab, device: string, own: Nic, old: Nic): Promise<void> {
  await eventually(async () => {
    const table = cni === 'bridge' ? 'bridge' : 'ip';
    const owners = await lab.exec('node/n1', 'nft', 'list', 'set', table, 'postern', 'if-ips4');
    const words = owners.split(/[\s,]+/);
    const isKnown = owners.includes(`"${device}" . ${own.address.ipv4}`) && !words.includes(old.address.ipv4);
    return isKnown ? undefined : owners;
  });
}

for (const cni of labCnis) {
  for (const isEnforced of [true, false]) {
    const title = `a device where that of another pod was${isEnforced ? '' : ', without agents'}`;
    onLab(title, { cni, isEnforced }, (attacks) => {
      before(async () => {
        attacks().lab.apply([
          policy('bank', 'vault', {
            pods: { pod: 'vault' },
            ingress: [{ from: [pods({ pod: 'late' }, {})], ports: [port('UDP/7001')] }],
          }),
        ]);
        await start(attacks(), vault);
      });
      after(async () => {
        await end(attacks(), vault);
        attacks().lab.store.delete('networkpolicies', { namespace: 'bank', name: 'vault' });
        await attacks().lab.settle();
      });

      for (const [name, reuse, isStale] of situations(isEnforced)) {
        const until = isStale ? ', while the agent hears nothing of the API server' : '';
        it(`sends to whom the other might, ${name}${until}: ${isEnforced ? 'fails' : 'succeeds'}`, async () => {
          const lab = attacks();
          await start(lab, late, heir);
          const [goal, old, own] = [await endOf(lab, vault), await endOf(lab, late), await endOf(lab, heir)];
          const send = (source: Nic): Attack => ({
            name,
            ear: vault,
            attempt: async ({ family, text }) => {
              const to = cni === 'bridge' ? goal.nic.mac : own.port.address;
              const ends = { from: source.address[family], to: goal.nic.address[family] };
              const ip = datagram({ ...ends, sourcePort: newPort(), port: 7001 }, text);
              await lab.send(heir, frame(to, own.nic.mac, typeOf(ip), ip));
            },
            honest: async ({ family, text }) => {
              await lab.act('node', 'raw', [say(newPort(), goal.nic.address[family], 7001, text)]);
            },
          });
          // While it is there, `late` may.
          for (const family of families) {
            const honest = async ({ text }: { readonly text: string }): Promise<void> => {
              await lab.act(late, 'plain', [say(newPort(), goal.nic.address[family], 7001, text)]);
            };
            const nothing = async (): Promise<boolean> => false;
            await carryOut({ ...send(old.nic), attempt: nothing, honest }, { attacks: lab, family, cni }, false);
          }
          const agent = lab.lab.agents.get('n1')!;
          if (isStale) agent.stall();
          try {
            await leave(lab, old.port);
            await reuse(lab, own, old.port);
            const device = (await endOf(lab, heir)).port.ifname;
            // As of a plugin that gives devices such names.
            await lab.editRecord(heir, (text) => text.replaceAll(own.port.ifname, device));
            if (isEnforced) await waitUntilOwned(lab, device, own.nic, old.nic);
            for (const source of [old.nic, own.nic]) {
              for (const family of families) await carryOut(send(source), { attacks: lab, family, cni }, !isEnforced);
            }
          } finally {
            if (isStale) agent.unstall();
            await end(lab, heir);
          }
        });
      }
    });
  }
}

function situations(isEnforced: boolean): [name: string, reuse: Reuse, isStale: boolean][] {
  return Object.entries(reuses).flatMap(([name, reuse]) =>
    (isEnforced ? [false, true] : [false]).map((isStale): [string, Reuse, boolean] => [name, reuse, isStale]),
  );
}
