import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { parseListen, type Listen } from '../../src/config/listen.ts';

describe('an address to listen on', () => {
  const cases: readonly [string, Listen | undefined][] = [
    ['127.0.0.1:80', { host: '127.0.0.1', port: 80 }],
    ['localhost:0', { host: 'localhost', port: 0 }],
    ['[::]:9470', { host: '::', port: 9470 }],
    ['unix:/run/a b.sock', { path: '/run/a b.sock' }],
    ['unix:', undefined],
    [':80', undefined],
    ['::1:80', undefined],
    ['host:65536', undefined],
    ['host:', undefined],
    ['host:80/', undefined],
    ['[]:80', undefined],
  ];
  for (const [text, expected] of cases) {
    it(`reads ${text}`, () => assert.deepEqual(parseListen(text), expected));
  }
});
