import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'mocha';
import type { Browser, Page } from 'playwright-core';
import { startBrowser } from './support/browser.ts';
import { closePage, openPage } from './support/open-page.ts';
import { PageServer } from './support/page-server.ts';
import { shop } from './support/shop.ts';

describe('the map', () => {
  let browser: Browser;
  let server: PageServer;
  let page: Page;

  before(async function () {
    browser = await startBrowser(this);
    server = await PageServer.start(shop());
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
  });
  beforeEach(async () => {
    page = await openPage(browser, server.url);
  });
  afterEach(() => closePage(page));

  it('draws namespaces, workloads and what is outside', async () => {
    await page.getByRole('img', { name: 'Map of 14 ends and 19 edges' }).waitFor();
    assert.equal(await page.getByRole('listbox', { name: 'Edges' }).getByRole('option').count(), 19);
    await page.getByRole('button', { name: 'Ends' }).click();
    assert.equal(await page.getByRole('listbox', { name: 'Ends' }).getByRole('option').count(), 14);
    const canvas = page.locator('.canvas canvas').last();
    assert.ok((await canvas.boundingBox())!.width > 300);
  });

  it('explains an edge that is chosen in the list', async () => {
    await page.getByRole('option', { name: /office\/desk → shop\/api/ }).click();
    const panel = page.getByRole('complementary', { name: 'Details' });
    await panel.getByRole('heading', { name: 'office/desk' }).waitFor();
    await panel.getByText('isolated for ingress by shop/default-deny, shop/api-allow').waitFor();
    await panel.getByText('namespace office has no label purpose').waitFor();
    const marked = await panel.locator('mark.first').allInnerTexts();
    assert.match(marked[0]!, /purpose: production/);
    assert.match(page.url(), /#at=workload\+office/);
  });

  it('explains an edge with the keyboard alone', async () => {
    await page.getByRole('listbox', { name: 'Edges' }).focus();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowDown');
    await page.getByRole('option', { name: /storefront\/web → shop\/api/, selected: true }).waitFor();
    await page.getByText('Allowed by').waitFor();
    await page.goBack();
  });

  it('explains an edge that is clicked on the canvas', async () => {
    await page.getByRole('option', { name: /office\/desk → shop\/api/ }).click();
    const { x, y } = await centreOfChosen(page);
    await page.getByRole('button', { name: 'Overview' }).click();
    await page.getByRole('heading', { name: 'Overview' }).waitFor();
    await page.mouse.click(x, y);
    await page.getByText('namespace office has no label purpose').waitFor();
  });
});

/** The middle of the selected edge, in pixels of the page. Cytoscape keeps itself at its container. */
async function centreOfChosen(page: Page): Promise<{ x: number; y: number }> {
  return page.evaluate(`(() => {
    const container = document.querySelector('.canvas');
    const { left, top } = container.getBoundingClientRect();
    const { x, y } = container._cyreg.cy.$('.chosen').renderedMidpoint();
    return { x: left + x, y: top + y };
  })()`);
}
