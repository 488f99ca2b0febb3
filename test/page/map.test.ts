import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { Page } from 'playwright-core';
import { eventually } from '../kernel/eventually.ts';
import { shop } from './support/shop.ts';
import { usePage } from './support/use-page.ts';

describe('the map', () => {
  const used = usePage(shop);

  it('draws namespaces, workloads and what is outside', async () => {
    const { page } = used;
    await page.getByRole('img', { name: 'Map of 14 ends and 19 edges' }).waitFor();
    assert.equal(await page.getByRole('listbox', { name: 'Edges' }).getByRole('option').count(), 19);
    await page.getByRole('button', { name: 'Ends' }).click();
    assert.equal(await page.getByRole('listbox', { name: 'Ends' }).getByRole('option').count(), 14);
    const labels = await page.evaluate<string[]>(
      `document.querySelector('.canvas')._cyreg.cy.nodes().map((node) => node.data('label'))`,
    );
    // One of its policies selects no pod, and rules of shop/worker matched nothing.
    assert.ok(labels.includes('office ∅') && labels.includes('worker ∅'), labels.join());
    const canvas = page.locator('.canvas canvas').last();
    assert.ok((await canvas.boundingBox())!.width > 300);
  });

  it('explains an edge that is chosen in the list', async () => {
    const { page } = used;
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
    const { page } = used;
    await page.getByRole('listbox', { name: 'Edges' }).focus();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowDown');
    await page.getByRole('option', { name: /storefront\/web → shop\/api/, selected: true }).waitFor();
    await page.getByText('Allowed by').waitFor();
  });

  it('follows the URL: Back, a link, and junk', async () => {
    const { page, server } = used;
    await page.getByRole('option', { name: /office\/desk → shop\/api/ }).click();
    await page.getByRole('heading', { name: 'office/desk' }).waitFor();
    const link = page.url();
    await page.goBack();
    await page.getByRole('heading', { name: 'Overview' }).waitFor();
    await page.goto(link);
    await page.getByRole('heading', { name: 'office/desk' }).waitFor();
    const junk = '#tab=no&ns=%00&closed=__proto__&hide=constructor&q=%E2%80%AE&t=9-1&at=%3Cimg%20src=x%3E&t=1-2-3';
    await page.goto(`${server.url}${junk}`);
    await page.reload();
    await page.getByText('The map has no <img src=x> in this view and time.').waitFor();
    await page.goto(`${server.url}#%%%`);
    await page.reload();
    await page.getByRole('heading', { name: 'Overview' }).waitFor();
  });

  it('searches, shows denials alone, collapses a namespace and hides a node', async () => {
    const { page } = used;
    const map = (ends: number, edges: number) =>
      page.getByRole('img', { name: `Map of ${ends} ends and ${edges} edges` });
    await page.getByRole('searchbox').fill('worker');
    await map(3, 2).waitFor();
    await page.getByRole('searchbox').fill('');
    await page.getByLabel('Only with denials').check();
    await map(5, 3).waitFor();
    await page.getByLabel('Only with denials').uncheck();
    await page.getByRole('button', { name: 'Collapse shop' }).click();
    await map(11, 15).waitFor();
    await page.getByRole('button', { name: 'Ends' }).click();
    await page.getByRole('listbox').getByRole('option').filter({ hasText: /^shop/ }).click();
    await page.getByText('Namespace, collapsed').waitFor();
    await page.getByRole('button', { name: 'Hide from map' }).click();
    await map(9, 10).waitFor();
    await page.getByRole('button', { name: 'Show shop again' }).click();
    await map(11, 15).waitFor();
    await page.reload();
    await map(11, 15).waitFor();
  });

  it('explains the edges that a collapsed namespace joins', async () => {
    const { page } = used;
    await page.getByRole('button', { name: 'Collapse shop' }).click();
    await page.getByRole('option', { name: /office\/desk → shop/ }).click();
    await page.getByText('A collapsed namespace joins these edges').waitFor();
    await page.getByRole('button', { name: 'office/desk → shop/api TCP/8080' }).click();
    await page.getByText('namespace office has no label purpose').waitFor();
  });

  it('keeps nodes where they are when more come, and when they come back', async () => {
    const { page, server } = used;
    await page.getByRole('img', { name: 'Map of 14 ends' }).waitFor();
    const before = await placesOf(page, 14);
    assert.equal(Object.keys(before).length, 14);
    await page.getByRole('searchbox').fill('worker');
    await page.getByRole('img', { name: 'Map of 3 ends' }).waitFor();
    await placesOf(page, 3);
    await page.getByRole('searchbox').fill('');
    await page.getByRole('img', { name: 'Map of 14 ends' }).waitFor();
    assert.deepEqual(await placesOf(page, 14), before);
    const data = shop();
    server.data = { ...data, histories: data.histories.map((each) => ({ ...each, flows: each.flows.slice(0, 12) })) };
    await page.getByRole('img', { name: 'Map of 13 ends and 12 edges' }).waitFor();
    await placesOf(page, 13);
    server.data = data;
    await page.getByRole('img', { name: 'Map of 14 ends and 19 edges' }).waitFor();
    assert.deepEqual(await placesOf(page, 14), before);
  });

  it('shows a part of the time, chosen with the keyboard or the mouse', async () => {
    const { page } = used;
    await page.getByRole('slider', { name: 'From' }).focus();
    await page.keyboard.press('End');
    await page.getByText('201 connections, 8 denied').waitFor();
    await page.getByRole('button', { name: 'All times' }).click();
    await page.getByText('2,376 connections, 51 denied').waitFor();
    const { x, y, width, height } = (await page.locator('.u-over').boundingBox())!;
    await page.mouse.move(x + width * 0.9, y + height / 2);
    await page.mouse.down();
    await page.mouse.move(x + width * 0.98, y + height / 2, { steps: 4 });
    await page.mouse.up();
    await page.getByRole('button', { name: 'All times' }).waitFor();
    assert.match(page.url(), /t=\d+-\d+/);
  });

  it('compares before and after a minute', async () => {
    const { page } = used;
    await page.getByRole('button', { name: 'Before and after' }).click();
    await page.getByRole('slider', { name: 'Change' }).focus();
    await page.keyboard.press('End');
    // Five minutes before the end, the first denials were seen.
    for (let step = 0; step < 4; step++) await page.keyboard.press('ArrowLeft');
    const section = page.locator('.difference.new');
    await section.getByText('Only after').waitFor();
    await section.getByRole('button', { name: /office\/desk → shop\/api/ }).click();
    await page.getByText('namespace office has no label purpose').waitFor();
    // The link has the comparison.
    assert.match(page.url(), /split=\d+/);
    await page.reload();
    await page.getByRole('button', { name: 'Before and after' }).waitFor();
  });

  it('explains an edge that is clicked on the canvas', async () => {
    const { page } = used;
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

/** The label of the map changes before the canvas does. The policy of the page forbids the eval of `waitForFunction`. */
async function placesOf(page: Page, count: number): Promise<object> {
  let places: object = {};
  await eventually(async () => {
    places = await page.evaluate<object>(`Object.fromEntries(
      document.querySelector('.canvas')._cyreg.cy.nodes().not('.box').map((node) => [node.id(), node.position()])
    )`);
    const found = Object.keys(places).length;
    return found === count ? undefined : `the canvas has ${found} nodes instead of ${count}`;
  });
  return places;
}
