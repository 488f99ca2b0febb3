import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { describe, it } from 'mocha';
import { findUnknown } from './known-series.ts';
import type { PosternDashboard } from './dashboard-schema.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const text = await readFile(join(root, 'deploy/grafana/postern.json'), 'utf8');
const dashboard = JSON.parse(text) as PosternDashboard;

describe('the Grafana dashboard', function () {
  this.timeout(180_000);

  it('is one by the schema of Grafana', async () => {
    assert.equal(await compile(text), '');
  });

  it('would not be with a member that is wrong, missing or too much', async () => {
    for (const [from, to, complaint] of [
      ['"palette-classic"', '"palette-modern"', /TS2322.*palette-modern/s],
      ['"schemaVersion"', '"schemaVersions"', /TS2353.*schemaVersions|TS2561.*schemaVersions/s],
      ['"expr"', '"expression"', /TS\d+.*expr/s],
    ] as const) {
      assert.ok(text.includes(from), from);
      assert.match(await compile(text.replace(from, to)), complaint);
    }
  });

  it('has panels that do not lie on each other, each with a number of its own', () => {
    const taken = new Map<string, string>();
    for (const { title = '', gridPos } of dashboard.panels) {
      const { x, y, w, h } = gridPos!;
      assert.ok(x + w <= 24, `${title} is wider than the page`);
      for (let cell = 0; cell < w * h; cell++) {
        const place = `${x + (cell % w)} ${y + Math.floor(cell / w)}`;
        assert.equal(taken.get(place), undefined, `${title} lies on ${taken.get(place)}`);
        taken.set(place, title);
      }
    }
    const ids = dashboard.panels.map(({ id }) => id);
    assert.equal(new Set(ids).size, ids.length);
  });

  it('asks in each panel for what agents say, of the nodes that are chosen', () => {
    const asked = dashboard.panels.flatMap((panel) =>
      panel.type === 'row' ? [] : panel.targets.map(({ expr }) => [panel.title, expr] as const),
    );
    assert.ok(asked.length > 20);
    for (const [title, expression] of asked) {
      const query = expression.replaceAll('$__rate_interval', '1m');
      assert.deepEqual(findUnknown(query), [], title);
      const selectors = query.match(/\b(?:postern|process|nodejs)_\w+(?:\{[^}]*\})?|\bup\{[^}]*\}/g)!;
      for (const selector of selectors) assert.match(selector, /node=~"\$node"/, `${title}: ${selector}`);
    }
  });

  it('lets choose the data source and nodes, all of them at first', () => {
    const variables = dashboard.templating.list.map(({ name, type, current }) => [name, type, current?.value]);
    assert.deepEqual(variables, [
      ['datasource', 'datasource', undefined],
      ['node', 'query', ['$__all']],
    ]);
    const sources = new Set(text.match(/"uid": "\$\{\w+\}"/g));
    assert.deepEqual([...sources], ['"uid": "${datasource}"']);
  });
});

/** What tsc has against it: JSON that is imported has wider types than what stands there. */
async function compile(json: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'postern-dashboard-'));
  try {
    const schema = join(root, 'test/monitoring/dashboard-schema.ts');
    const source = `import type { PosternDashboard } from ${JSON.stringify(schema)};\nexport const dashboard: PosternDashboard = ${json};\n`;
    await writeFile(join(folder, 'dashboard.ts'), source);
    const flags = ['--noEmit', '--strict', '--skipLibCheck', '--allowImportingTsExtensions', '--module', 'nodenext'];
    const tsc = join(root, 'node_modules/.bin/tsc');
    const { stdout } = await execa(tsc, [...flags, '--pretty', 'false', 'dashboard.ts'], {
      cwd: folder,
      reject: false,
    });
    return stdout;
  } finally {
    await rm(folder, { recursive: true });
  }
}
