import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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
import { readMetric, readPage } from '../kernel/agent-pages.ts';
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

/** How the address passes to the heir. */
const cases = [
  { what: 'while the agent runs', isDown: false, conntrack: 'works' },
  { what: 'while there is no agent', isDown: true, conntrack: 'works' },
  { what: 'while conntrack fails', isDown: false, conntrack: 'fails' },
  // The control: the kernel keeps the entries, and who opened them. To the rules, the accomplice answers the heir.
  { what: 'where conntrack deletes nothing', isDown: false, conntrack: 'deletes nothing' },
] as const;

for (const cni of labCnis) {
  for (const [index, { what, isDown, conntrack }] of cases.entries()) {
    const forgets = conntrack !== 'deletes nothing';
    describe(`attack: connections of the pod that had the address before, ${what} (kernel, ${cni})`, function () {
      this.timeout(180_000);
      let attacks: AttackLab;
      let folder: string;
      /** While this file exists, conntrack fails. */
      let failure: string;
      const ports = new Map<string, number>();
      const portOf = (family: Family, protocol: string): number => ports.get(`${family} ${protocol}`)!;
      const address = (key: PodKey, family: Family): string =>
        attacks.lab.station(key).addresses.find((each) => each.includes(':') === (family === 'ipv6'))!;

      before(async function () {
        await needMachine(this, cni);
        folder = await mkdtemp(join(tmpdir(), 'postern-path-'));
        failure = join(folder, 'conntrack-fails');
        await replaceConntrack(conntrack === 'deletes nothing' ? 'exit 0' : `[ ! -e ${failure} ] || exit 1`);
        const agents = { env: { PATH: `${folder}:${process.env['PATH']}` } };
        attacks = await AttackLab.open({ name: nameLab(`attold${cni}${index}`), cni, agents, podAddresses: 5 });
        const { lab } = attacks;
        // The entry of a datagram that nobody answers would live for 30 s.
        await attacks.run('node', 'sysctl', '-qw', 'net.netfilter.nf_conntrack_udp_timeout=600');
        lab.apply([
          pod('evil', 'late', [], { nodeName: 'n1' }),
          policy('bank', 'heir', { pods: { pod: 'heir' }, ingress: [] }),
        ]);
        await lab.settle();
        const old = address(late, 'ipv4');
        for (const family of families) await openAll(family);
        attacks.forget(late);
        if (conntrack === 'fails') await writeFile(failure, '');
        const agent = lab.agents.get('n1')!;
        if (isDown) await agent.stop('SIGKILL');
        lab.store.delete('pods', { namespace: 'evil', name: 'late' });
        await lab.settle();
        lab.apply([pod('bank', 'heir', ['TCP/80'], { nodeName: 'n1' })]);
        if (conntrack === 'fails') await isDenied();
        else await lab.settle();
        if (isDown) {
          await agent.start();
          await lab.settle();
        }
        assert.equal(address(heir, 'ipv4'), old);
        // It would learn the new MAC by itself, some seconds later.
        await attacks.run(accomplice, 'ip', 'neighbour', 'flush', 'dev', 'eth0');
        await attacks.listen(heir);
      });
      after(async () => {
        await attacks?.close();
        if (folder) await rm(folder, { recursive: true });
      });

      async function isDenied(): Promise<void> {
        await eventually(async () => {
          const { unflushed = 0 } = (await attacks.lab.agents.get('n1')!.applied()) ?? {};
          // The agent may know the sandbox before the pod runs.
          const isRunning = attacks.lab.stations().some(({ key }) => key === heir);
          return isRunning && unflushed === families.length ? undefined : `${unflushed} addresses are denied`;
        });
      }

      async function replaceConntrack(before: string): Promise<void> {
        const path = join(folder, 'conntrack');
        await writeFile(path, `#!/bin/sh\n${before}\nPATH=\${PATH#*:} exec conntrack "$@"\n`);
        await chmod(path, 0o755);
      }

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
          return [datagram, opening].every((each) => attacks.heard(accomplice, each))
            ? undefined
            : 'nothing has passed';
        });
      }

      if (conntrack === 'fails') {
        it('cost the new pod its network until conntrack works again, and delay no other change (S5.17)', async () => {
          const { lab } = attacks;
          const says = async (key: PodKey | 'node'): Promise<string> => {
            const token = newToken();
            const to = attacks.address(accomplice, 'ipv4');
            await attacks.act(key, 'plain', [say(newPort(), to, newPort(), `<${token}>`)]);
            return token;
          };
          const policies = async (): Promise<string> =>
            (await lab.agents.get('n1')!.applied())!.resources!['networkpolicies']!;
          const before = await policies();
          lab.apply([policy('bank', 'other', { pods: { pod: 'other' }, ingress: [] })]);
          await eventually(async () => ((await policies()) === before ? 'the policy is not applied' : undefined));
          const denied = await says(heir);
          await attacks.hears(accomplice, await says('node'));
          assert.equal(attacks.heard(accomplice, denied), false);
          const note = /^\[-\] connections: addresses of pods that have gone stay denied until .*: conntrack/m;
          await eventually(async () => {
            const { body } = await readPage(lab, 'n1', '/readyz?verbose');
            return note.test(body) ? undefined : body;
          });
          await rm(failure);
          await lab.settle();
          await attacks.hears(accomplice, await says(heir));
        });
      }

      const outcome = forgets ? 'do not reach' : 'reach';
      for (const family of families) {
        it(`${outcome} a denied port over UDP, ${family} (S5.17)`, async () => {
          const [old, fresh, allowed] = [newToken(), newToken(), newToken()];
          const goal = address(heir, family);
          await attacks.act(accomplice, 'plain', [
            say(newPort(), goal, 5353, `<${fresh}>`),
            say(portOf(family, 'udp'), goal, 5353, `<${old}>`),
          ]);
          // What comes later and is allowed: an answer to the new pod itself.
          const port = newPort();
          await attacks.act(heir, 'plain', [say(5354, attacks.address(accomplice, family), port, `<${newToken()}>`)]);
          await attacks.act(accomplice, 'plain', [say(port, goal, 5354, `<${allowed}>`)]);
          await attacks.hears(heir, allowed);
          assert.deepEqual([attacks.heard(heir, old), attacks.heard(heir, fresh)], [!forgets, false]);
        });

        it(`${outcome} a denied port over TCP, ${family} (S5.17)`, async () => {
          const goal = address(heir, family);
          const greet = async (sport: number, ms: number): Promise<string | null> => {
            const steps = [
              { do: 'dial', sport, to: goal, port: 80 },
              { do: 'greeting', sport, ms },
            ];
            return (await attacks.act(accomplice, 'plain', steps)).at(-1)!;
          };
          assert.equal(await greet(portOf(family, 'tcp'), forgets ? 1000 : 10_000), forgets ? null : heir);
          assert.equal(await greet(newPort(), 500), null);
        });
      }

      it(`are ${forgets ? 'deleted' : 'left'}${conntrack === 'fails' ? ', and failures are counted' : ''}`, async () => {
        const failures = await readMetric(attacks.lab, 'n1', 'postern_connection_flush_failures_total');
        assert.equal(failures! > 0, conntrack === 'fails');
        const { body } = await readPage(attacks.lab, 'n1', '/readyz?verbose');
        assert.match(body, /^\[\+\] connections$/m);
      });
    });
  }
}
