import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { openAuditKeeper } from '../../../src/agent/audits/audit-keeper.ts';
import { AuditTally, type AuditRow } from '../../../src/agent/audits/audit-tally.ts';

const row: AuditRow = {
  ...{ direction: 'ingress', from: 'x/b', to: 'x/a', source: '10.1.0.2', destination: '10.1.0.1', protocol: 'tcp' },
  ...{ port: 80, policies: ['x/none'], connections: 3, first: 10, last: 20 },
};
const none = { policies: new Map(), leftOut: new Map() };

describe('the tally of audits over a restart', () => {
  let directory: string;
  let ending: AbortController;
  let warnings: unknown[];
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'postern-audits-'));
    [ending, warnings] = [new AbortController(), []];
  });
  afterEach(async () => {
    ending.abort();
    await rm(directory, { recursive: true, force: true });
  });

  const logger = { warn: (...words: unknown[]) => void warnings.push(words) };
  const open = (tally: AuditTally, at = directory as string | undefined) =>
    openAuditKeeper({ node: 'n1', directory: at, tally, now: () => 100, logger, signal: ending.signal });
  const saved = { node: 'n1', rows: [row] };
  const path = (): string => join(directory, 'audits.json');

  it('takes over what the agent before has saved, and saves at its end', async () => {
    await writeFile(path(), JSON.stringify(saved));
    const tally = new AuditTally(90);
    const keeper = open(tally);
    await keeper.restore();
    assert.deepEqual([tally.page(none, 90).since, tally.rows], [90, [row]]);
    const wide = { ...row, port: 81, policies: ['x/a', 'x/b', 'x/c', 'x/d'], morePolicies: 2 };
    tally.restore([wide], 95);
    await Promise.all([keeper.finish(), keeper.finish()]);
    const { policies, ...rest } = wide;
    assert.deepEqual(JSON.parse(await readFile(path(), 'utf8')), {
      ...saved,
      rows: [row, { ...rest, policies: policies.slice(0, 3), morePolicies: 3 }],
    });
    const next = new AuditTally(100);
    const again = open(next);
    await again.restore();
    await again.finish();
    assert.deepEqual(
      next.rows.map(({ port }) => port),
      [80, 81],
    );
    assert.deepEqual(warnings, []);
  });

  it('counts anew where the file is damaged or of another version, and says so', async () => {
    for (const text of ['{', '[]', '{"node":"n1","rows":[{}]}', JSON.stringify({ ...saved, node: 'n2' })]) {
      await writeFile(path(), text);
      const tally = new AuditTally(90);
      const keeper = open(tally);
      await keeper.restore();
      await keeper.finish();
      assert.deepEqual([tally.page(none, 90).since, tally.page(none, 90).rows], [90, []]);
      assert.match(String(warnings.pop()), /audits\.json is not used: .*: the agent counts anew/);
    }
  });

  it('saves nothing before it has the lock, and nothing without a directory', async () => {
    await writeFile(path(), JSON.stringify(saved));
    await open(new AuditTally(90)).finish();
    assert.deepEqual(JSON.parse(await readFile(path(), 'utf8')), saved);
    const keeper = open(new AuditTally(90), undefined);
    await keeper.restore();
    await keeper.finish();
  });

  it('reports a disk that fails', async () => {
    const tally = new AuditTally(90);
    const keeper = open(tally);
    await keeper.restore();
    await mkdir(path());
    tally.restore([row], 95);
    await keeper.finish();
    const next = open(new AuditTally(90));
    await next.restore();
    await next.finish();
    assert.match(String(warnings.splice(1, 1)), /audits\.json is not used: EISDIR/);
    assert.match(String(warnings), /could not save what policies in audit would deny/);
  });
});
