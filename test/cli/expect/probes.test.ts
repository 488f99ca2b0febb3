import { deepEqual, equal, rejects } from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { Attempt, Outcome } from '../../../src/cli/connect/attempt.ts';
import { checkTests } from '../../../src/cli/expect/check.ts';
import type { RawTest } from '../../../src/cli/expect/format.ts';
import type { TestResult } from '../../../src/cli/expect/judge.ts';
import { lookFromPods, type TryFrom } from '../../../src/cli/expect/probes.ts';
import { ProbeError } from '../../../src/cli/probe/probe-error.ts';
import { namespace, pod, shop, sourceOf, testOf } from './world.ts';

const allowed: RawTest = { from: 'storefront/web', to: 'shop/deployment/api', port: 8080, expect: 'allowed' };
const denied: RawTest = { from: 'office/desk', to: 'shop/deployment/api', port: 8080, expect: 'denied' };

const attemptsOf = (hosts: readonly string[], outcome: Outcome): Attempt[] =>
  hosts.map((address) => ({ family: address.includes(':') ? 'ipv6' : 'ipv4', address, outcome, ms: 1 }));

async function run(tests: readonly RawTest[], tryFrom: TryFrom, objects = shop): Promise<readonly TestResult[]> {
  const source = sourceOf(objects);
  const place = {
    by: 'policies and probes of a cluster',
    source,
    most: 10_000,
    look: (connections: Parameters<typeof lookFromPods>[1]) => lookFromPods(source.cluster, connections, tryFrom),
  } as const;
  return (await checkTests(place, tests.map(testOf))).results;
}

/** The API takes connections of storefront/web alone. */
const asPoliciesSay: TryFrom = async ({ name }, { hosts, port }) =>
  attemptsOf(hosts, name === 'storefront/web' && port === 8080 ? 'connected' : 'no answer');

describe('expectations by probes', () => {
  it('hold if the policies say so and the probes show it; one container tries all addresses of a port', async () => {
    const containers: string[] = [];
    const results = await run(
      [allowed, denied, { ...allowed, to: 'shop/api-0' }, { ...denied, port: 9090 }],
      (from, to) => {
        containers.push(`${from.name} ${to.protocol}/${to.port} ${to.hosts.join()}`);
        return asPoliciesSay(from, to);
      },
    );
    deepEqual(
      results.map(({ status }) => status),
      ['passed', 'passed', 'passed', 'passed'],
    );
    const all = '10.1.0.2,fd01::2,10.1.0.3,fd01::3';
    deepEqual(containers.toSorted(), [
      `office/desk TCP/8080 ${all}`,
      `office/desk TCP/9090 ${all}`,
      `storefront/web TCP/8080 ${all}`,
    ]);
  });

  const rows: readonly (readonly [test: RawTest, outcome: Outcome, status: string])[] = [
    [allowed, 'connected', 'passed'],
    [allowed, 'no answer', 'failed'],
    [allowed, 'refused', 'failed'],
    [allowed, 'unreachable', 'failed'],
    [denied, 'no answer', 'passed'],
    [denied, 'connected', 'failed'],
    [denied, 'refused', 'failed'],
    [denied, 'unreachable', 'failed'],
    [denied, 'failed', 'failed'],
    // A UDP server need not answer.
    [{ ...allowed, from: 'shop/api-0', to: 'office/desk', port: 'UDP/53', expect: 'denied' }, 'no answer', 'passed'],
    [{ ...allowed, from: 'office/desk', to: 'storefront/web', port: 'UDP/53' }, 'no answer', 'failed'],
    // The policies say another thing than is expected, whatever the probes show.
    [{ ...denied, expect: 'allowed' }, 'connected', 'failed'],
    [{ ...allowed, expect: 'denied' }, 'no answer', 'failed'],
  ];
  for (const [test, outcome, status] of rows) {
    it(`${test.expect} ${String(test.from)} → ${String(test.to)} ${test.port}, seen ${outcome}: ${status}`, async () => {
      const [result] = await run([test], async (_, { hosts }) => attemptsOf(hosts, outcome));
      deepEqual([result!.status, result!.failed], [status, status === 'passed' ? 0 : result!.connections]);
    });
  }

  it('fail for one address of several', async () => {
    const [result] = await run([allowed], async (_, { hosts }) => [
      ...attemptsOf(hosts.slice(0, 3), 'connected'),
      ...attemptsOf(hosts.slice(3), 'no answer'),
    ]);
    deepEqual(
      [result!.status, result!.failures.map(({ to, families }) => [to, ...families])],
      ['failed', [['shop/api-1', 'ipv6']]],
    );
  });

  it('send nothing from what is no pod, nothing to a block, and no SCTP', async () => {
    const never: TryFrom = async () => {
      throw new Error('nothing may be sent');
    };
    const results = await run(
      [
        { from: 'node/n1', to: 'shop/api-0', port: 8080, expect: 'allowed' },
        { from: 'shop/api-0', to: { ipBlock: { cidr: '10.9.0.0/24' } }, port: 443, expect: 'denied' },
        { from: 'office/desk', to: 'shop/api-0', port: 'SCTP/7', expect: 'denied' },
        { from: 'office/desk', to: 'shop/api-0', port: 'icmp', expect: 'denied' },
      ],
      never,
    );
    deepEqual(
      results.map(({ status, message }) => [status, message]),
      [
        ['skipped', 'a probe starts in a pod, and node n1 is none'],
        ['skipped', 'a probe sends nothing to addresses of 10.9.0.0–10.9.0.255 that nobody may have'],
        ['skipped', 'a probe supports TCP and UDP only, not SCTP'],
        ['skipped', 'a probe supports TCP and UDP only, not ICMP'],
      ],
    );
  });

  it('are an error where a probe is not possible, and the others are checked', async () => {
    const results = await run([denied, allowed], async (from, to) => {
      if (from.name === 'office/desk') throw new ProbeError('you may not patch pods/ephemeralcontainers');
      return asPoliciesSay(from, to);
    });
    deepEqual(
      results.map(({ status, message }) => [status, message]),
      [
        ['error', 'you may not patch pods/ephemeralcontainers'],
        ['passed', undefined],
      ],
    );
  });

  it('are an error if the container has tried other addresses', async () => {
    const [result] = await run([denied], async () => attemptsOf(['10.1.0.2'], 'no answer'));
    deepEqual([result!.status, result!.message], ['error', 'the container has not tried fd01::2']);
  });

  it('add no container if they would add more than 50', async () => {
    const many = Array.from({ length: 51 }, (_, index) => pod(`many/p${index}`, { ips: [`10.9.0.${index + 1}`] }));
    let containers = 0;
    const count: TryFrom = async (from, to) => {
      containers++;
      return asPoliciesSay(from, to);
    };
    const test: RawTest = { ...denied, from: { namespace: 'many' } };
    const objects = [...shop, namespace('many'), ...many];
    await rejects(
      run([test], count, objects),
      /need 51 ephemeral containers, which stay in their pods; the limit of a run is 50/,
    );
    equal(containers, 0);
    const [result] = await run([test], count, objects.slice(0, -1));
    deepEqual([result!.status, containers], ['passed', 50]);
  });
});
