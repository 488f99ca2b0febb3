import { readFile } from 'node:fs/promises';
import type { Lab } from '../../../src/lab/lab.ts';
import type { PosternDashboard } from '../../monitoring/dashboard-schema.ts';
import { readMetric } from '../agent-pages.ts';

/** A bound of the histograms, in seconds: no healthy node takes so long. */
export const tooLong = 2.5;

/** What the panels of the dashboard draw high: a line for each of these histograms, and how much of it took too long. */
export async function readSlowness(lab: Lab): Promise<string> {
  const file = new URL('../../../deploy/grafana/postern.json', import.meta.url);
  const { panels } = JSON.parse(await readFile(file, 'utf8')) as PosternDashboard;
  const drawn = panels.flatMap((panel) => {
    const text = panel.type === 'row' ? '' : panel.targets.map(({ expr }) => expr).join(' ');
    const names = new Set(text.match(/postern_\w+_seconds(?=_bucket)/g));
    return [...names].map((name) => ({ title: panel.title ?? '', name }));
  });
  const lines = drawn.map(async ({ title, name }) => {
    const slow = await Promise.all(['n1', 'n2'].map((node) => countSlow(lab, node, name)));
    return `${title} (${name}): n1 ${slow[0]}, n2 ${slow[1]}\n`;
  });
  return (await Promise.all(lines)).join('');
}

async function countSlow(lab: Lab, node: string, name: string): Promise<number> {
  // One that has labels has one of stages.
  const counts = ['', 'stage="make"', 'stage="switch"', 'stage="break"'].map(async (label) => {
    const all = await readMetric(lab, node, `${name}_count${label && `{${label}}`}`);
    const bounded = (bound: string): Promise<number | undefined> =>
      readMetric(lab, node, `${name}_bucket{${[`le="${bound}"`, ...(label ? [label] : [])].join()}}`);
    return (all ?? 0) - ((await bounded(String(tooLong))) ?? 0);
  });
  return (await Promise.all(counts)).reduce((sum, each) => sum + each, 0);
}
