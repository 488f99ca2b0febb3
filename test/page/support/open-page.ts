import assert from 'node:assert/strict';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';

const problemsOf = new WeakMap<Page, string[]>();

/** Opens the page in a context of its own. `closePage` fails for each error of a script, and each breach of the content security policy. */
export async function openPage(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
  isPage = true,
): Promise<Page> {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
  context.setDefaultTimeout(60_000);
  const page = await context.newPage();
  const problems: string[] = [];
  problemsOf.set(page, problems);
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('console', (message) => {
    // The browser reports answers such as 404 itself.
    if (message.text().startsWith('Failed to load resource')) return;
    if (['error', 'warning'].includes(message.type())) problems.push(message.text());
  });
  await page.goto(url);
  if (isPage) await page.locator('.tab, .empty').waitFor();
  return page;
}

export async function closePage(page: Page | undefined): Promise<void> {
  await page?.context().close();
  if (page) assert.deepEqual(problemsOf.get(page), []);
}
