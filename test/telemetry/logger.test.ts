import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { describe, it } from 'mocha';
import { createLogger } from '../../src/telemetry/logger.ts';
import { logProcessWarnings } from '../../src/telemetry/process-warnings.ts';

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

  it('has the warnings of Node.js, in place of the text that Node.js writes', () => {
    const lines: string[] = [];
    const written: unknown[] = [];
    const source = new EventEmitter().on('warning', (warning) => written.push(warning));
    const destination = { write: (line: string) => void lines.push(line) };
    logProcessWarnings(source, createLogger({ level: 'info', node: 'n1', version: '1.2.3', destination }));
    const warning = new Error('-1 is a negative number');
    warning.name = 'TimeoutNegativeWarning';
    source.emit('warning', warning);
    assert.deepEqual(written, []);
    const [{ level, err }] = lines.map((line) => JSON.parse(line));
    assert.deepEqual([level, err.message], ['warn', '-1 is a negative number']);
    assert.match(err.stack, /TimeoutNegativeWarning/);
  });
});
