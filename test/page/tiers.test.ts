import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { JsonObject } from '../../src/lib/json.ts';
import type { PageData } from '../../src/map/page-data.ts';
import { ClusterData } from './support/cluster-data.ts';
import { usePage } from './support/use-page.ts';

const namespace = (name: string): JsonObject => ({
  namespaces: { matchLabels: { 'kubernetes.io/metadata.name': name } },
});
const clusterPolicy = (name: string, spec: JsonObject): JsonObject => ({
  apiVersion: 'policy.networking.k8s.io/v1alpha2',
  kind: 'ClusterNetworkPolicy',
  metadata: { name },
  spec,
});
const guard = clusterPolicy('guard', {
  tier: 'Admin',
  priority: 10,
  subject: namespace('shop'),
  ingress: [
    { name: 'shop-decides', action: 'Pass', from: [namespace('partner')] },
    { name: 'no-guests', action: 'Deny', from: [namespace('guest'), namespace('partner')] },
  ],
});
const acceptGuests = clusterPolicy('accept-guests', {
  tier: 'Admin',
  priority: 5,
  subject: namespace('shop'),
  ingress: [{ name: 'guests', action: 'Accept', from: [namespace('guest')] }],
});

/** A guest is denied by a rule of the whole cluster although a policy of shop allows all; a partner is passed on. */
function guarded(): PageData {
  const cluster = new ClusterData().node('n1').node('n2');
  for (const name of ['shop', 'guest', 'partner']) cluster.namespace(name);
  return cluster
    .workload('shop/api', 1, { http: 8080 })
    .workload('guest/desk')
    .workload('partner/desk')
    .object(guard)
    .policy('shop/open', { podSelector: {}, policyTypes: ['Ingress'], ingress: [{}] })
    .flow('guest/desk', 'shop/api', 'TCP/8080', 'denied', [3])
    .flow('partner/desk', 'shop/api', 'TCP/8080', 'allowed', [4])
    .build();
}

describe('ClusterNetworkPolicies on the page', () => {
  const used = usePage(guarded);

  it('explain an edge: the rule that decides by tier, priority and name, and the rule that comes too late', async () => {
    const { page } = used;
    const panel = page.getByRole('complementary', { name: 'Details' });
    await page.getByRole('option', { name: /guest\/desk → shop\/api/ }).click();
    await panel.locator('.reason', { hasText: 'Decided by Deny of tier Admin, priority 10, rule no-guests' }).waitFor();
    await panel.locator('mark', { hasText: 'name: no-guests' }).first().waitFor();
    await page.getByRole('option', { name: /partner\/desk → shop\/api/ }).click();
    await panel
      .locator('.reason', { hasText: 'Passed on by Pass of tier Admin, priority 10, rule shop-decides' })
      .waitFor();
    await panel
      .locator('.reason', { hasText: 'Comes too late: Deny of tier Admin, priority 10, rule no-guests' })
      .waitFor();
    await panel.getByRole('heading', { name: 'Allowed by' }).waitFor();
  });

  it('deny what no NetworkPolicy can allow: the page offers none', async () => {
    const { page } = used;
    await page.getByRole('tab', { name: 'Denials' }).click();
    const button = page.getByRole('button', { name: 'What would allow it: guest/desk to shop/api, TCP/8080' });
    assert.equal(await button.isDisabled(), true);
    assert.match(
      (await button.getAttribute('title'))!,
      /ClusterNetworkPolicy guard, rule no-guests denies it in tier Admin/,
    );
  });

  it('are tried before they are applied, and taken away', async () => {
    const { page } = used;
    await page.getByRole('tab', { name: 'Change' }).click();
    await page.getByLabel('YAML of policies').fill(JSON.stringify(acceptGuests));
    await page.getByRole('button', { name: 'Try it' }).click();
    await page.getByRole('button', { name: /guest\/desk → shop\/api TCP\/8080 denied → allowed 3/ }).waitFor();
    await page.getByRole('button', { name: 'Clear' }).click();
    await page.getByLabel('A policy of the cluster').selectOption('ClusterNetworkPolicy guard');
    await page.getByRole('button', { name: 'Take away' }).click();
    await page.getByRole('button', { name: /guest\/desk → shop\/api TCP\/8080 denied → allowed 3/ }).waitFor();
  });
});
