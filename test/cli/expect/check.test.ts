import { deepEqual, equal, match } from 'node:assert/strict';
import { describe, it } from 'mocha';
import { checkTests } from '../../../src/cli/expect/check.ts';
import type { RawTest } from '../../../src/cli/expect/format.ts';
import { withAssumed } from '../../../src/cli/expect/place.ts';
import { explainResult } from '../../../src/cli/expect/render.ts';
import { check, namespace, pod, policy, shop, sourceOf, testOf } from './world.ts';

const allowed = (from: RawTest['from'], to: RawTest['to'], port: RawTest['port']): RawTest => ({
  from,
  to,
  port,
  expect: 'allowed',
});
const denied = (from: RawTest['from'], to: RawTest['to'], port: RawTest['port']): RawTest => ({
  from,
  to,
  port,
  expect: 'denied',
});

/** `passed 2`, `failed 1 of 4`, or the message of an error. */
async function outcome(test: RawTest, objects = shop): Promise<string> {
  const [result] = await check(objects, [test]);
  const { status, connections, failed, message } = result!;
  if (status === 'error') return message!;
  return status === 'failed' ? `failed ${failed} of ${connections}` : `${status} ${connections}`;
}

const production = { matchLabels: { purpose: 'production' } };
const others = { matchExpressions: [{ key: 'purpose', operator: 'NotIn', values: ['production'] }] };

describe('an expectation', () => {
  const rows: readonly (readonly [test: RawTest, outcome: string])[] = [
    [allowed('storefront/web', 'shop/api-0', 8080), 'passed 2'],
    [allowed('storefront/web', 'shop/api-0', 'TCP/8080'), 'passed 2'],
    [denied('storefront/web', 'shop/api-0', 8080), 'failed 2 of 2'],
    [allowed('storefront/web', 'shop/api-0', 8081), 'failed 2 of 2'],
    [denied('storefront/web', 'shop/api-0', 'UDP/8080'), 'passed 2'],
    [denied('storefront/web', 'shop/api-0', 'icmp'), 'passed 2'],
    // Of one pod that has IPv4 alone.
    [denied('office/four', 'shop/api-0', 'http'), 'passed 1'],
    [{ ...allowed('storefront/web', 'shop/api-0', 8080), family: 'ipv6' }, 'passed 1'],
    // All pods of a workload, by kind and name, or by name.
    [allowed('storefront/web', 'shop/deployment/api', 'http'), 'passed 4'],
    [allowed('storefront/web', 'shop/Deployment/api', 'http'), 'passed 4'],
    [allowed('storefront/web', 'shop/api', 'http'), 'passed 4'],
    // By labels.
    [allowed({ namespaceSelector: production }, { namespace: 'shop' }, 8080), 'passed 4'],
    [
      denied({ namespaceSelector: others }, { namespace: 'shop', podSelector: { matchLabels: { app: 'api' } } }, 8080),
      'passed 10',
    ],
    [denied({ namespaceSelector: {} }, { namespace: 'shop' }, 9090), 'passed 14'],
    [allowed({ namespaceSelector: {} }, { namespace: 'shop' }, 8080), 'failed 10 of 14'],
    // A node reaches its own pods (S5.1).
    [allowed('node/n1', 'shop/api-0', 22), 'passed 1'],
    // Blocks.
    [allowed('shop/api', { ipBlock: { cidr: '10.0.0.0/24', except: ['10.0.0.1/32'] } }, 5432), 'passed 6'],
    [allowed('shop/api-0', '10.0.0.0/24', 5432), 'failed 1 of 4'],
    [denied('shop/api-0', { ipBlock: { cidr: '0.0.0.0/0', except: ['10.0.0.0/24'] } }, 5432), 'passed 2'],
    [denied('0.0.0.0/0', 'shop/api-0', 8080), 'passed 6'],
    [denied('::/0', 'shop/api-0', 8080), 'passed 1'],
    [allowed('shop/api-0', 'host/database', 5432), 'passed 1'],
    [allowed('shop/api-0', '10.0.0.9', 5432), 'passed 1'],
    // An address stands for its owner.
    [allowed('10.1.0.4', '10.1.0.2', 8080), 'passed 1'],
    // A pod that two ends name is meant; of a set it is left out.
    [allowed('shop/api-0', 'shop/api-0', 8080), 'passed 2'],
    [denied('shop/deployment/api', 'shop/deployment/api', 8080), 'passed 4'],

    [denied('shop/wbe', 'shop/api-0', 80), 'from: pod shop/wbe does not exist; there are shop/api-0, shop/api-1'],
    [
      denied('shop/deployment/none', 'shop/api-0', 80),
      'from: deployment none has no pod in namespace shop; there are shop/api-0, shop/api-1',
    ],
    [denied({ namespace: 'nowhere' }, 'shop/api-0', 80), 'from: selects no pod: all pods of namespace nowhere'],
    [
      denied({ namespaceSelector: { matchLabels: { a: 'b' } } }, 'shop/api-0', 80),
      'from: selects no pod: all pods of namespaces a=b',
    ],
    [
      denied('storefront/web', { namespace: 'shop', podSelector: { matchLabels: { app: 'ip' } } }, 80),
      'to: selects no pod: pods app=ip of namespace shop',
    ],
    [
      denied({ namespace: 'office', podSelector: { matchLabels: { app: 'job' } } }, 'shop/api-0', 80),
      'from: selects no running pod with an address: pods app=job of namespace office',
    ],
    [denied('office/job', 'shop/api-0', 80), 'from: pod office/job has finished: it opens and takes no connections'],
    [
      denied({}, 'shop/api-0', 80),
      'from: give either namespace or namespaceSelector ({} selects all namespaces), or ipBlock',
    ],
    [
      denied({ podSelector: {} }, 'shop/api-0', 80),
      'from: give either namespace or namespaceSelector ({} selects all namespaces), or ipBlock',
    ],
    [
      denied({ namespace: 'a', namespaceSelector: {} }, 'shop/api-0', 80),
      'from: give either namespace or namespaceSelector ({} selects all namespaces), or ipBlock',
    ],
    [
      denied({ namespace: 'a', ipBlock: { cidr: '::/0' } }, 'shop/api-0', 80),
      'from: ipBlock together with namespaces or pods',
    ],
    [
      denied({ ipBlock: { cidr: '10.0.0.0/33' } }, 'shop/api-0', 80),
      'from: "10.0.0.0/33" is no CIDR: write, for example, 10.0.0.0/8',
    ],
    [
      denied({ ipBlock: { cidr: '10.1.0.4/32' } }, 'shop/api-0', 80),
      'from: selects no address: pods and nodes have all addresses of 10.1.0.4/32, or "except" leaves none',
    ],
    [
      denied({ ipBlock: { cidr: '10.0.0.0/8', except: ['10.0.0.0/8'] } }, 'shop/api-0', 80),
      'from: selects no address: pods and nodes have all addresses of 10.0.0.0/8, or "except" leaves none',
    ],
    [denied('127.0.0.1', 'shop/api-0', 80), 'from: 127.0.0.1 is a loopback address, which never leaves the pod'],
    [
      denied({ namespaceSelector: { matchExpressions: [{ key: 'a', operator: 'In', values: [] }] } }, 'shop/api-0', 80),
      'from: namespaceSelector.matchExpressions[0]: has no values, which In needs',
    ],
    [
      denied('storefront/web', 'shop/api-0', 'htpp'),
      'port: pod shop/api-0 declares no port named htpp; it declares http (TCP/8080)',
    ],
    [
      denied('storefront/web', 'office/desk', 'http'),
      'port: pod office/desk declares no port named http; it declares none',
    ],
    [
      denied('storefront/web', '10.0.0.0/24', 'http'),
      'port: http is a port name, which only pods declare: use a number',
    ],
    [denied('storefront/web', 'shop/api-0', 'TCP/0'), 'port: port TCP/0: ports are 1 to 65535'],
    [denied('office/four', '::/0', 80), 'no pair has an address family in common: from has ipv4, to has ipv6'],
    [denied({ namespace: 'storefront' }, { namespace: 'storefront' }, 80), 'from and to select only storefront/web'],
  ];
  for (const [test, expected] of rows) {
    const { from, to, port, expect } = test;
    it(`${JSON.stringify({ from, to, port, expect })}: ${expected}`, async () => equal(await outcome(test), expected));
  }

  const waiting = pod('office/waiting', { labels: { app: 'waiting', team: 'desk' } });
  it('is an error if a pod without an address was left out, and fails all the same if others do not hold', async () => {
    const objects = [...shop, waiting];
    const apps = (...values: string[]) => ({
      namespace: 'office',
      podSelector: { matchExpressions: [{ key: 'app', operator: 'In', values }] },
    });
    const left = '1 pod without an address was not checked: office/waiting';
    equal(await outcome(denied(apps('desk', 'waiting'), 'shop/api-0', 8080), objects), left);
    equal(await outcome(denied('shop/api-0', apps('desk', 'waiting'), 8080), objects), left);
    equal(await outcome(allowed(apps('desk', 'waiting'), 'shop/api-0', 8080), objects), 'failed 2 of 2');
    equal(
      await outcome(denied(apps('waiting'), 'shop/api-0', 80), objects),
      'from: selects no running pod with an address: pods app=waiting of namespace office',
    );
    equal(
      await outcome(denied('office/waiting', 'shop/api-0', 80), objects),
      'from: pod office/waiting has no address yet',
    );
  });

  it('judges pods of a cluster that have no address yet by assumed ones, and says so', async () => {
    const leak = policy('shop/leak', {
      podSelector: { matchLabels: { app: 'api' } },
      ingress: [{ from: [{ namespaceSelector: {}, podSelector: { matchLabels: { app: 'waiting' } } }] }],
    });
    const source = withAssumed([...shop, waiting, leak], []);
    const tests = [denied({ namespace: 'office' }, 'shop/api-0', 8080)].map(testOf);
    const { results, notes } = await checkTests({ by: 'policies', source, most: 100 }, tests);
    deepEqual([results[0]!.status, results[0]!.failed], ['failed', 2]);
    deepEqual(notes, ['1 pod without a node or an address: assuming some']);
  });

  it('gets a note if an address or a denied port may be mistyped', async () => {
    const notesOf = async (test: RawTest): Promise<readonly string[]> => {
      const objects = shop.map((each) =>
        each['kind'] === 'Node' ? { ...each, spec: { podCIDRs: ['10.1.0.0/24'] } } : each,
      );
      const place = { by: 'policies', source: sourceOf(objects), most: 100 } as const;
      return (await checkTests(place, [testOf({ name: 't', ...test })])).notes;
    };
    const inRange = 't: 10.1.0.66 is in the pod range of a node, and no pod has it: is this what you meant?';
    deepEqual(await notesOf(denied('10.1.0.66', 'shop/api-0', 8080)), [inRange]);
    deepEqual(await notesOf(denied('shop/api-0', '10.1.0.66', 80)), [inRange]);
    deepEqual(await notesOf(denied('10.1.0.4', 'shop/api-0', 8080)), []);
    deepEqual(await notesOf(denied('192.0.2.1', 'shop/api-0', 8080)), []);
    deepEqual(await notesOf(denied('203.0.113.1', 'shop/api-0', 8080)), []);
    const undeclared = 't: no selected pod declares TCP/8008 (declared: TCP/8080): is this what you meant?';
    deepEqual(await notesOf(denied('storefront/web', 'shop/api-0', 8008)), [undeclared]);
    deepEqual(await notesOf(denied('storefront/web', 'shop/deployment/api', 8008)), [undeclared]);
    deepEqual(await notesOf(denied('storefront/web', 'shop/api-0', 'icmp')), []);
    deepEqual(await notesOf(allowed('storefront/web', 'shop/api-0', 8008)), []);
    deepEqual(await notesOf(denied('storefront/web', 'office/desk', 8008)), []);
  });

  it('names a Service, and is told which pods it means', async () => {
    const service = {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { namespace: 'shop', name: 'api' },
      spec: { selector: { app: 'api' }, clusterIPs: ['10.96.0.9'] },
    };
    for (const to of ['shop/svc:api', '10.96.0.9']) {
      match(
        await outcome(denied('storefront/web', to, 80), [...shop, service]),
        /^to: .* is (a )?Service.*use shop\/api-0 or shop\/api-1 instead/,
      );
    }
  });

  it('explains what does not hold, for the pods concerned only: the policy, the rule, the nearest miss', async () => {
    const [result] = await check(shop, [
      { ...allowed({ namespaceSelector: {} }, 'shop/api-0', 8080), reason: 'PAY-7' },
    ]);
    const lines = explainResult(result!);
    deepEqual(
      lines.filter((line) => line.includes('expected')),
      [
        // The nearest miss names the address.
        'shop/api-1 → shop/api-0, TCP/8080 (ipv4): expected allowed, but the policies say denied',
        'shop/api-1 → shop/api-0, TCP/8080 (ipv6): expected allowed, but the policies say denied',
        'office/desk → shop/api-0, TCP/8080 (ipv4, ipv6): expected allowed, but the policies say denied',
        'office/four → shop/api-0, TCP/8080 (ipv4): expected allowed, but the policies say denied',
      ],
    );
    match(
      lines.join('\n'),
      /\n {2}ingress of shop\/api-0: shop\/api-0 is isolated for ingress by shop\/api, and no rule allows this\n {2}rule 1 of policy shop\/api would allow, but namespace office has no label purpose/,
    );
    equal(lines.at(-1), 'reason: PAY-7');
    const [denies] = await check(shop, [denied('storefront/web', 'shop/api-0', 8080)]);
    match(
      explainResult(denies!).join('\n'),
      /ingress of shop\/api-0: .* rule 1 of shop\/api allows this \(shop\/api spec\.ingress\[0\]\)/,
    );
  });

  it('judges the tiers of ClusterNetworkPolicies, and names the rule', async () => {
    const guard = {
      apiVersion: 'policy.networking.k8s.io/v1alpha2',
      kind: 'ClusterNetworkPolicy',
      metadata: { name: 'guard' },
      spec: {
        tier: 'Admin',
        priority: 1,
        subject: { namespaces: {} },
        ingress: [{ name: 'no-web', action: 'Deny', from: [{ namespaces: production }] }],
      },
    };
    const test = allowed('storefront/web', 'shop/api-0', 8080);
    const [result] = await check([...shop, guard], [test]);
    equal(result!.failed, 2);
    match(
      explainResult(result!).join('\n'),
      /rule 1 "no-web" of ClusterNetworkPolicy guard \(Admin tier, priority 1\) denies this/,
    );
    equal(await outcome(denied('storefront/web', 'shop/api-0', 8080), [...shop, guard]), 'passed 2');
  });

  it('fails closed on a policy that cannot be read', async () => {
    const broken = policy('shop/web', { podSelector: {}, ingress: [{ form: [] }] });
    equal(await outcome(allowed('storefront/web', 'shop/api-0', 8080), [...shop, broken]), 'passed 2');
    equal(
      await outcome(denied('storefront/web', 'office/desk', 8080), [
        ...shop,
        policy('office/x', { podSelector: {}, ingress: [{ form: [] }] }),
      ]),
      'passed 2',
    );
  });

  it('is limited: a run checks no more connections than its limit, and says so', async () => {
    const results = await check(
      shop,
      [allowed('storefront/web', 'shop/api', 8080), denied('office/desk', 'shop/api', 8080)],
      5,
    );
    deepEqual(
      results.map(({ status }) => status),
      ['passed', 'error'],
    );
    match(results[1]!.message!, /^selects 2 pairs, and this run may check 1 more connections: select fewer pods$/);
    const [four] = await check(shop, [allowed('storefront/web', 'shop/api', 8080)], 3);
    match(four!.message!, /^selects 4 connections, and this run may check 3 more: select fewer pods$/);
  });

  it('lists at most 50 failures in JSON and 10 in text, and counts all', async () => {
    const pods = Array.from({ length: 60 }, (_, index) => pod(`many/p${index}`, { ips: [`10.9.0.${index + 1}`] }));
    const [result] = await check(
      [...shop, namespace('many'), ...pods],
      [allowed({ namespace: 'many' }, 'shop/api-0', 8080)],
    );
    deepEqual([result!.failed, result!.failures.length], [60, 50]);
    const lines = explainResult(result!);
    deepEqual(
      [lines.filter((line) => line.includes('expected')).length, lines.at(-1)],
      [10, '50 more connections do not hold'],
    );
  });
});
