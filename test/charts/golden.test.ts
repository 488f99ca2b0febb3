import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { before, describe, it } from 'mocha';
import { requireHelm } from '../support/helm.ts';
import { chart, hooksOf, namespace, render, template } from './chart.ts';

const golden = join(import.meta.dirname, 'golden');
const rewrite = process.env['UPDATE_GOLDEN'] === '1';

describe('the chart, rendered by helm', function () {
  this.timeout(150_000);
  let helm: string;
  before(async function () {
    ({ helm } = await requireHelm(this));
  });

  const cases = { default: [], everything: ['--values', join(golden, 'everything.values.yaml')] };
  for (const [name, options] of Object.entries(cases)) {
    it(`is test/charts/golden/${name}.yaml`, async () => {
      const { text, error } = await template(helm, ...options);
      assert.equal(error, '');
      const file = join(golden, `${name}.yaml`);
      if (rewrite) writeFileSync(file, sortDocuments(text));
      else assert.equal(sortDocuments(text), readFileSync(file, 'utf8'));
    });
  }

  it('passes helm lint, also with everything on', async () => {
    for (const options of Object.values(cases)) {
      const { stdout, exitCode } = await execa(helm, ['lint', '--strict', chart, ...options], { reject: false });
      assert.equal(exitCode, 0, stdout);
    }
  });

  it('has no hook that deletes rules where they shall stay', async () => {
    const hooks = async (...options: string[]) => (await render(helm, ...options)).map(hooksOf);
    assert.ok((await hooks()).includes('pre-delete'));
    assert.deepEqual((await hooks('--set', 'uninstall.keepRules=true')).includes('pre-delete'), false);
  });

  it('has a quota only for a class of priority', async () => {
    const kinds = async (...options: string[]) => (await render(helm, ...options)).map(({ kind }) => kind);
    assert.ok((await kinds()).includes('ResourceQuota'));
    for (const value of ['priorityClassName=', 'resourceQuota.enabled=false']) {
      assert.equal((await kinds('--set', value)).includes('ResourceQuota'), false, value);
    }
  });

  it('says at the end how to see that it works, and what to do where pods are refused', async () => {
    const notes = async (...options: string[]): Promise<string> => {
      const args = ['install', 'mine', chart, '--namespace', 'net', '--dry-run=client', ...options];
      const { stdout } = await execa(helm, args, { env: { KUBECONFIG: '/dev/null' } });
      return stdout.slice(stdout.indexOf('NOTES:'));
    };
    const usual = await notes();
    for (const line of [
      'kubectl --namespace net rollout status daemonset/mine-postern',
      'kubectl label namespace net pod-security.kubernetes.io/enforce=privileged --overwrite',
      'helm test mine --namespace net',
      "curl 'http://127.0.0.1:9470/readyz?verbose'",
    ]) {
      assert.ok(usual.includes(`\n  ${line}\n`), line);
    }
    assert.equal(usual.includes('without authentication'), false);
    assert.match(usual, /"helm uninstall" first deletes the rules/);
    assert.match(await notes('--set', 'listen.address=0.0.0.0'), /0\.0\.0\.0:9470: .* without authentication/);
    assert.match(await notes('--set', 'uninstall.keepRules=true'), /"helm uninstall" leaves the rules/);
  });

  it('keeps every name within 63 characters, whatever the release is called', async () => {
    const { stdout } = await execa(helm, [
      ...['template', 'r'.repeat(53), chart, '--namespace', namespace, '--set', 'listen.address=0.0.0.0'],
      ...['--set', 'metrics.serviceMonitor.enabled=true'],
    ]);
    const names = [...stdout.matchAll(/^ *(?:- )?name: (\S+)$/gm)].map((match) => match[1]!);
    assert.ok(names.some((name) => name.endsWith('-test-allowed')));
    assert.deepEqual(
      names.filter((name) => name.length > 63),
      [],
    );
  });
});

/** Which of two objects comes first differs between versions of helm. */
function sortDocuments(text: string): string {
  return text
    .split(/^---\n/m)
    .filter((document) => document.trim() !== '')
    .map((document) => `---\n${document.trimEnd()}\n`)
    .sort()
    .join('');
}
