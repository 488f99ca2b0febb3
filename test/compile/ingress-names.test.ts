import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { namespace, pod, policy } from '../support/objects.ts';
import { passes } from '../support/path.ts';
import { compileNode, startPipeline, type ApiObject } from '../support/pipeline.ts';

/** Of one namespace, 100 pods with a number each; of another one, a pod with a number of its own. */
const crowd = Array.from({ length: 100 }, (_, index) =>
  pod(`crowd/p${index}`, { ips: [`10.1.0.${index + 1}`], ports: [{ name: 'web', containerPort: 8000 + index }] }),
);
const other = pod('other/p', { ips: ['10.1.1.1'], ports: [{ name: 'web', containerPort: 9000 }] });
const client = '10.2.0.1';
const objects: readonly ApiObject[] = [
  ...['crowd', 'other', 'clients'].map((name) => namespace(name, { team: name })),
  pod('clients/c', { node: 'n2', ips: [client] }),
  ...crowd,
  other,
];

function policyOf(...rules: readonly { action: string; protocols?: readonly object[] }[]): ApiObject {
  const ingress = rules.map((rule) => ({ ...rule, from: [{ namespaces: { matchLabels: { team: 'clients' } } }] }));
  const spec = { tier: 'Admin', priority: 1, subject: { namespaces: {} }, ingress };
  return { kind: 'ClusterNetworkPolicy', metadata: { name: 'c', uid: 'c' }, spec };
}

const web = [{ destinationNamedPort: 'web' }];

function reaches(policy: ApiObject, destination: string, destinationPort: number): boolean {
  const flow = { family: 'ipv4', source: client, destination, protocol: 'tcp', sourcePort: 40_000 } as const;
  const places = { source: { pod: true, node: 'n2' }, destination: { pod: true, node: 'n1' } } as const;
  const rulesets = { n1: compileNode('n1', [...objects, policy]), n2: compileNode('n2', [...objects, policy]) };
  return passes(rulesets, { ...flow, destinationPort }, places, 'original');
}

/** Of pods that are alike, those with the first numbers are known. */
const known = (index: number) => [`10.1.0.${index + 1}`, 8000 + index] as const;
const unknown = known(99);

describe('an ingress port name with more meanings than a node knows (S10.17)', () => {
  it('is denied by a Deny: on known pods that number, on others the whole protocol', () => {
    const deny = policyOf({ action: 'Deny', protocols: web });
    assert.equal(reaches(deny, ...known(0)), false);
    assert.equal(reaches(deny, known(0)[0], 443), true);
    assert.equal(reaches(deny, ...unknown), false);
    assert.equal(reaches(deny, unknown[0], 443), false);
  });

  it('is accepted on known pods only', () => {
    const accept = policyOf({ action: 'Accept', protocols: web }, { action: 'Deny' });
    assert.equal(reaches(accept, ...known(0)), true);
    assert.equal(reaches(accept, ...unknown), false);
  });

  it('is not passed on, but other ports of the rule are', () => {
    const pass = policyOf(
      { action: 'Pass', protocols: [...web, { tcp: { destinationPort: { number: 443 } } }] },
      { action: 'Deny' },
    );
    assert.equal(reaches(pass, ...known(0)), true);
    assert.equal(reaches(pass, ...unknown), false);
    assert.equal(reaches(pass, unknown[0], 443), true);
  });

  it('is reported, with the direction, and not where all meanings are known or the policy is left out', () => {
    const limitsOf = (there: readonly ApiObject[], refused?: ReadonlySet<string>) => [
      ...startPipeline('n1', there).plan(undefined, refused).compiled.limitedNames,
    ];
    const deny = policyOf({ action: 'Deny', protocols: web });
    const plain = { ...policyOf({ action: 'Deny' }), metadata: { name: 'd', uid: 'd' } };
    const own = policy('crowd/np', { podSelector: {}, ingress: [{ ports: [{ port: 'web' }] }] });
    assert.deepEqual(limitsOf([...objects, deny, plain, own]), [['/c', ['ingress']]]);
    assert.deepEqual(limitsOf([...objects.slice(0, 50), deny]), []);
    assert.deepEqual(limitsOf([...objects, deny], new Set(['/c'])), []);
  });

  it('keeps its meaning on a pod of another namespace, which nobody can displace', () => {
    const accept = policyOf({ action: 'Accept', protocols: web }, { action: 'Deny' });
    assert.equal(reaches(accept, '10.1.1.1', 9000), true);
  });
});
