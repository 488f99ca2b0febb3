import { it } from 'mocha';
import { labCnis } from '../../src/lab/cni-config.ts';
import { families } from '../../src/model/address.ts';
import type { Family } from '../../src/model/address.ts';
import { datagram, frame } from '../kernel/frames.ts';
import { readLinks } from '../kernel/nic.ts';
import type { AttackLab, PodKey } from './attack-lab.ts';
import { carryOut, onLab } from './on-each-lab.ts';
import type { Attack } from './on-each-lab.ts';
import { framed, typeOf } from './packets.ts';
import { fairly, newPort } from './steps.ts';

/** The node's end of a pod's link. */
async function portOf(attacks: AttackLab, key: PodKey): Promise<string> {
  const own = (await readLinks(attacks.lab, key)).find(({ ifname }) => ifname === 'eth0')!;
  return (await readLinks(attacks.lab, 'node/n1')).find(({ ifindex }) => ifindex === own.link_index)!.ifname;
}

async function rename(attacks: AttackLab, from: string, to: string): Promise<void> {
  await attacks.run('node', 'ip', 'link', 'set', from, 'name', to);
}

const forges = (from: PodKey, whose: PodKey): Attack => ({
  name: '',
  ear: 'bank/shut',
  attempt: async ({ attacks, family, text }) => {
    const ends = { from: attacks.address(whose, family), to: attacks.address('bank/shut', family) };
    await attacks.send(from, framed(attacks, from, 'bank/shut', datagram({ ...ends, port: 7001 }, text)));
  },
  honest: fairly('evil/caged', 'bank/shut'),
});

const toLoopback: Attack = {
  name: '',
  ear: 'socket',
  attempt: async ({ attacks, text }) => {
    const ip = datagram({ from: attacks.address('evil/caged', 'ipv4'), to: '127.0.0.1', port: 7001 }, text);
    const { mac } = attacks.gateway('evil/caged');
    await attacks.send('evil/caged', frame(mac, attacks.nic('evil/caged').mac, typeOf(ip), ip));
  },
  honest: async ({ attacks, text }) => {
    const ends = { from: attacks.address('evil/caged', 'ipv4'), to: attacks.address('node', 'ipv4') };
    const ip = datagram({ ...ends, sourcePort: newPort(), port: 7001 }, text);
    await attacks.send('evil/caged', framed(attacks, 'evil/caged', 'node', ip));
  },
};

for (const cni of labCnis) {
  for (const isEnforced of [true, false]) {
    const outcome = isEnforced ? 'fails' : 'succeeds';
    const title = `what happens on the node${isEnforced ? '' : ', without agents'}`;
    onLab(title, { cni, isEnforced }, (attacks) => {
      const each = async (of: readonly Family[], attack: Attack): Promise<void> => {
        for (const family of of) await carryOut(attack, { attacks: attacks(), family, cni }, !isEnforced);
      };

      it(`a pod forges while its device has another name: ${outcome}`, async () => {
        const port = await portOf(attacks(), 'evil/free');
        await rename(attacks(), port, 'renamed0');
        try {
          await each(families, forges('evil/free', 'bank/open'));
        } finally {
          await rename(attacks(), 'renamed0', port);
        }
      });

      it(`a pod forges while the devices of its node have changed their names: ${outcome}`, async () => {
        const [first, second] = [await portOf(attacks(), 'evil/free'), await portOf(attacks(), 'evil/caged')];
        await rename(attacks(), first, 'renamed0');
        await rename(attacks(), second, first);
        await rename(attacks(), 'renamed0', second);
        try {
          await each(families, { ...forges('evil/free', 'bank/open'), honest: fairly('bank/open', 'bank/shut') });
        } finally {
          await rename(attacks(), second, 'renamed0');
          await rename(attacks(), first, second);
          await rename(attacks(), 'renamed0', first);
        }
      });

      it(`a pod that may send nothing there speaks to the node's loopback address, which kube-proxy can open: ${outcome}`, async () => {
        const all = '/proc/sys/net/ipv4/conf/all/route_localnet';
        await attacks().run('node', 'sh', '-c', `echo 1 > ${all}`);
        try {
          await each(['ipv4'], toLoopback);
        } finally {
          await attacks().run('node', 'sh', '-c', `echo 0 > ${all}`);
        }
      });
    });
  }
}
