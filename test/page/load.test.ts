import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'mocha';
import type { Browser, Page, Request } from 'playwright-core';
import { startBrowser } from './support/browser.ts';
import { PageServer } from './support/page-server.ts';
import { shop } from './support/shop.ts';

/** Longer than the page waits between two questions. */
const pause = 6_000;

describe('reading data', () => {
  let browser: Browser;
  let server: PageServer;
  let page: Page;
  /** Questions for data since the page was opened, and those without an answer yet. */
  let asked: number;
  let open: number;

  before(async function () {
    browser = await startBrowser(this);
  });
  after(() => browser?.close());
  beforeEach(async () => {
    await server?.stop();
    server = await PageServer.start(shop());
    page = await (await browser.newContext()).newPage();
    page.setDefaultTimeout(60_000);
    [asked, open] = [0, 0];
    const isData = (request: Request): boolean => request.url().endsWith('/data');
    page.on('request', (request) => {
      if (isData(request)) [asked, open] = [asked + 1, open + 1];
    });
    for (const end of ['requestfinished', 'requestfailed'] as const) {
      // Playwright has an overload for each event, and none for both.
      page.on(end as 'requestfinished', (request) => {
        if (isData(request)) open--;
      });
    }
    // The tests move the clock.
    await page.clock.install({ time: new Date('2026-12-02T10:42:07Z') });
  });
  afterEach(() => page?.context().close());
  after(() => server?.stop());

  const untilAnswers = async (count: number): Promise<void> => {
    while (server.answers.length < count) {
      if (open === 0) await page.clock.fastForward(pause);
      // A turn of the page.
      await page.evaluate('0');
    }
  };

  it('asks again, and takes no body that it knows', async () => {
    await page.goto(server.url);
    await page.getByText(/Read \d+ s ago/).waitFor();
    await untilAnswers(3);
    assert.deepEqual(server.answers.slice(0, 3), [200, 304, 304]);
    assert.equal(await page.getByRole('alert').count(), 0);
    await page.getByText(/Read (\d\d s|\d+ min) ago/).waitFor();
  });

  it('shows new data', async () => {
    await page.goto(server.url);
    await page.getByRole('img', { name: 'Map of 14 ends' }).waitFor();
    const data = shop();
    server.data = { ...data, histories: [] };
    await untilAnswers(2);
    await page.getByText('No flows: the map shows what the policies say').waitFor();
  });

  it('says what failed, keeps what it has, and recovers', async () => {
    await page.goto(server.url);
    await page.getByRole('img', { name: 'Map of 14 ends' }).waitFor();
    server.status = 503;
    await untilAnswers(2);
    const alert = page.getByRole('alert');
    await alert.getByText('Postern does not answer: HTTP 503: the cluster does not answer').waitFor();
    await alert.getByText('The page shows what was read at 2 Dec 2026').waitFor();
    await page.getByRole('img', { name: 'Map of 14 ends' }).waitFor();
    server.status = undefined;
    await untilAnswers(3);
    await alert.waitFor({ state: 'detached' });
  });

  it('says so if there is nothing at first', async () => {
    server.status = 403;
    await page.goto(server.url);
    await page.getByText('HTTP 403').waitFor();
    await page.getByText('There is nothing to show yet').waitFor();
    server.status = undefined;
    await untilAnswers(2);
    await page.getByRole('img', { name: 'Map of 14 ends' }).waitFor();
  });

  it('does not ask while it is stopped', async () => {
    await page.goto(server.url);
    await page.getByRole('button', { name: 'Stop' }).click();
    await page.getByText('Stopped, read').waitFor();
    const answers = server.answers.length;
    const before = asked;
    await page.clock.fastForward(10 * pause);
    await page.evaluate('0');
    assert.equal(asked, before);
    await page.getByRole('button', { name: 'Go on' }).click();
    await untilAnswers(answers + 2);
    assert.ok(asked > before + 1, `${asked} questions`);
  });

  it('says what is missing', async () => {
    server.data = {
      ...shop(),
      notes: ['node n2: its agent does not answer', 'no right to list pods in namespace bank'],
    };
    await page.goto(server.url);
    await page.getByText('Parts are missing: 2 notes').click();
    await page.getByText('no right to list pods in namespace bank').waitFor();
  });
});
