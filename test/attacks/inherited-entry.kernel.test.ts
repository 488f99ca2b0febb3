import assert from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import { labCnis } from '../../src/lab/cni-config.ts';
import { families } from '../../src/model/address.ts';
import type { Family } from '../../src/model/address.ts';
import { pod } from '../lab/objects.ts';
import { needMachine } from '../kernel/cluster.ts';
import { newToken } from '../kernel/ear.ts';
import { eventually } from '../kernel/eventually.ts';
import { frame } from '../kernel/frames.ts';
import { nicOf, readLinks } from '../kernel/nic.ts';
import { policy } from '../kernel/policies.ts';
import { AttackLab } from './attack-lab.ts';
import type { PodKey } from './attack-lab.ts';
import { flag, segment, typeOf } from './packets.ts';
import { newPort, say } from './steps.ts';
import { nameLab } from '../support/lab-name.ts';

/** Of a tenant; its address is the next that is free. */
const late = 'evil/late' as PodKey;
/** Gets nothing from anyone, and may send what it likes. */
const heir = 'bank/heir' as PodKey;
const accomplice = 'evil/free';

/**
 * S5.17 does not hold here, and SECURITY.md says so: the kernel keeps the connections of a pod that has gone, and who opened them. To the rules
 * an accomplice at their other end answers the pod that has the address now.
 */
for (const cni of labCnis) {
  describe(`attack: connections of the pod that had the address before (kernel, ${cni})`, function () {
    this.timeout(60_000);
    let attacks: AttackLab;
    const ports = new Map<string, number>();
    const portOf = (family: Family, protocol: string): number => ports.get(`${family} ${protocol}`)!;
    const address = (key: PodKey, family: Family): string =>
      attacks.lab.station(key).addresses.find((each) => each.includes(':') === (family === 'ipv6'))!;

    before(async function () {
      await needMachine(this, cni);
      attacks = await AttackLab.open({ name: nameLab(`attinherit${cni}`), cni, agents: {}, podAddresses: 5 });
      const { lab } = attacks;
      lab.apply([
        pod('evil', 'late', [], { nodeName: 'n1' }),
        policy('bank', 'heir', { pods: { pod: 'heir' }, ingress: [] }),
      ]);
      await lab.settle();
      const old = address(late, 'ipv4');
      for (const family of families) await openAll(family);
      attacks.forget(late);
      lab.store.delete('pods', { namespace: 'evil', name: 'late' });
      await lab.settle();
      lab.apply([pod('bank', 'heir', ['TCP/80'], { nodeName: 'n1' })]);
      await lab.settle();
      assert.equal(address(heir, 'ipv4'), old);
      // It would learn the new MAC by itself, some seconds later.
      await attacks.run(accomplice, 'ip', 'neighbour', 'flush', 'dev', 'eth0');
      await attacks.listen(heir);
    });
    after(() => attacks?.close());

    /** From the ports that it wants to reach later. The accomplice does not answer the SYN. */
    async function openAll(family: Family): Promise<void> {
      for (const protocol of ['udp', 'tcp']) ports.set(`${family} ${protocol}`, newPort());
      const to = attacks.address(accomplice, family);
      const [datagram, opening] = [newToken(), newToken()];
      const head = { from: address(late, family), to, sourcePort: 80, port: portOf(family, 'tcp'), flags: flag.syn };
      const syn = segment(head, `<${opening}>`);
      await attacks.run(
        accomplice,
        'nft',
        `add table inet silent; add chain inet silent in { type filter hook input priority 0; }
         add rule inet silent in tcp dport ${portOf(family, 'tcp')} tcp flags & (syn | ack) == syn drop`,
      );
      const own = (await readLinks(attacks.lab, late)).find(({ ifname }) => ifname === 'eth0')!;
      const links = await readLinks(attacks.lab, 'node/n1');
      const gateway = links.find(({ ifindex }) => ifindex === own.link_index)!.address;
      const mac = cni === 'bridge' ? attacks.nic(accomplice).mac : gateway;
      await attacks.listen(accomplice);
      // Until the agent has heard of the sandbox, nothing passes.
      await eventually(async () => {
        await attacks.act(late, 'plain', [say(5353, to, portOf(family, 'udp'), `<${datagram}>`)]);
        await attacks.send(late, frame(mac, nicOf(own).mac, typeOf(syn), syn));
        return [datagram, opening].every((each) => attacks.heard(accomplice, each)) ? undefined : 'nothing has passed';
      });
    }

    for (const family of families) {
      it(`reach a denied port over UDP, ${family}`, async () => {
        const [old, fresh] = [newToken(), newToken()];
        const goal = address(heir, family);
        await attacks.act(accomplice, 'plain', [
          say(newPort(), goal, 5353, `<${fresh}>`),
          say(portOf(family, 'udp'), goal, 5353, `<${old}>`),
        ]);
        await attacks.hears(heir, old);
        assert.equal(attacks.heard(heir, fresh), false);
      });

      it(`reach a denied port over TCP, ${family}`, async () => {
        const goal = address(heir, family);
        const greet = async (sport: number, ms: number): Promise<string | null> => {
          const steps = [
            { do: 'dial', sport, to: goal, port: 80 },
            { do: 'greeting', sport, ms },
          ];
          return (await attacks.act(accomplice, 'plain', steps)).at(-1)!;
        };
        assert.equal(await greet(portOf(family, 'tcp'), 10_000), heir);
        assert.equal(await greet(newPort(), 500), null);
      });
    }
  });
}
