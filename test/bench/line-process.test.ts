import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { LineProcess } from '../../bench/line-process.ts';

describe('a process that reads lines', () => {
  it('answers in order, and ends with its input', async () => {
    const lines: string[] = [];
    const echo = new LineProcess(['cat', []], (line) => lines.push(line));
    for (const line of ['a', 'b', 'c']) await echo.write(line);
    await echo.until(() => lines.length === 3);
    await echo.end();
    assert.deepEqual(lines, ['a', 'b', 'c']);
  });

  it('accepts more input than a pipe holds', async () => {
    let bytes = 0;
    const echo = new LineProcess(['cat', []], (line) => (bytes += line.length));
    const line = 'x'.repeat(10_000);
    for (let i = 0; i < 100; i++) await echo.write(line);
    await echo.until(() => bytes === 1_000_000);
    await echo.end();
  });

  it('if it exits early, fails waiting and writing callers with its exit status', async () => {
    const dying = new LineProcess(['sh', ['-c', 'read line; exit 3']], () => {});
    dying.post('go');
    await assert.rejects(
      dying.until(() => false),
      /has ended: 3/,
    );
    await assert.rejects(dying.write('more'), /has ended: 3/);
    await dying.end();
  });

  it('is killed after an invalid answer, and the reason is kept', async () => {
    const odd = new LineProcess(['sh', ['-c', 'echo not JSON; exec sleep 1000']], (line) => JSON.parse(line));
    await assert.rejects(
      odd.until(() => false),
      SyntaxError,
    );
    await odd.end();
  });
});
