import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { tabs } from '../../src/map/view.ts';
import { hostile } from './support/hostile.ts';
import { eventually } from '../kernel/eventually.ts';
import { usePage } from './support/use-page.ts';

describe('hostile names', () => {
  const used = usePage(hostile);

  for (const tab of tabs) {
    it(`are text in the tab ${tab}, and stay in their places`, async () => {
      const { page } = used;
      await page.getByRole('tab', { name: new RegExp(tab, 'i') }).click();
      await page.locator(`.tab.${tab}`).waitFor();
      if (tab === 'suggest') {
        await page.getByRole('combobox', { name: /^Namespace/ }).selectOption({ index: 1 });
        await page.locator('.card').first().waitFor();
      }
      assert.equal(await page.evaluate('globalThis.attacked'), undefined);
      assert.equal(await page.evaluate('document.querySelectorAll("#page script, #page img").length'), 0);
      const isWider = 'document.documentElement.scrollWidth > document.documentElement.clientWidth';
      assert.equal(await page.evaluate(isWider), false);
      // Neither a letter that changes the direction of text nor one that ends a line is left.
      assert.doesNotMatch(await page.locator('#page').innerText(), /[\u202a-\u202e\u2066-\u2069\u2028\u2029]/);
    });
  }

  it('are text on the canvas, without letters that change its direction', async () => {
    const { page } = used;
    await page.locator('.canvas canvas').first().waitFor();
    const labels = `document.querySelector('.canvas')._cyreg.cy.elements().map((each) => each.style('label'))`;
    let drawn: string[] = [];
    await eventually(async () => {
      drawn = await page.evaluate<string[]>(labels);
      return drawn.some((each) => each.includes('txt.exe')) ? undefined : `the canvas has ${drawn.length} labels`;
    });
    assert.doesNotMatch(drawn.join(' '), /[\u202a-\u202e\u2066-\u2069\u2028\u2029]/);
    assert.match(drawn.join(' '), /⟨U\+202E⟩txt\.exe/);
  });

  it('are explained, with the policy and its line', async () => {
    const { page } = used;
    for (let press = 0; press < 7; press++) {
      await page.getByRole('listbox', { name: 'Edges' }).press('ArrowDown');
      await page.locator('.end').first().waitFor();
      await page.locator('mark.first').first().waitFor();
    }
    assert.equal(await page.evaluate('globalThis.attacked'), undefined);
    await page.getByText('⟨U+202E⟩txt.exe⟨U+2066⟩').first().waitFor();
  });
});
