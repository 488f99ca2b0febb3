import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { LineProcess } from '../../bench/changes/line-process.ts';

describe('a process that is told lines', () => {
  it('answers in order, and ends with its input', async () => {
    const lines: string[] = [];
    const echo = new LineProcess(['cat', []], (line) => lines.push(line));
    for (const line of ['a', 'b', 'c']) await echo.write(line);
    await echo.until(() => lines.length === 3);
    await echo.end();
    assert.deepEqual(lines, ['a', 'b', 'c']);
  });

  it('takes more than a pipe holds', async () => {
    let bytes = 0;
    const echo = new LineProcess(['cat', []], (line) => (bytes += line.length));
    const line = 'x'.repeat(10_000);
    for (let i = 0; i < 100; i++) await echo.write(line);
    await echo.until(() => bytes === 1_000_000);
    await echo.end();
  });

  it('that ends early fails whoever waits or writes, and says how', async () => {
    const dying = new LineProcess(['sh', ['-c', 'read line; exit 3']], () => {});
    dying.post('go');
    await assert.rejects(
      dying.until(() => false),
      /has ended: 3/,
    );
    await assert.rejects(dying.write('more'), /has ended: 3/);
    await dying.end();
  });

  it('that says what is not understood is ended, and the reason is kept', async () => {
    const odd = new LineProcess(['sh', ['-c', 'echo not JSON; exec sleep 1000']], (line) => JSON.parse(line));
    await assert.rejects(
      odd.until(() => false),
      SyntaxError,
    );
    await odd.end();
  });
});
