import { chromium, type Browser, type Page } from 'playwright-core';
import { PageServer } from '../../test/page/support/page-server.ts';
import { wide } from '../../test/page/support/wide.ts';
import type { Bench, Figure } from '../figure.ts';

const runs = 5;
/** A bar of the first; the second is only shown. */
const sizes = [
  { workloads: 500, edges: 2_000, bar: { atMost: 1 } },
  { workloads: 1_500, edges: 10_000, bar: undefined },
] as const;
const change = JSON.stringify({
  ...{ apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name: 'bench', namespace: 'team-2' } },
  spec: { podSelector: {}, policyTypes: ['Ingress', 'Egress'] },
});

export const page: Bench = {
  name: 'page',
  summary: 'the page of postern ui in Chromium: until the map is drawn, and until a change is (P1)',
  async run(progress) {
    const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
    try {
      const figures: Figure[] = [];
      for (const size of sizes) {
        const server = await PageServer.start(wide(size.workloads, size.edges));
        const [first, tried] = [[], []] as [number[], number[]];
        try {
          for (let run = 0; run < runs; run++) {
            progress(`${size.workloads} workloads: run ${run + 1} of ${runs}`);
            const measured = await measure(browser, server.url);
            first.push(measured.first);
            tried.push(measured.tried);
          }
        } finally {
          await server.stop();
        }
        const of = `${size.workloads} workloads, ${size.edges} edges`;
        const figure = (what: string, seconds: readonly number[]): Figure => ({
          ...{ id: 'P1', what: `${what}, ${of}`, unit: 's', runs: seconds.map((value) => ({ value })) },
          ...(size.bar && { bar: size.bar }),
        });
        figures.push(figure('the page opens, until the map is drawn', first), figure('a change is tried', tried));
      }
      return figures;
    } finally {
      await browser.close();
    }
  },
};

/** In seconds. */
async function measure(browser: Browser, url: string): Promise<{ first: number; tried: number }> {
  const context = await browser.newContext({
    viewport: { width: 1440, height: 900 },
    // Waiting for a condition runs text as code, which the policy of the page forbids.
    bypassCSP: true,
  });
  const opened = await context.newPage();
  await opened.goto(url);
  const [first] = await drawnAfter(opened, 0);
  await opened.getByRole('tab', { name: 'Change' }).click();
  await opened.getByLabel('YAML of policies').fill(change);
  const before = (await drawnAfter(opened, 0)).length;
  const started = await opened.evaluate<number>(
    `(() => { const now = performance.now(); document.querySelector('.editor [type=submit]').click(); return now; })()`,
  );
  const drawn = await drawnAfter(opened, before);
  await context.close();
  return { first: first! / 1000, tried: (drawn.at(-1)! - started) / 1000 };
}

/** When the map was drawn, in milliseconds since the page began; waits until there are more of them. */
async function drawnAfter(opened: Page, count: number): Promise<number[]> {
  const marks = `performance.getEntriesByName('map drawn').map(({ startTime }) => startTime)`;
  await opened.waitForFunction(`${marks}.length > ${count}`, undefined, { timeout: 120_000 });
  return opened.evaluate<number[]>(marks);
}
