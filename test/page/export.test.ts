import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { after, before, describe, it } from 'mocha';
import type { Browser } from 'playwright-core';
import { exportPage } from '../../src/cli/ui/build-page.ts';
import { startBrowser } from './support/browser.ts';
import { hostile, hostileTexts } from './support/hostile.ts';
import { closePage, openPage } from './support/open-page.ts';
import { shop } from './support/shop.ts';

describe('an exported page', () => {
  let browser: Browser;
  let folder: string;

  before(async function () {
    browser = await startBrowser(this);
    folder = await mkdtemp(join(tmpdir(), 'postern-export-'));
  });
  after(async () => {
    await browser?.close();
    if (folder) await rm(folder, { recursive: true });
  });

  it('works from a file, and asks nothing of anybody', async () => {
    const file = join(folder, 'shop.html');
    await writeFile(file, await exportPage(shop()));
    const { href } = pathToFileURL(file);
    const page = await openPage(browser, 'about:blank#', { offline: true, acceptDownloads: true }, false);
    const requests: string[] = [];
    page.on('request', (request) => requests.push(request.url()));
    await page.goto(href);
    await page.getByRole('img', { name: 'Map of 14 ends and 19 edges' }).waitFor();
    await page.getByText('Exported, read').waitFor();
    await page.getByRole('option', { name: /office\/desk → shop\/api/ }).click();
    await page.getByText('namespace office has no label purpose').waitFor();
    await page.getByRole('tab', { name: 'Suggest' }).click();
    await page.getByRole('combobox', { name: /^Namespace/ }).selectOption('shop');
    const download = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Download all 3' }).click();
    await download;
    const asked = requests.filter((url) => !url.startsWith('blob:'));
    assert.deepEqual(asked, [href]);
    await closePage(page);
  });

  it('has the policy that lets nothing else run, and no text that ends its elements', async () => {
    const html = await exportPage(hostile());
    assert.match(html, /<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'sha256-/);
    const [, data] = /<script type="application\/json" id="postern-data">([^]*?)<\/script>/.exec(html)!;
    assert.deepEqual(JSON.parse(data!), hostile());
    assert.doesNotMatch(data!, /[<>&\p{Cc}\p{Cf}\u2028\u2029]/u);
    for (const text of hostileTexts) assert.ok(!html.includes(text), text);
    assert.equal(html.match(/<\/script>/g)!.length, 2);
  });

  it('shows hostile names as text', async () => {
    const file = join(folder, 'hostile.html');
    await writeFile(file, await exportPage(hostile()));
    const page = await openPage(browser, pathToFileURL(file).href);
    await page.getByRole('tab', { name: 'Coverage' }).click();
    await page.getByText('</script><script>globalThis.attacked=1</script>').first().waitFor();
    assert.equal(await page.evaluate('globalThis.attacked'), undefined);
    await closePage(page);
  });
});
