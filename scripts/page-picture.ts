import { writeFile } from 'node:fs/promises';
import { chromium, type Page } from 'playwright-core';
import { PageServer } from '../test/page/support/page-server.ts';
import { shop } from '../test/page/support/shop.ts';

interface Picture {
  readonly file: string;
  readonly colorScheme: 'light' | 'dark';
  /** After `#` in the address. */
  readonly view: string;
  /** Resolves when the page shows what the picture is of. */
  readonly ready: (page: Page) => Promise<unknown>;
}

const edge = 'workload office/deployment/desk → workload shop/deployment/api';
const change = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  namespace: storefront
  name: web
spec:
  podSelector: { matchLabels: { app: web } }
  ingress:
    - from:
        - ipBlock: { cidr: 0.0.0.0/0, except: [10.0.0.0/8] }
      ports: [{ port: http }]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  namespace: shop
  name: cache-for-worker
spec:
  podSelector: { matchLabels: { app: cache } }
  ingress:
    - from:
        - podSelector: { matchLabels: { app: worker } }
`;

const pictures: readonly Picture[] = [
  {
    file: 'page.png',
    colorScheme: 'light',
    view: `at=${encodeURIComponent(edge)}`,
    ready: (page) => page.locator('mark.first').first().waitFor(),
  },
  {
    file: 'page-change.png',
    colorScheme: 'dark',
    view: 'tab=change',
    async ready(page) {
      await page.getByLabel('YAML of policies').fill(change);
      await page.getByRole('button', { name: 'Try it' }).click();
      await page.getByText('edges cut').waitFor();
    },
  },
];

/** Draws the page with the cluster of its tests for the docs: an edge that is denied explains itself, and a change is tried; or serves it. */
const server = await PageServer.start(shop());
if (process.argv.includes('--serve')) process.stdout.write(`${server.url}\n`);
else {
  const browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-lcd-text'],
  });
  for (const { file, colorScheme, view, ready } of pictures) {
    const page = await browser.newPage({ viewport: { width: 1240, height: 740 }, colorScheme });
    // The age of the data is in the picture.
    await page.clock.setFixedTime(new Date('2026-12-02T10:42:11Z'));
    await page.goto(`${server.url}#${view}`);
    await ready(page);
    await page.evaluate('new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))');
    await writeFile(new URL(`../docs/${file}`, import.meta.url), await page.screenshot());
    await page.close();
  }
  await browser.close();
  await server.stop();
}
