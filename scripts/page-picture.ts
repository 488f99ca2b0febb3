import { writeFile } from 'node:fs/promises';
import { chromium } from 'playwright-core';
import { PageServer } from '../test/page/support/page-server.ts';
import { shop } from '../test/page/support/shop.ts';

const target = new URL('../docs/page.png', import.meta.url);
const edge = 'workload office/deployment/desk → workload shop/deployment/api';

/** Draws the page with the cluster of its tests, while an edge that is denied explains itself; or serves it. */
const server = await PageServer.start(shop());
if (process.argv.includes('--serve')) process.stdout.write(`${server.url}\n`);
else {
  const browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-lcd-text'],
  });
  const page = await browser.newPage({ viewport: { width: 1240, height: 740 }, colorScheme: 'light' });
  // The age of the data is in the picture.
  await page.clock.setFixedTime(new Date('2026-12-02T10:42:11Z'));
  await page.goto(`${server.url}#at=${encodeURIComponent(edge)}`);
  await page.locator('mark.first').first().waitFor();
  await page.evaluate('new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))');
  await writeFile(target, await page.screenshot());
  await browser.close();
  await server.stop();
}
