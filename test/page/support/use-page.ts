import { after, afterEach, before, beforeEach } from 'mocha';
import type { Browser, Page } from 'playwright-core';
import type { PageData } from '../../../src/map/page-data.ts';
import { startBrowser } from './browser.ts';
import { closePage, openPage } from './open-page.ts';
import { PageServer } from './page-server.ts';

export interface Used {
  browser: Browser;
  server: PageServer;
  /** A new one for each test. */
  page: Page;
}

/** Serves the page with this data to each test of a suite, in a browser. */
export function usePage(data: () => PageData, hash = ''): Used {
  const used = {} as Partial<Used>;
  before(async function () {
    used.browser = await startBrowser(this);
    used.server = await PageServer.start(data());
  });
  after(async () => {
    await used.browser?.close();
    await used.server?.stop();
  });
  beforeEach(async () => {
    used.page = await openPage(used.browser!, used.server!.url + hash);
  });
  afterEach(() => closePage(used.page));
  return used as Used;
}
