import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { after, before, describe, it } from 'mocha';
import type { Browser, Page } from 'playwright-core';
import { exportPage } from '../../src/cli/ui/build-page.ts';
import { tabs } from '../../src/map/view.ts';
import { startBrowser } from './support/browser.ts';
import { closePage, openPage } from './support/open-page.ts';
import { PageServer } from './support/page-server.ts';
import { shop } from './support/shop.ts';

interface Violation {
  readonly id: string;
  readonly impact: string;
  readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[];
}

const edge = 'at=workload+office%2Fdeployment%2Fdesk+%E2%86%92+workload+shop%2Fdeployment%2Fapi';
const places: Readonly<Record<string, string>> = {
  ...Object.fromEntries(tabs.map((tab) => [tab, `#tab=${tab}&at=namespace+shop`])),
  'an edge': `#${edge}`,
  'a node': '#at=workload+storefront%2Fdeployment%2Fweb',
  'before and after': '#split=SPLIT',
  'a change of an edge': `#tab=change&at=workload+shop%2Fdeployment%2Fworker+%E2%86%92+workload+shop%2Fdeployment%2Fdb`,
};

describe('axe-core finds nothing serious', () => {
  let browser: Browser;
  let server: PageServer;
  let axe: string;

  before(async function () {
    browser = await startBrowser(this);
    server = await PageServer.start({ ...shop(), notes: ['a note', 'another note'] });
    axe = await readFile(new URL(import.meta.resolve('axe-core/axe.min.js')), 'utf8');
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  async function seriousIn(page: Page): Promise<string[]> {
    await page.evaluate(axe);
    const violations = await page.evaluate<readonly Violation[]>('axe.run().then(({ violations }) => violations)');
    const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
    return serious.flatMap(({ id, nodes }) =>
      nodes.map(({ html, failureSummary }) => `${id}: ${html}\n${failureSummary}`),
    );
  }

  for (const [name, hash] of Object.entries(places)) {
    for (const colorScheme of ['light', 'dark'] as const) {
      it(`${name}, ${colorScheme}`, async () => {
        // The policy of the page would forbid the script of axe.
        const { now } = shop().histories[0]!;
        const url = server.url + hash.replace('SPLIT', String(now - 4));
        const page = await openPage(browser, url, { colorScheme, bypassCSP: true });
        if (name === 'before and after') await page.getByRole('heading', { name: /^Before and after/ }).waitFor();
        if (name === 'change' || name === 'a change of an edge') {
          await page.getByRole('combobox', { name: 'A policy of the cluster' }).selectOption('NetworkPolicy shop/data');
          await page.getByRole('button', { name: 'Take away' }).click();
          await page
            .getByText(name === 'change' ? 'deleted' : 'After the change')
            .first()
            .waitFor();
        }
        assert.deepEqual(await seriousIn(page), []);
        await closePage(page);
      });
    }
  }

  it('an exported page', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'postern-export-'));
    try {
      const file = join(folder, 'shop.html');
      await writeFile(file, await exportPage(shop()));
      const page = await openPage(browser, `${pathToFileURL(file).href}#${edge}`, { bypassCSP: true });
      await page.getByText('Exported, read').waitFor();
      assert.deepEqual(await seriousIn(page), []);
      await closePage(page);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('and would find a button without a name', async () => {
    const page = await openPage(browser, server.url, { bypassCSP: true });
    await page.evaluate(`document.querySelector('main').append(document.createElement('button'))`);
    await page.evaluate(axe);
    const ids = await page.evaluate<readonly string[]>(
      'axe.run().then(({ violations }) => violations.map(({ id }) => id))',
    );
    assert.ok(ids.includes('button-name'), ids.join());
    await closePage(page);
  });

  it('each part can be reached with the key Tab', async () => {
    const page = await openPage(browser, server.url);
    const reached = new Set<string>();
    for (let press = 0; press < 60; press++) {
      await page.keyboard.press('Tab');
      const name = await page.evaluate<string>(`(() => {
        const { activeElement: at } = document;
        return at.getAttribute('aria-label') ?? at.labels?.[0]?.innerText ?? at.innerText ?? '';
      })()`);
      reached.add(name.trim());
    }
    for (const name of [
      'Map',
      'Edges',
      'Fit',
      'Arrange',
      'From',
      'Before and after…',
      'Only with denials',
      'Collapse shop',
    ])
      assert.ok(
        [...reached].some((each) => each.startsWith(name)),
        `${name}: ${[...reached].join(' | ')}`,
      );
    await closePage(page);
  });
});
