import assert from 'node:assert/strict';
import { it } from 'mocha';
import { labCnis } from '../../src/lab/cni-config.ts';
import { families } from '../../src/model/address.ts';
import { eventually } from '../kernel/eventually.ts';
import { errorLeaks, errorsOfThird, errorsToNode, tooLongErrors } from './icmp-error-attacks.ts';
import { declareAttacks, onLab } from './on-each-lab.ts';

// The other kinds are in every-network.long.ts.
const kinds = ['unreachable', 'too big'] as const;

declareAttacks('errors as a way out of quarantine', [
  ...kinds.flatMap(errorLeaks),
  ...tooLongErrors,
  ...errorsOfThird,
  ...errorsToNode,
]);

for (const cni of labCnis) {
  onLab('errors that must pass', { cni, isEnforced: true }, (attacks) => {
    for (const family of families) {
      it(`path MTU discovery of an isolated pod finds a narrow link, ${family}`, async () => {
        const { lab } = attacks();
        const [address] = lab
          .station('host/outside')
          .addresses.filter((each) => each.includes(':') === (family === 'ipv6'));
        await attacks().run('neighbour', 'ip', 'link', 'set', 'h1', 'mtu', '1300');
        try {
          const flow = await lab.openFlow('evil/caged', 'host/outside', {
            protocol: 'TCP',
            port: 8080,
            family,
            rate: 20,
            size: 8000,
          });
          await eventually(async () => {
            const { server } = await flow.state();
            return server.received < 5 ? `the other end has got ${server.received}` : undefined;
          });
          await flow.close();
          const route = await attacks().run('evil/caged', 'ip', 'route', 'get', address!);
          assert.match(route, /mtu 1300/);
        } finally {
          await attacks().run('neighbour', 'ip', 'link', 'set', 'h1', 'mtu', '1500');
          await attacks().run('evil/caged', 'ip', family === 'ipv4' ? '-4' : '-6', 'route', 'flush', 'cache');
        }
      });
    }
  });
}
