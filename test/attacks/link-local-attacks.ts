import type { PodKey } from './attack-lab.ts';
import type { Attack } from './on-each-lab.ts';
import { fairly, newPort, say } from './steps.ts';

const reach = (from: PodKey, to: PodKey, what: string): Attack => ({
  name: `a datagram at the link-local address of ${what}`,
  plugins: ['bridge'],
  of: ['ipv6'],
  ear: to,
  attempt: async ({ attacks, text }) => {
    await attacks.act(from, 'plain', [say(newPort(), `${attacks.nic(to).linkLocal}%eth0`, 5353, text)]);
  },
  honest: fairly(from, to),
});

/** S1.16: no policy allows a link-local address. */
export const linkLocalAttacks: readonly Attack[] = [
  reach('evil/free', 'bank/shut', 'an isolated pod'),
  reach('evil/caged', 'bank/open', 'another pod, by an isolated one'),
];
