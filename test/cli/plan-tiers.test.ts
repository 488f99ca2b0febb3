import { deepEqual, equal, match } from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { planCommand } from '../../src/cli/commands/plan.ts';
import { runCommandLine, type CommandAnswer } from '../support/command-line.ts';

const namespace = (name: string): string => `apiVersion: v1\nkind: Namespace\nmetadata: {name: ${name}}\n`;
const pod = (name: string, space: string, port: number, ip: string): string =>
  `apiVersion: v1\nkind: Pod\nmetadata: {name: ${name}, namespace: ${space}, labels: {app: ${name}}}\nspec: {nodeName: n1, containers: [{name: c, ports: [{name: http, containerPort: ${port}}]}]}\nstatus: {phase: Running, podIPs: [{ip: ${ip}}]}\n`;
const world = [
  namespace('shop'),
  namespace('office'),
  pod('web', 'shop', 8080, '10.1.0.2'),
  pod('client', 'office', 9090, '10.1.0.3'),
].join('---\n');

function clusterPolicy(name: string, spec: string, version = 'v1alpha2'): string {
  return `apiVersion: policy.networking.k8s.io/${version}\nkind: ClusterNetworkPolicy\nmetadata: {name: ${name}}\nspec: ${spec}\n`;
}

const shop = '{namespaces: {matchLabels: {kubernetes.io/metadata.name: shop}}}';
const fromOffice = 'from: [{namespaces: {matchLabels: {kubernetes.io/metadata.name: office}}}]';
const guard = (action: string, tier = 'Admin', rule = fromOffice): string =>
  `{tier: ${tier}, priority: 10, subject: ${shop}, ingress: [{name: visitors, action: ${action}, ${rule}}]}`;
const denial = (tier: string): string =>
  `    ingress: rule 1 "visitors" of ClusterNetworkPolicy guard (${tier} tier, priority 10) denies this\n`;
const pair = '  office/client → shop/web TCP/8080 (ipv4)\n';
const noPair = 'Would be cut: no pair of pods on their declared ports\n';

describe('postern plan with ClusterNetworkPolicies', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postern-plan-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  async function write(name: string, ...documents: readonly string[]): Promise<string> {
    const path = join(folder, name);
    await writeFile(path, documents.join('---\n'));
    return path;
  }

  async function plan(given: string, base: readonly string[], ...more: readonly string[]): Promise<CommandAnswer> {
    const files = [await write('given.yaml', given), await write('world.yaml', world, ...base)];
    return runCommandLine(planCommand, ['-f', files[0]!, '--base', files[1]!, ...more]);
  }

  it('says what a new one cuts, by tier, policy and rule (S10.2)', async () => {
    const { code, out } = await plan(clusterPolicy('guard', guard('Deny')), []);
    equal(
      out,
      `Objects\n  ClusterNetworkPolicy guard: created\n\nWould be cut: 1 pair of pods and port\n${pair}${denial('Admin')}`,
    );
    equal(code, 1);
  });

  it('says what a change of the action opens, and what denied it before (S10.2)', async () => {
    const { code, out } = await plan(clusterPolicy('guard', guard('Pass')), [clusterPolicy('guard', guard('Deny'))]);
    equal(
      out,
      `Objects\n  ClusterNetworkPolicy guard: changed\n\n${noPair}\nWould open: 1 pair of pods and port\n${pair}${denial('Admin')}`,
    );
    equal(code, 0);
  });

  it('says what a deletion opens, of a default that nothing overrules (S10.4)', async () => {
    const { code, out } = await plan(
      clusterPolicy('guard', guard('Deny', 'Baseline')),
      [clusterPolicy('guard', guard('Deny', 'Baseline'))],
      '--delete',
    );
    equal(
      out,
      `Objects\n  ClusterNetworkPolicy guard: deleted\n\n${noPair}\nWould open: 1 pair of pods and port\n${pair}${denial('Baseline')}`,
    );
    equal(code, 0);
  });

  it('says what a deletion cuts: an Accept before a Deny (S10.3)', async () => {
    const first = clusterPolicy('first', guard('Accept').replace('priority: 10', 'priority: 1'));
    const { code, out } = await plan(first, [first, clusterPolicy('guard', guard('Deny'))], '--delete');
    match(out, /ClusterNetworkPolicy first: deleted\n\nWould be cut: 1 pair/);
    equal(code, 1);
  });

  it('cuts nothing where a NetworkPolicy decides before Baseline (S10.4)', async () => {
    const opened = `apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: np, namespace: shop}\nspec: {podSelector: {}, ingress: [{}]}\n`;
    const { code, out } = await plan(clusterPolicy('guard', guard('Deny', 'Baseline')), [opened]);
    equal(out, `Objects\n  ClusterNetworkPolicy guard: created\n\n${noPair}`);
    equal(code, 0);
  });

  it('names the rule as JSON, for programs', async () => {
    const { out } = await plan(clusterPolicy('guard', guard('Deny')), [], '-o', 'json');
    const { pairs } = JSON.parse(out) as { pairs: { cut: { reasons: { deniedBy: unknown }[] }[] } };
    deepEqual(pairs.cut[0]!.reasons[0]!.deniedBy, {
      policy: 'ClusterNetworkPolicy guard',
      rule: 0,
      path: 'spec.ingress[0]',
      tier: 'Admin',
      priority: 10,
      action: 'Deny',
      name: 'visitors',
    });
  });

  it('compares by name alone, whatever version is served (S10.24)', async () => {
    const before = clusterPolicy('guard', guard('Deny'));
    const { code, out } = await plan(clusterPolicy('guard', guard('Deny'), 'v1beta1'), [before]);
    equal(out, `Objects\n  ClusterNetworkPolicy guard: unchanged\n\n${noPair}`);
    equal(code, 0);
  });

  it('keeps them when the namespace default goes: they are in no namespace', async () => {
    const { out } = await plan(
      namespace('default'),
      [namespace('default'), clusterPolicy('guard', guard('Deny'))],
      '--delete',
    );
    equal(out, `Objects\n  Namespace default: deleted\n\n${noPair}`);
  });

  it('names a part that cannot be read, says what it does, and exits with 2 (S10.20)', async () => {
    const { code, out } = await plan(clusterPolicy('guard', guard('Deny', 'Admin', 'from: [{zones: {}}]')), []);
    match(
      out,
      /ClusterNetworkPolicy guard: created, not valid\n    spec\.ingress\[0\]\.from\[0\]\.zones: .*; in Accept it matches nothing, in Deny and Pass it denies everything\n/,
    );
    match(
      out,
      /office\/client → shop\/web TCP\/8080 .*\n    ingress: rule 1 "visitors" of ClusterNetworkPolicy guard .* cannot be read as a whole, so it denies everything\n/,
    );
    equal(code, 2);
  });

  it('says that one without a place in the order is not enforced (S10.21)', async () => {
    const { code, out } = await plan(clusterPolicy('guard', guard('Deny', 'Platform')), []);
    match(out, /created, not valid\n    spec\.tier: .*; not enforced\n/);
    match(out, /Would be cut: no pair/);
    equal(code, 2);
  });

  it('judges the flows that nodes have seen, also of a pod to itself through a Service (S10.18)', async () => {
    const flow = (source: string) => ({
      protocol: 'TCP',
      source,
      destination: '10.1.0.2',
      destinationPort: 8080,
      via: '10.96.0.9:80',
      connections: 3,
      open: 2,
    });
    const flows = await write(
      'flows.json',
      JSON.stringify({ node: 'n1', addresses: [], flows: [flow('10.1.0.3'), flow('10.1.0.2')] }),
    );
    const { code, out } = await plan(
      clusterPolicy('guard', guard('Deny', 'Admin', 'from: [{namespaces: {}}]')),
      [],
      '--flows',
      flows,
    );
    equal(
      out,
      `Objects\n  ClusterNetworkPolicy guard: created\n\nWould be cut: 2 flows of 2 seen, 6 connections\n${[
        'office/client',
        'shop/web',
      ]
        .map(
          (from) => `  ${from} → shop/web TCP/8080 via 10.96.0.9:80 (ipv4): 3 connections, 2 open\n${denial('Admin')}`,
        )
        .join('')}`,
    );
    equal(code, 1);
  });
});
