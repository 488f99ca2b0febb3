import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { createLogger } from '../../src/telemetry/logger.ts';

describe('the logger', () => {
  it('writes JSON lines with level, time, node and version, and errors with their causes', () => {
    const lines: string[] = [];
    const destination = { write: (line: string) => void lines.push(line) };
    const logger = createLogger({ level: 'info', node: 'n1', version: '1.2.3', destination });
    logger.debug('too quiet');
    logger.error({ err: new Error('outer', { cause: new Error('inner') }) }, 'failed');
    assert.equal(lines.length, 1);
    const { level, time, node, version, msg, err } = JSON.parse(lines[0]!);
    assert.deepEqual([level, node, version, msg], ['error', 'n1', '1.2.3', 'failed']);
    assert.match(time, /^[0-9-]+T[0-9:.]+Z$/);
    assert.equal(err.message, 'outer: inner');
  });
});
