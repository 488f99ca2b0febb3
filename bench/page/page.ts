import { chromium, type Browser, type Page } from 'playwright-core';
import { PageServer } from '../../test/page/support/page-server.ts';
import { wide } from '../../test/page/support/wide.ts';
import type { Bench, Figure } from '../figure.ts';

const runs = 5;
/** The larger one is only shown. */
const sizes = [
  { workloads: 500, edges: 2_000, hasBars: true },
  { workloads: 1_500, edges: 10_000, hasBars: false },
] as const;
const bar = { atMost: 1 };
const change = JSON.stringify({
  ...{ apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name: 'bench', namespace: 'team-2' } },
  spec: { podSelector: {}, policyTypes: ['Ingress', 'Egress'] },
});

export const page: Bench = {
  name: 'page',
  summary:
    'the page of postern ui in Chromium: until the first paint, until the map is drawn, and until a change is (P1)',
  async run(progress) {
    const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
    try {
      const figures: Figure[] = [];
      for (const size of sizes) {
        const server = await PageServer.start(wide(size.workloads, size.edges));
        const measured: Measured[] = [];
        try {
          for (let run = 0; run < runs; run++) {
            progress(`${size.workloads} workloads: run ${run + 1} of ${runs}`);
            measured.push(await measure(browser, server.url));
          }
        } finally {
          await server.stop();
        }
        const of = `${size.workloads} workloads, ${size.edges} edges`;
        const figure = (what: string, part: keyof Measured, hasBar: boolean): Figure => ({
          ...{ id: 'P1', what: `${what}, ${of}`, unit: 's', runs: measured.map((each) => ({ value: each[part] })) },
          ...(hasBar && { bar }),
        });
        figures.push(
          figure('the page opens, until its first paint', 'painted', size.hasBars),
          figure('the page opens, until the map is drawn', 'drawn', false),
          figure('a change is tried', 'tried', size.hasBars),
        );
      }
      return figures;
    } finally {
      await browser.close();
    }
  },
};

/** In seconds. */
interface Measured {
  /** The first text, not the first background. */
  readonly painted: number;
  readonly drawn: number;
  readonly tried: number;
}

async function measure(browser: Browser, url: string): Promise<Measured> {
  const context = await browser.newContext({
    viewport: { width: 1440, height: 900 },
    // Waiting for a condition runs text as code, which the policy of the page forbids.
    bypassCSP: true,
  });
  const opened = await context.newPage();
  await opened.goto(url);
  const [drawn] = await drawnAfter(opened, 0);
  const painted = await opened.evaluate<number>(`performance.getEntriesByName('first-contentful-paint')[0].startTime`);
  await opened.getByRole('tab', { name: 'Change' }).click();
  await opened.getByLabel('YAML of policies').fill(change);
  const before = (await drawnAfter(opened, 0)).length;
  const started = await opened.evaluate<number>(
    `(() => { const now = performance.now(); document.querySelector('.editor [type=submit]').click(); return now; })()`,
  );
  const after = await drawnAfter(opened, before);
  await context.close();
  return { painted: painted / 1000, drawn: drawn! / 1000, tried: (after.at(-1)! - started) / 1000 };
}

/** When the map was drawn, in milliseconds since the page began; waits until there are more of them. */
async function drawnAfter(opened: Page, count: number): Promise<number[]> {
  const marks = `performance.getEntriesByName('map drawn').map(({ startTime }) => startTime)`;
  await opened.waitForFunction(`${marks}.length > ${count}`, undefined, { timeout: 120_000 });
  return opened.evaluate<number[]>(marks);
}
