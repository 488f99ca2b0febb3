import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'mocha';
import { takeSample } from '../../support/sample.ts';
import { skipTest } from '../../support/skip.ts';
import { needMachine } from '../cluster.ts';
import { agentWalks } from './agent-walks.ts';
import { connectionWalks } from './connection-walks.ts';
import { doctorWalks } from './doctor-walks.ts';
import { eventWalks } from './event-walks.ts';
import { keyOf, readEntries, toLine, toPatterns } from './page.ts';
import { TroubledLab, type Said } from './troubled-lab.ts';
import type { Walk } from './walk.ts';

const walks: readonly Walk[] = [...connectionWalks, ...doctorWalks, ...agentWalks, ...eventWalks];
const chosen = takeSample(walks, {
  what: 'rows of docs/troubleshooting.md',
  count: 14,
  nameOf: keyOf,
  suite: 'troubleshooting',
});

/** What is asked, with what has to be said. */
function stepsOf({ ask, exitCode, cause, next = [] }: Walk): NonNullable<Walk['next']> {
  return [{ line: toLine(ask), exitCode, cause }, ...next];
}

describe('docs/troubleshooting.md', () => {
  it('has a walk for each row, and no walk is without one', () => {
    assert.deepEqual(walks.map(keyOf).toSorted(), readEntries().map(keyOf).toSorted());
  });
});

describe('docs/troubleshooting.md, walked (kernel)', function () {
  this.timeout(600_000);
  let at: TroubledLab;
  const healthy = new Map<string, Said>();

  before(async function () {
    await needMachine(this, 'bridge');
    at = await TroubledLab.open();
    await at.lab.settle();
    const lines = chosen.flatMap(stepsOf).map(({ line }) => line);
    for (const line of new Set(lines)) healthy.set(line, await at.ask(line));
  });
  afterEach(() => at?.reset());
  after(() => at?.close());

  for (const walk of chosen) {
    const { symptom, ask, says, recorded, make } = walk;
    it(`${symptom}: ${ask}: ${says}${recorded === undefined ? '' : ` (recorded: ${recorded})`}`, async function () {
      const steps = stepsOf(walk);
      const before = steps.map(({ line }) => healthy.get(line)!);
      if (before.some(({ exitCode }) => exitCode === undefined)) skipTest(this, 'kubectl is not installed');
      const isNews = steps.some(({ cause }, index) => !cause.test(before[index]!.text));
      assert.ok(isNews, 'it is said while all is well, too');
      await make(at);
      for (const [index, { line, exitCode, cause }] of steps.entries()) {
        const said = await at.ask(line);
        for (const wanted of [...(index === 0 ? toPatterns(says) : []), cause]) assert.match(said.text, wanted);
        assert.equal(said.exitCode, exitCode, `${line}: ${said.text}`);
      }
    });
  }
});
