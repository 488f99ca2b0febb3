import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'mocha';
import type { Finding } from '../../src/doctor/finding.ts';
import { shop } from './support/shop.ts';
import { usePage } from './support/use-page.ts';

const denyWeb = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: web
  namespace: storefront
spec:
  podSelector:
    matchLabels:
      app: web
  policyTypes: [Ingress]
`;

describe('the tab Change', () => {
  const used = usePage(shop, '#tab=change');

  it('shows what a pasted policy cuts, with what was seen', async () => {
    const { page } = used;
    await page.getByLabel('YAML of policies').focus();
    await page.getByLabel('YAML of policies').fill(denyWeb);
    await page.keyboard.press('Control+Enter');
    const panel = page.getByRole('complementary', { name: 'Details' });
    await panel.getByText('created').waitFor();
    const cut = panel.getByRole('button', { name: /Internet → storefront\/web TCP\/8080 allowed → denied 614/ });
    await cut.waitFor();
    const color = await page.evaluate<string>(
      `document.querySelector('.canvas')._cyreg.cy.$('edge.change-cut').style('line-color')`,
    );
    assert.match(color, /185, ?58, ?20/);
    await cut.click();
    await panel.getByText('After the change').waitFor();
    await panel.getByText('is isolated for ingress by storefront/web').first().waitFor();
    await page.getByRole('tab', { name: 'Map' }).click();
    await page.getByText('The map shows your change').waitFor();
    await page.getByRole('button', { name: 'Stop showing it' }).click();
    await page.getByText('The map shows your change').waitFor({ state: 'detached' });
  });

  it('shows what taking a policy away opens', async () => {
    const { page } = used;
    await page.getByLabel('A policy of the cluster').selectOption('NetworkPolicy shop/data');
    await page.getByRole('button', { name: 'Take away' }).click();
    await page.getByText('deleted').waitFor();
    await page.getByRole('button', { name: 'Keep NetworkPolicy shop/data' }).click();
    await page.getByText('Edges that your change cuts turn red').waitFor();
  });

  it('fills in the YAML of a policy to edit', async () => {
    const { page } = used;
    await page.getByLabel('A policy of the cluster').selectOption('NetworkPolicy shop/api-allow');
    await page.getByRole('button', { name: 'Edit' }).click();
    const area = page.getByLabel('YAML of policies');
    const text = await area.inputValue();
    assert.match(text, /^apiVersion: networking.k8s.io\/v1\nkind: NetworkPolicy\nmetadata:\n {2}namespace: shop/);
    await area.fill(text.replace('purpose: production', 'purpose: none'));
    await page.getByRole('button', { name: 'Try it' }).click();
    await page.getByRole('button', { name: /storefront\/web → shop\/api TCP\/8080 allowed → denied/ }).waitFor();
    await page.getByText('changed', { exact: true }).waitFor();
  });

  it('shows beside "Now" the policy of the cluster, and beside "After the change" the text', async () => {
    const { page } = used;
    await page.getByLabel('A policy of the cluster').selectOption('NetworkPolicy shop/api-allow');
    await page.getByRole('button', { name: 'Edit' }).click();
    const area = page.getByLabel('YAML of policies');
    await area.fill((await area.inputValue()).replace('purpose: production', 'purpose: none'));
    await page.getByRole('button', { name: 'Try it' }).click();
    await page.getByRole('button', { name: /storefront\/web → shop\/api TCP\/8080 allowed → denied/ }).click();
    const panel = page.getByRole('complementary', { name: 'Details' });
    await panel.locator('h4', { hasText: 'Now' }).first().waitFor();
    const policies = panel.locator('.pair').first().locator('details.policy', { hasText: 'shop/api-allow' });
    const texts: string[] = [];
    for (const policy of await policies.all()) {
      if ((await policy.getAttribute('open')) === null) await policy.locator('summary').click();
      texts.push(await policy.locator('pre').innerText());
    }
    const purposes = texts.map((text) => /purpose: (production|none)/.exec(text)?.[1]);
    const [now, ...after] = purposes;
    assert.deepEqual([now, [...new Set(after)]], ['production', ['none']]);
  });

  it('says so while the result is that of an earlier text', async () => {
    const { page } = used;
    await page.getByLabel('YAML of policies').fill(denyWeb);
    await page.getByRole('button', { name: 'Try it' }).click();
    await page.getByText('created').waitFor();
    const hint = page.getByText('The YAML has changed since');
    await page.getByLabel('YAML of policies').fill(denyWeb.replace('app: web', 'app: search'));
    await hint.waitFor();
    await page.getByRole('button', { name: 'Try it now' }).click();
    await hint.waitFor({ state: 'detached' });
    // Another policy allows what the text would allow.
    await page.getByText('It changes nothing of what was seen').waitFor();
  });

  it('names the line of what cannot be read, and tries the rest', async () => {
    const { page } = used;
    await page.getByLabel('YAML of policies').fill(`${denyWeb}---\nkind: NetworkPolicy\n---\nspec: {\n`);
    await page.getByRole('button', { name: 'Try it' }).click();
    await page.getByText('Line 12').waitFor();
    await page.getByText('has no metadata.name').waitFor();
    await page.getByRole('button', { name: /^Line 1[45]$/ }).click();
    await page.getByText('created').waitFor();
    await page.getByRole('button', { name: 'Clear' }).click();
    assert.equal(await page.getByLabel('YAML of policies').inputValue(), '');
  });

  it('shows an invalid part as the pipeline would report it', async () => {
    const { page } = used;
    await page.getByLabel('YAML of policies').fill(denyWeb.replace('app: web', 'app: 7'));
    await page.getByRole('button', { name: 'Try it' }).click();
    await page.getByText(/NetworkPolicy storefront\/web: spec.podSelector/).waitFor();
  });
});

describe('the tab Suggest', () => {
  const used = usePage(() => ({ ...shop(), notes: ['flows: 7 rows are missing'] }), '#tab=suggest');

  it('suggests policies for a namespace, each with its replay, and saves one', async () => {
    const { page } = used;
    await page.getByRole('combobox', { name: /^Namespace/ }).selectOption('shop');
    const card = page.getByRole('region', { name: 'Policy for shop/api' });
    await card.getByText(/replayed: all \d+ flows are allowed/).waitFor();
    await card.getByText('It comes from').click();
    await card.getByText('storefront/web → shop/api TCP/8080').waitFor();
    assert.equal(await page.getByText(/replayed: all/).count(), 3);
    const download = page.waitForEvent('download');
    await card.getByRole('button', { name: 'Download' }).click();
    const file = await download;
    assert.equal(file.suggestedFilename(), 'shop-api.yaml');
    const text = await readFile(await file.path(), 'utf8');
    // With the notes of the page: a file is read elsewhere.
    const lines = text.split('\n');
    const policyAt = lines.findIndex((line) => !line.startsWith('# '));
    assert.deepEqual(lines.slice(policyAt, policyAt + 2), ['apiVersion: networking.k8s.io/v1', 'kind: NetworkPolicy']);
    assert.equal(lines[0], '# Suggested from what was seen. Read it before you apply it.');
    assert.ok(lines.includes('# WARNING: flows: 7 rows are missing'), text);
  });

  it('tries a suggestion for a workload, under a name that is free', async () => {
    const { page } = used;
    await page.getByRole('combobox', { name: /^Namespace/ }).selectOption('storefront');
    await page.getByRole('combobox', { name: /^Workload/ }).selectOption({ label: 'search' });
    const card = page.getByRole('region', { name: 'Policy for storefront/search' });
    await card.getByRole('button', { name: 'Try it' }).click();
    await page.getByText('created').waitFor();
    assert.match(await page.getByLabel('YAML of policies').inputValue(), /name: search-seen/);
  });
});

describe('the tab Denials', () => {
  const used = usePage(shop, '#tab=denials');

  it('lists what was denied, why, and when', async () => {
    const { page } = used;
    const row = page.getByRole('row', { name: /office\/desk shop\/api TCP\/8080 19/ });
    await row.getByText('namespace office has no label purpose').first().waitFor();
    await row.getByRole('button', { name: /^Show on the map/ }).click();
    await page.getByRole('heading', { name: 'office/desk → shop/api' }).waitFor();
  });

  it('puts what would allow it into the tab Change, where it opens', async () => {
    const { page } = used;
    await page.getByRole('button', { name: 'What would allow it: shop/worker to shop/db, TCP/5432' }).click();
    await page.getByRole('button', { name: /shop\/worker → shop\/db TCP\/5432 denied → allowed 7/ }).waitFor();
  });

  it('says that it has those of a chosen time only', async () => {
    const { page } = used;
    const { minutes } = shop().histories[0]!.flows.find(({ verdict }) => verdict === 'denied')!;
    const before = minutes[0]![0] - 1;
    await page.goto(`${used.server.url}#tab=denials&t=${before - 5}-${before}`);
    await page.reload();
    await page.getByText('Nothing was denied in this time.').waitFor();
    await page.getByText(/Only those of \d\d:\d\d to \d\d:\d\d, the time that is chosen on the map/).waitFor();
    await page.getByRole('button', { name: 'All times' }).click();
    await page.getByRole('row', { name: /office\/desk/ }).waitFor();
    assert.equal(await page.getByText('Only those of').count(), 0);
  });

  it('silences one', async () => {
    const { page } = used;
    await page.getByRole('button', { name: 'Silence: office/desk to shop/api, TCP/8080' }).click();
    await page.getByText('1 silenced.').waitFor();
    assert.equal(await page.getByRole('row').count(), 3);
    await page.getByRole('button', { name: 'Show all' }).click();
    await page.getByRole('row', { name: /office\/desk/ }).waitFor();
  });
});

describe('the tab Coverage', () => {
  const finding: Finding = {
    ...{ check: 'bridge-netfilter', subject: 'node n1', problem: 'bridge traffic skips nftables' },
    severity: 'error',
    ...{ effect: 'policies are not enforced', remedy: 'load br_netfilter', pods: ['shop/db-7c9d-0'], policies: [] },
  };
  const used = usePage(() => ({ ...shop(), findings: [finding] }), '#tab=coverage');

  it('lists what deserves a look, and shows it on the map', async () => {
    const { page } = used;
    await page.getByText('Policies that select no pod').waitFor();
    await page.getByText('Load br_netfilter.').waitFor();
    await page.getByRole('button', { name: 'Show node n1 on the map' }).click();
    await page.getByRole('heading', { name: 'shop/db' }).waitFor();
    await page.getByText('Bridge traffic skips nftables.').waitFor();
    await page.getByRole('button', { name: 'Ends' }).click();
    await page.getByRole('option', { name: /shop\/db.*not enforced/ }).waitFor();
  });
});
