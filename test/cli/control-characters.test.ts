import { equal, match } from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { explainCommand } from '../../src/cli/commands/explain.ts';
import { planCommand } from '../../src/cli/commands/plan.ts';
import { printable } from '../../src/lib/printable.ts';
import { runCommandLine, type CommandAnswer } from '../support/command-line.ts';
import { namespace, pod } from '../support/objects.ts';

/** A tenant may choose names of fields, which stand in the paths of issues. */
const field = 'x\u001B[2Jfoo\u009B\nallowed: shop/a → shop/b';
const policy = (spec: object): object => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { namespace: 'shop', name: 'web' },
  spec,
});
const broken = policy({ podSelector: {}, ingress: [{ [field]: {} }, { from: [{ [field]: 1 }] }], [field]: {} });

describe('control characters that a tenant chooses', () => {
  let folder: string;
  let [base, given] = ['', ''];
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postern-control-'));
    [base, given] = [join(folder, 'base.json'), join(folder, 'given.json')];
    const items = [namespace('shop'), pod('shop/a', { ips: ['10.1.0.1'] }), pod('shop/b', { ips: ['10.1.0.2'] })];
    const typed = items.map((each) => ({ apiVersion: 'v1', ...each }));
    await writeFile(base, JSON.stringify({ apiVersion: 'v1', kind: 'List', items: typed }));
    await writeFile(given, JSON.stringify(broken));
  });
  afterEach(() => rm(folder, { recursive: true }));

  const commands: Record<string, () => Promise<CommandAnswer>> = {
    explain: () => runCommandLine(explainCommand, ['-f', base, '-f', given, 'shop/a', 'shop/b', '80']),
    'explain of a pod': () => runCommandLine(explainCommand, ['-f', base, '-f', given, 'pod', 'shop/b']),
    plan: () => runCommandLine(planCommand, ['-f', given, '--base', base]),
  };
  for (const [name, run] of Object.entries(commands)) {
    it(`${name} prints none of them, and no line of theirs`, async () => {
      const { out, notes } = await run();
      const text = out + notes;
      match(text, /x\?\[2Jfoo\? allowed: shop\/a → shop\/b/);
      for (const line of text.split('\n')) {
        equal(printable(line), line);
        equal(line.startsWith('allowed:'), false);
      }
    });
  }
});
