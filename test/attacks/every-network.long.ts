/** `npm run e2e:attacks`: the attacks that depend on the network between nodes, on each network that the lab can make. */
import { after, before, describe, it } from 'mocha';
import { labCnis } from '../../src/lab/cni-config.ts';
import { rpFilters } from '../../src/lab/fabric.ts';
import { labUplinks } from '../../src/lab/uplink.ts';
import { families } from '../../src/model/address.ts';
import { needMachine } from '../kernel/cluster.ts';
import { AttackLab } from './attack-lab.ts';
import { connectionAttacks } from './connection-attacks.ts';
import { errorKinds, errorLeaks, tooLongErrors } from './icmp-error-attacks.ts';
import { carryOut } from './on-each-lab.ts';
import type { Attack } from './on-each-lab.ts';
import { reversedEntries } from './reversed-entries.ts';
import { tunnelAttacks } from './tunnel-attacks.ts';
import { nameLab } from '../support/lab-name.ts';

const attacksOf: readonly Attack[] = [
  ...reversedEntries,
  ...tunnelAttacks,
  ...connectionAttacks,
  ...errorKinds.flatMap(errorLeaks),
  ...tooLongErrors,
];

for (const cni of labCnis) {
  for (const uplink of labUplinks) {
    for (const rpFilter of rpFilters) {
      describe(`attacks on uplink ${uplink}, rp_filter ${rpFilter} (kernel, ${cni})`, function () {
        this.timeout(180_000);
        let attacks: AttackLab;
        before(async function () {
          await needMachine(this, cni);
          const name = nameLab(`a${cni}${uplink}${rpFilter}`);
          attacks = await AttackLab.open({ name, cni, uplink, rpFilter, network: 'vxlan' });
        });
        after(() => attacks?.close());

        for (const attack of attacksOf) {
          if (attack.plugins?.includes(cni) === false) continue;
          for (const family of attack.of ?? families) {
            it(`${attack.name}, ${family}: fails`, () => carryOut(attack, { attacks, family, cni }, false));
          }
        }
      });
    }
  }
}
