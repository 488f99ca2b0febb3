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
    openAuditKeeper({ directory: at, tally, now: () => 100, logger, signal: ending.signal });
  const saved = { savedAt: 60, since: 5, rows: [row], unlisted: { x: 2 }, unrecorded: [] };
  const path = (): string => join(directory, 'audits.json');

  it('takes over what the agent before has saved, and saves at its end', async () => {
    await writeFile(path(), JSON.stringify(saved));
    const tally = new AuditTally(90);
    const keeper = open(tally);
    await keeper.restore();
    assert.deepEqual(tally.page(none), { since: 5, rows: [row], unlisted: { x: 2 }, unrecorded: [], leftOut: {} });
    tally.missed({ direction: 'egress', denied: 2, noted: 1 });
    await keeper.finish();
    const unrecorded = [{ direction: 'egress', packets: 1 }];
    assert.deepEqual(JSON.parse(await readFile(path(), 'utf8')), { ...saved, savedAt: 100, unrecorded });
    assert.deepEqual(warnings, []);
  });

  it('counts anew where the file is damaged or of another version, and says so', async () => {
    for (const text of ['{', '[]', '{"since":1,"rows":[{}]}', JSON.stringify({ ...saved, savedAt: 'x' })]) {
      await writeFile(path(), text);
      const tally = new AuditTally(90);
      await open(tally).restore();
      assert.deepEqual([tally.page(none).since, tally.page(none).rows], [90, []]);
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
    const keeper = open(new AuditTally(90));
    await keeper.restore();
    await mkdir(path());
    await keeper.finish();
    assert.match(String(warnings), /could not save what policies in audit would deny/);
  });
});
