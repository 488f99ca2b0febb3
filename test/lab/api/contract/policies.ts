import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { JsonObject } from '../../../../src/lab/api/object.ts';
import type { Reply } from '../api-caller.ts';
import { policyObject } from '../objects.ts';
import type { TestedServer } from './tested-server.ts';

const path = '/apis/networking.k8s.io/v1/namespaces/default/networkpolicies';

/** Defaults, refusals and warnings of NetworkPolicies. */
export function describePolicies(server: () => TestedServer): void {
  const create = (spec: JsonObject, query = '?dryRun=All'): Promise<Reply> =>
    server().api.call(path + query, { method: 'POST', body: policyObject(spec) });

  async function refuse(spec: JsonObject): Promise<string[]> {
    const { body } = await create(spec);
    assert.deepEqual([body.code, body.reason], [422, 'Invalid']);
    return body.details.causes.map((each: { field: string; message: string }) => `${each.field}: ${each.message}`);
  }

  describe('a network policy', () => {
    const defaults = [
      { spec: {}, types: ['Ingress'] },
      { spec: { egress: [] }, types: ['Ingress'] },
      { spec: { egress: [{}] }, types: ['Ingress', 'Egress'] },
      { spec: { policyTypes: [], egress: [{}] }, types: ['Ingress', 'Egress'] },
      { spec: { policyTypes: ['Egress'] }, types: ['Egress'] },
      { spec: { policyTypes: ['Ingress', 'Ingress'], egress: [{}] }, types: ['Ingress', 'Ingress'] },
    ];
    for (const { spec, types } of defaults) {
      it(`with ${JSON.stringify(spec)} gets the types ${types.join(' and ')} (S2.1)`, async () => {
        assert.deepEqual((await create(spec)).body.spec.policyTypes, types);
      });
    }

    it('keeps the types it was stored with (S2.2)', async () => {
      await create({}, '');
      const headers = { 'content-type': 'application/merge-patch+json' };
      const options = { method: 'PATCH', headers, body: { spec: { egress: [{}] } } };
      assert.deepEqual((await server().api.call(`${path}/policy`, options)).body.spec.policyTypes, ['Ingress']);
      await server().api.call(`${path}/policy`, { method: 'DELETE' });
    });

    it('gets TCP for a port without protocol', async () => {
      const { spec } = (await create({ ingress: [{ ports: [{ port: 80 }, {}] }] })).body;
      assert.deepEqual(spec.ingress, [{ ports: [{ port: 80, protocol: 'TCP' }, { protocol: 'TCP' }] }]);
    });

    const port = (entry: JsonObject): JsonObject => ({ ingress: [{ ports: [entry] }] });
    const peer = (entry: JsonObject): JsonObject => ({ egress: [{}, { to: [entry] }] });
    const at = 'spec.ingress[0].ports[0]';
    const to = 'spec.egress[1].to[0]';
    const cidrShape = 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)';
    const subset = 'must be a strict subset of `cidr`';
    const refusals: [JsonObject, ...string[]][] = [
      [port({ port: 70000 }), `${at}.port: Invalid value: 70000: must be between 1 and 65535, inclusive`],
      [port({ port: 0 }), `${at}.port: Invalid value: 0: must be between 1 and 65535, inclusive`],
      [port({ protocol: 'tcp' }), `${at}.protocol: Unsupported value: "tcp": supported values: "TCP", "UDP", "SCTP"`],
      [port({ port: 'a--b' }), `${at}.port: Invalid value: "a--b": must not contain consecutive hyphens`],
      [port({ port: '80' }), `${at}.port: Invalid value: "80": must contain at least one letter (a-z)`],
      [port({ port: 80, endPort: 79 }), `${at}.endPort: Invalid value: 80: must be greater than or equal to \`port\``],
      [
        port({ port: 80, endPort: 70000 }),
        `${at}.endPort: Invalid value: 70000: must be between 1 and 65535, inclusive`,
      ],
      [
        port({ port: 'web', endPort: 90 }),
        `${at}.endPort: Invalid value: 90: may not be specified when \`port\` is non-numeric`,
      ],
      [port({ endPort: 90 }), `${at}.endPort: Invalid value: 90: may not be specified when \`port\` is not specified`],
      [peer({}), `${to}: Required value: must specify a peer`],
      [
        peer({ podSelector: {}, ipBlock: { cidr: '10.0.0.0/8' } }),
        `${to}: Forbidden: may not specify both ipBlock and another peer`,
      ],
      [peer({ ipBlock: {} }), `${to}.ipBlock.cidr: Required value`],
      [peer({ ipBlock: { cidr: '10.0.0.0' } }), `${to}.ipBlock.cidr: Invalid value: "10.0.0.0": ${cidrShape}`],
      [peer({ ipBlock: { cidr: '10.0.0.0/33' } }), `${to}.ipBlock.cidr: Invalid value: "10.0.0.0/33": ${cidrShape}`],
      [
        peer({ ipBlock: { cidr: '10.0.0.0/8', except: ['10.0.0.0/8', '11.0.0.0/16', '::a00:0/112', 'x'] } }),
        `${to}.ipBlock.except[0]: Invalid value: "10.0.0.0/8": ${subset}`,
        `${to}.ipBlock.except[1]: Invalid value: "11.0.0.0/16": ${subset}`,
        `${to}.ipBlock.except[2]: Invalid value: "::a00:0/112": ${subset}`,
        `${to}.ipBlock.except[3]: Invalid value: "x": ${cidrShape}`,
      ],
      [
        { podSelector: { matchExpressions: [{ key: 'a', operator: 'in', values: ['b'] }] } },
        'spec.podSelector.matchExpressions[0].operator: Invalid value: "in": not a valid selector operator',
      ],
      [
        {
          podSelector: {
            matchExpressions: [
              { key: 'a', operator: 'In' },
              { key: 'a', operator: 'Exists', values: ['b'] },
            ],
          },
        },
        "spec.podSelector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
        "spec.podSelector.matchExpressions[1].values: Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
      ],
      [
        { policyTypes: ['ingress'] },
        'spec.policyTypes[0]: Unsupported value: "ingress": supported values: "Ingress", "Egress"',
      ],
      [
        { policyTypes: ['Ingress', 'Egress', 'Ingress'] },
        'spec.policyTypes: Invalid value: []networking.PolicyType{"Ingress", "Egress", "Ingress"}: may not specify more than two policyTypes',
      ],
    ];
    for (const [spec, ...expected] of refusals) {
      it(`is refused (S9.2): ${expected[0]}`, async () => assert.deepEqual(await refuse(spec), expected));
    }

    it('returns a single error as kubectl prints it', async () => {
      const { body } = await create(port({ port: 70000 }));
      const text = `NetworkPolicy.networking.k8s.io "policy" is invalid: ${at}.port: Invalid value: 70000: must be between 1 and 65535, inclusive`;
      assert.equal(body.message, text);
    });

    const bad = 'spec.podSelector.matchLabels: Invalid value';
    it('is refused for bad label keys and values in a selector', async () => {
      const [value] = await refuse({ podSelector: { matchLabels: { a: 'b c' } } });
      assert.ok(value!.startsWith(`${bad}: "b c": a valid label must be an empty string or consist of`));
      const [key] = await refuse({ podSelector: { matchLabels: { 'a/': 'b' } } });
      assert.equal(key, `${bad}: "a/": name part must be non-empty`);
    });

    const warnings = [
      {
        cidr: '10.0.0.9/24',
        warning: 'CIDR value "10.0.0.9/24" is ambiguous in this context (should be "10.0.0.0/24" or "10.0.0.9/32"?)',
      },
      {
        cidr: '010.0.0.0/8',
        warning:
          'non-standard CIDR value "010.0.0.0/8" will be considered invalid in a future Kubernetes release: use "10.0.0.0/8"',
      },
      {
        cidr: '::ffff:10.0.0.0/104',
        warning:
          'non-standard CIDR value "::ffff:10.0.0.0/104" will be considered invalid in a future Kubernetes release: use "10.0.0.0/8"',
      },
      {
        cidr: '2001:DB8::/32',
        warning: 'IPv6 CIDR value "2001:DB8::/32" should be in RFC 5952 canonical format ("2001:db8::/32")',
      },
      { cidr: '10.0.0.0/24', warning: undefined },
      { cidr: '::/0', warning: undefined },
    ];
    for (const { cidr, warning } of warnings) {
      it(`with ${cidr} is accepted, ${warning ? 'with a warning' : 'silently'} (S9.3)`, async () => {
        const { code, headers } = await create({ ingress: [{ from: [{ ipBlock: { cidr } }] }] });
        const text = `spec.ingress[0].from[0].ipBlock.cidr: ${warning}`;
        assert.deepEqual([code, headers['warning']], [201, warning && `299 - ${JSON.stringify(text)}`]);
      });
    }
  });
}
