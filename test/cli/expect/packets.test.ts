import { deepEqual } from 'node:assert/strict';
import { describe, it } from 'mocha';
import { checkTests, exitCodeOf } from '../../../src/cli/expect/check.ts';
import type { RawTest } from '../../../src/cli/expect/format.ts';
import { lookInLab } from '../../../src/cli/expect/packets.ts';
import type { AskedConnection, Seen } from '../../../src/lab/reachability.ts';
import { shop, sourceOf, testOf } from './world.ts';

const allowed: RawTest = { from: 'storefront/web', to: 'shop/api-0', port: 8080, expect: 'allowed', family: 'ipv4' };
const denied: RawTest = { from: 'office/desk', to: 'shop/api-0', port: 8080, expect: 'denied', family: 'ipv4' };

async function run(tests: readonly RawTest[], answer: (asked: AskedConnection) => Seen) {
  const source = sourceOf(shop);
  const asked: AskedConnection[] = [];
  const look = async (connections: readonly AskedConnection[]): Promise<Seen[]> => {
    asked.push(...connections);
    return connections.map(answer);
  };
  const by = 'policies and packets of a lab';
  const place = {
    by,
    source,
    most: 10_000,
    look: (all: Parameters<typeof lookInLab>[1]) => lookInLab(source, all, look),
  } as const;
  const { results } = await checkTests(place, tests.map(testOf));
  return { results, asked, code: exitCodeOf(results) };
}

describe('expectations by packets of a lab', () => {
  const rows: readonly (readonly [test: RawTest, seen: Seen, status: string])[] = [
    [allowed, 'answered', 'passed'],
    [allowed, 'timeout', 'failed'],
    [allowed, 'other', 'failed'],
    [allowed, 'EHOSTUNREACH', 'failed'],
    // Nobody listens, but the kernel of the pod refused what arrived.
    [allowed, 'ECONNREFUSED', 'passed'],
    [denied, 'timeout', 'passed'],
    [denied, 'answered', 'failed'],
    [denied, 'ECONNREFUSED', 'failed'],
    [denied, 'EHOSTUNREACH', 'failed'],
    [denied, 'other', 'failed'],
    [denied, 'unserved', 'skipped'],
    // The policies say another thing than is expected, whatever packets show.
    [{ ...denied, expect: 'allowed' }, 'answered', 'failed'],
    [{ ...denied, expect: 'allowed' }, 'unserved', 'failed'],
    [{ ...allowed, expect: 'denied' }, 'timeout', 'failed'],
    // Programs of the lab answer UDP.
    [{ ...allowed, to: 'office/desk', port: 'UDP/53' }, 'timeout', 'failed'],
  ];
  for (const [test, seen, status] of rows) {
    it(`${test.expect} ${String(test.from)} → ${String(test.to)} ${test.port}, seen ${seen}: ${status}`, async () => {
      const { results } = await run([test], () => seen);
      deepEqual(
        results.map((each) => each.status),
        [status],
      );
    });
  }

  it('name the machines of the lab, and say what the policies expect; each connection is tried once', async () => {
    const { asked, results } = await run(
      [
        allowed,
        allowed,
        { from: '10.1.0.5', to: '10.1.0.2', port: 'icmp', expect: 'denied' },
        { from: 'node/n1', to: 'host/database', port: 'SCTP/7', expect: 'allowed' },
        { from: 'shop/api-0', to: '10.0.0.0/24', port: 5432, expect: 'allowed' },
      ],
      ({ expected }) => (expected === 'allowed' ? 'answered' : 'timeout'),
    );
    const ipv4 = { family: 'ipv4' } as const;
    deepEqual(asked, [
      { from: 'storefront/web', to: 'shop/api-0', ...ipv4, protocol: 'TCP', port: 8080, expected: 'allowed' },
      { from: 'office/desk', to: 'shop/api-0', ...ipv4, protocol: 'icmp', port: 0, expected: 'denied' },
      { from: 'node/n1', to: 'host/database', ...ipv4, protocol: 'SCTP', port: 7, expected: 'allowed' },
      { from: 'shop/api-0', to: 'host/database', ...ipv4, protocol: 'TCP', port: 5432, expected: 'allowed' },
    ]);
    // The gateway is excepted, by the policies alone.
    deepEqual(
      results.map(({ status, untried, failed }) => [status, untried, failed]),
      [
        ['passed', 0, 0],
        ['passed', 0, 0],
        ['passed', 0, 0],
        ['passed', 0, 0],
        ['failed', 3, 1],
      ],
    );
  });

  it('are skipped where no machine of the lab has the address', async () => {
    const { results } = await run(
      [{ from: 'shop/api-0', to: '10.0.0.77', port: 5432, expect: 'allowed' }],
      () => 'answered',
    );
    deepEqual(
      results.map(({ status, message }) => [status, message]),
      [['skipped', 'no machine of the lab has 10.0.0.77']],
    );
  });

  it('end with 0 if some are skipped, with 2 if all are or one is an error, else with 1 if one fails', async () => {
    const skipped: RawTest = { from: 'shop/api-0', to: '10.0.0.77', port: 5432, expect: 'allowed' };
    const lost: RawTest = { ...denied, from: 'office/chair' };
    const code = async (...tests: RawTest[]): Promise<number> =>
      (await run(tests, ({ expected }) => (expected === 'allowed' ? 'answered' : 'timeout'))).code;
    const failing: RawTest = { ...allowed, expect: 'denied' };
    deepEqual(
      [
        await code(allowed, skipped),
        await code(skipped),
        await code(skipped, failing),
        await code(failing, lost),
        await code(allowed, lost),
      ],
      [0, 2, 1, 2, 2],
    );
  });
});
