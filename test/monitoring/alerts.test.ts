import assert from 'node:assert/strict';
import { readFileSync, realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, it } from 'mocha';
import { expectDocTable } from '../support/doc-table.ts';
import { alertFile, alertRules } from './alert-rules.ts';
import { findUnknown } from './known-series.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const read = (file: string): string => readFileSync(root + file, 'utf8');
const repository = 'https://github.com/postern-dev/postern/blob/main/';

describe('the alerts', () => {
  it('are listed in the docs', async () => {
    const rows = alertRules.map(({ alert, labels, expr, for: wait = '', annotations }) => [
      `\`${alert}\``,
      labels.severity,
      `\`${expr}\``,
      wait,
      plain(annotations.summary),
    ]);
    await expectDocTable('docs/reference/metrics.md', ['Alert', 'Severity', 'Fires where', 'For', 'Says'], rows);
  });

  it('are those of deploy/', () => {
    assert.equal(realpathSync(`${root}deploy/prometheus/alerts.yaml`), realpathSync(alertFile));
  });

  for (const { alert, expr, labels, annotations } of alertRules) {
    describe(alert, () => {
      it('asks for what agents say', () => {
        assert.deepEqual(findUnknown(expr), []);
      });

      it('says which node, and how grave it is', () => {
        assert.match(alert, /^Postern[A-Z][A-Za-z]+$/);
        assert.ok(['critical', 'warning'].includes(labels.severity));
        assert.ok(annotations.summary.includes('{{ $labels.node }}'));
      });

      it('says what to run, with an agent that can be found', () => {
        assert.match(annotations.run, /^kubectl [^"'`]+$/);
        if (!annotations.run.includes(' -l ')) return;
        const [, label, value] = / -l (\S+)=(\S+)/.exec(annotations.run)!;
        const [, namespace] = /^kubectl -n (\S+)/.exec(annotations.run)!;
        const daemonSet = read('deploy/daemonset.yaml');
        assert.ok(daemonSet.includes(`namespace: ${namespace}`) && daemonSet.includes(`${label}: ${value}`));
      });

      it('leads to a section of the docs', () => {
        const { runbook_url: url } = annotations;
        assert.ok(url.startsWith(repository), url);
        const [page, anchor] = url.slice(repository.length).split('#') as [string, string];
        const sections = read(page).split(/^(?=#)/m);
        assert.ok(
          sections.some((text) => anchorOf(/^#+ (.*)/.exec(text)?.[1] ?? '') === anchor),
          url,
        );
      });

      it('is explained', () => {
        const section = /^## When an alert fires$.*?(?=^## )/ms.exec(read('docs/operate.md'))![0];
        assert.ok(section.includes(`**${alert}**`));
      });
    });
  }
});

/** `{{ $labels.node }}` as NODE. */
function plain(template: string): string {
  return template
    .replaceAll(/\{\{ \$labels\.(\w+) \}\}/g, (_, label: string) => label.toUpperCase())
    .replaceAll(/\{\{ \$value[^}]*\}\}/g, 'VALUE');
}

/** As GitHub makes it. */
function anchorOf(title: string): string {
  return title
    .toLowerCase()
    .replaceAll(/[^\w -]/g, '')
    .replaceAll(' ', '-');
}
