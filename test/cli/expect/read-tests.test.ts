import { deepEqual, equal, match, rejects, throws } from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { parseTests, readTests } from '../../../src/cli/expect/read-tests.ts';
import { loadManifests } from '../../../src/manifests/load.ts';

const head = 'apiVersion: postern.dev/v1alpha1\nkind: PolicyTest\nmetadata: {name: shop}\n';
const one = '{from: a/b, to: c/d, port: 80, expect: denied}';
const document = (tests: string): string => `${head}tests: ${tests}\n`;

describe('a file of expectations', () => {
  it('is read with the place of each expectation', () => {
    const text = `${document(`[${one}]`)}---\n${document(`[${one}, {name: n, reason: r, from: {namespace: a, podSelector: {matchLabels: {x: ''}}}, to: {ipBlock: {cidr: ::/0, except: [fd00::/8]}}, port: http, expect: allowed, family: ipv6}]`)}`;
    const tests = parseTests('t.yaml', text);
    deepEqual(
      tests.map(({ file, suite, path, expect }) => [file, suite, path, expect]),
      [
        ['t.yaml', 'shop', 'tests[0]', 'denied'],
        ['t.yaml', 'shop', 'tests[0]', 'denied'],
        ['t.yaml', 'shop', 'tests[1]', 'allowed'],
      ],
    );
    deepEqual(tests[2]!.to, { ipBlock: { cidr: '::/0', except: ['fd00::/8'] } });
  });

  const bomb = Array.from(
    { length: 30 },
    (_, level) => `x${level}: &x${level} [${level === 0 ? '1' : `*x${level - 1}, *x${level - 1}`}]`,
  );
  const refused: readonly (readonly [what: string, text: string, message: RegExp])[] = [
    ['that is empty', '# nothing\n', /^t\.yaml: contains no PolicyTest$/],
    ['without a kind', `tests: [${one}]`, /^t\.yaml: document 1, line 1: the document: apiVersion is missing$/],
    [
      'of another kind',
      'apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n',
      /line 1: apiVersion: "v1" is not postern\.dev\/v1alpha1$/,
    ],
    [
      'of a mistyped kind beside a good one',
      `${document(`[${one}]`)}---\n${document(`[${one}]`).replace('PolicyTest', 'PolicyTset')}`,
      /^t\.yaml: document 2, line 6: kind: "PolicyTset" is not PolicyTest$/,
    ],
    ['without expectations', document('[]'), /tests: the list is empty$/],
    [
      'with a mistyped field',
      document('[{from: a/b, to: c/d, port: 80, expct: denied}]'),
      /tests\[0\]: unknown field "expct"; known are name, reason, from, to, port, expect, family$/,
    ],
    ['without an end', document('[{from: a/b, port: 80, expect: denied}]'), /tests\[0\]: to is missing$/],
    [
      'with an end of null',
      document('[{from: , to: a/b, port: 80, expect: denied}]'),
      /tests\[0\]\.from: expected .*, found nothing$/,
    ],
    [
      'with an end that is a list',
      document('[{from: [a/b], to: a/b, port: 80, expect: denied}]'),
      /tests\[0\]\.from: expected .*, found a list$/,
    ],
    [
      'with a mistyped selector',
      document('[{from: {podSelectr: {}}, to: a/b, port: 80, expect: denied}]'),
      /tests\[0\]\.from: unknown field "podSelectr"/,
    ],
    [
      'with an unknown verdict',
      document('[{from: a/b, to: c/d, port: 80, expect: deny}]'),
      /tests\[0\]\.expect: "deny" is not allowed or denied$/,
    ],
    [
      'with a port beyond',
      document('[{from: a/b, to: c/d, port: 65536, expect: denied}]'),
      /tests\[0\]\.port: expected a number from 1 to 65535$/,
    ],
    [
      'with a port of null',
      document('[{from: a/b, to: c/d, port: null, expect: denied}]'),
      /tests\[0\]\.port: expected .*, found nothing$/,
    ],
    [
      'with a field twice',
      document('[{from: a/b, from: c/d, to: c/d, port: 80, expect: denied}]'),
      /duplicated? mapping key/,
    ],
    ['that is no YAML', `${head}tests: [`, /^t\.yaml: document 1, line \d+: /],
    [
      'with a long text',
      document(`[{name: ${'x'.repeat(1001)}, from: a/b, to: c/d, port: 80, expect: denied}]`),
      /tests\[0\]\.name: has more than 1000 characters$/,
    ],
    [
      'with too many expectations',
      document(`[${Array.from({ length: 2001 }, () => one).join()}]`),
      /tests: has 2001 entries; the limit is 2000$/,
    ],
    [
      'with aliases that grow without end',
      `${bomb.join('\n')}\n${document('*x29')}`,
      /tests\[0\]: expected a mapping, found a list$/,
    ],
    [
      'with such aliases inside',
      document(
        `[${one}, {from: {podSelector: {matchLabels: {a: &a [1], b: [*a, *a]}}}, to: a/b, port: 80, expect: denied}]`,
      ),
      /matchLabels\.a: expected text, found a list$/,
    ],
    ['with nested lists', `${head}tests: ${'['.repeat(100_000)}`, /document 1, line \d+: /],
    [
      'with control characters in a name of a field',
      document('[{"a\\u001b[2J\\u202e": 1}]'),
      /unknown field "a\?\[2J\?"/,
    ],
    [
      'with a key of the prototype',
      document('[{__proto__: {}, from: a/b, to: c/d, port: 80, expect: denied}]'),
      /unknown field "__proto__"/,
    ],
  ];
  for (const [what, text, message] of refused) {
    it(`is refused: one ${what}`, () => {
      throws(
        () => parseTests('t.yaml', text),
        (error: Error) => {
          match(error.message, message);
          return error.message.length < 1000;
        },
      );
    });
  }

  it('is refused with at most 20 problems in the message', () => {
    const text = Array.from({ length: 30 }, () => 'a: 1\n').join('---\n');
    throws(
      () => parseTests('t.yaml', text),
      (error: Error) => {
        const lines = error.message.split('\n');
        equal(lines.length, 21);
        equal(lines.at(-1), '10 more problems');
        return true;
      },
    );
  });
});

describe('files of expectations', () => {
  let folder: string;
  beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'postern-tests-'))));
  afterEach(() => rm(folder, { recursive: true }));

  it('may be standard input', async () => {
    async function* input() {
      yield document(`[${one}]`).slice(0, 50);
      yield Buffer.from(document(`[${one}]`).slice(50));
    }
    equal((await readTests(['-'], input()))[0]!.file, 'standard input');
  });

  it('are refused if one is missing, a folder, or has no end', async () => {
    await rejects(readTests([join(folder, 'none')]), /none: no such file$/);
    await rejects(readTests([folder]), /EISDIR/);
    await rejects(
      readTests(['/dev/zero']),
      /^ConfigError: \/dev\/zero: is larger than 1 MiB, the limit of a file of expectations$/,
    );
  });

  it('are refused if all together have too many expectations', async () => {
    const file = join(folder, 'many.yaml');
    await writeFile(file, document(`[${Array.from({ length: 1500 }, () => one).join()}]`));
    await rejects(readTests([file, file]), /more than 2000 expectations in one run/);
  });

  it('may lie beside manifests, which ignore them', async () => {
    await writeFile(join(folder, 'tests.yaml'), document(`[${one}]`));
    await writeFile(join(folder, 'pod.yaml'), 'apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n');
    const { objects, problems } = await loadManifests([folder]);
    deepEqual([objects.map(({ kind }) => kind), problems], [['Pod'], []]);
  });
});
