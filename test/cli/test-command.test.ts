import { deepEqual, equal, match, rejects } from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { testCommand } from '../../src/cli/commands/test.ts';
import { runCommandLine, type CommandAnswer } from '../support/command-line.ts';

const example = join(import.meta.dirname, '../../examples/first-light');

const document = (name: string, tests: string): string =>
  `apiVersion: postern.dev/v1alpha1\nkind: PolicyTest\nmetadata: {name: ${JSON.stringify(name)}}\ntests:\n${tests}`;
const holds = '  - {name: it holds, from: storefront/web, to: shop/api, port: 8080, expect: allowed}\n';
const fails = '  - {name: it fails, reason: PAY-7, from: office/desk, to: shop/api, port: 8080, expect: allowed}\n';
const lost = '  - {name: it is about nobody, from: office/chair, to: shop/api, port: 8080, expect: denied}\n';

describe('postern test', () => {
  let folder: string;
  let file: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postern-test-'));
    file = join(folder, 'tests.yaml');
  });
  afterEach(() => rm(folder, { recursive: true }));

  const test = async (text: string, ...args: string[]): Promise<CommandAnswer> => {
    await writeFile(file, text);
    return runCommandLine(testCommand, ['-f', example, file, ...args]);
  };

  it('prints a line for each expectation and a summary, and exits with 0', async () => {
    const { code, out } = await test(document('shop', holds));
    deepEqual([code, out], [0, 'ok       it holds (2 connections)\n1 passed, 0 failed; 2 connections, by policies\n']);
  });

  it('explains what fails, and exits with 1', async () => {
    const { code, out } = await test(document('shop', holds + fails));
    equal(code, 1);
    equal(
      out,
      `ok       it holds (2 connections)
FAILED   it fails (2 connections)
  ${file}: tests[1]
  office/desk → shop/api, TCP/8080 (ipv4, ipv6): expected allowed, but the policies say denied
    ingress of shop/api: shop/api is isolated for ingress by shop/api-allow, shop/default-deny, and no rule allows this
    rule 1 of policy shop/api-allow would allow, but namespace office has no label purpose (wanted: "production")
  reason: PAY-7
1 passed, 1 failed; 4 connections, by policies
`,
    );
  });

  it('exits with 2 if an expectation is about nobody, and checks the others', async () => {
    const { code, out } = await test(document('shop', lost + fails + holds));
    equal(code, 2);
    match(
      out,
      /^ERROR {4}it is about nobody\n {2}.*: tests\[0\]\n {2}from: pod office\/chair does not exist; there (is|are) office\/desk\n/,
    );
    match(out, /\n1 passed, 1 failed, 1 error; 4 connections, by policies\n$/);
  });

  it('refuses a file that is none, and a FILE and manifests that are both standard input', async () => {
    await rejects(
      test('apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n'),
      /document 1, line 1: apiVersion: "v1" is not/,
    );
    await rejects(
      runCommandLine(testCommand, ['-f', '-', '-']),
      /standard input can be either the expectations or the manifests/,
    );
    await rejects(
      test(document('shop', holds), '--junit', join(folder, 'none', 'x')),
      /--junit: cannot write .*ENOENT/,
    );
  });

  it('refuses flags of other ways to check, which would have no effect', async () => {
    await rejects(test(document('shop', holds), '--name', 'mine'), /^ConfigError: --name and --state-dir need --lab$/);
    for (const flag of ['--image', '--agent-namespace']) {
      await writeFile(file, document('shop', holds));
      await rejects(
        runCommandLine(testCommand, [file, flag, 'x']),
        /^ConfigError: --image and --agent-namespace need --probe$/,
      );
    }
    await rejects(
      test(document('shop', holds), '--probe'),
      /'--probe' cannot be used with option '-f, --filename <PATH>'/,
    );
  });

  it('narrows expectations to one family', async () => {
    const { out } = await test(document('shop', holds), '--family', 'ipv6');
    match(out, /^ok +it holds \(1 connection\)\n/);
  });

  it('prints JSON', async () => {
    const { code, out } = await test(document('shop', lost + fails + holds), '-o', 'json');
    equal(code, 2);
    const report = JSON.parse(out) as { tests: { status: string; failures: object[] }[] } & Record<string, unknown>;
    const { tests, ...counts } = report;
    deepEqual(counts, { by: 'policies', passed: 1, failed: 1, errors: 1, skipped: 0 });
    deepEqual(
      tests.map(({ status }) => status),
      ['error', 'failed', 'passed'],
    );
    deepEqual(tests[1], {
      ...{ file, suite: 'shop', path: 'tests[1]', name: 'it fails', reason: 'PAY-7', expect: 'allowed' },
      ...{ status: 'failed', connections: 2, untried: 0, failed: 2 },
      failures: [
        {
          ...{ from: 'office/desk', to: 'shop/api', port: 'TCP/8080', families: ['ipv4', 'ipv6'], policies: 'denied' },
          reasons: [
            'ingress of shop/api: shop/api is isolated for ingress by shop/api-allow, shop/default-deny, and no rule allows this',
            'rule 1 of policy shop/api-allow would allow, but namespace office has no label purpose (wanted: "production")',
          ],
        },
      ],
    });
  });

  it('writes JUnit XML', async () => {
    const report = join(folder, 'report.xml');
    const { code, out } = await test(document('shop', holds + fails + lost), '--junit', report);
    equal(code, 2);
    match(out, /^ok /);
    const xml = await readFile(report, 'utf8');
    const counts = 'tests="3" failures="1" errors="1" skipped="0"';
    match(
      xml,
      new RegExp(
        `^<\\?xml version="1.0" encoding="UTF-8"\\?>\n<testsuites name="postern test by policies" ${counts}>\n  <testsuite name="shop" file="[^"]+" ${counts}>\n    <testcase classname="shop" name="it holds" file="[^"]+"/>\n`,
      ),
    );
    match(
      xml,
      /<failure message="office\/desk → shop\/api, TCP\/8080 \(ipv4, ipv6\): expected allowed, but the policies say denied">[^<]+\(wanted: &quot;production&quot;\)\nreason: PAY-7<\/failure>/,
    );
    match(xml, /<error message="from: pod office\/chair does not exist; [^"]+">/);
  });

  it('lets no name control the terminal, forge a line, or break the XML', async () => {
    const hostile = '</testcase><x a="\u001b[2J\u202e\u0000\uFFFE\u2028ok it holds & more\'">';
    const named = (fields: string): string => `  - {${fields}, to: shop/api, port: 8080, expect: allowed}\n`;
    const name = JSON.stringify(hostile);
    const report = join(folder, 'report.xml');
    const text = document(
      hostile,
      named(`name: ${name}, reason: ${name}, from: office/desk`) + named(`name: ${name}, from: ${name}`),
    );
    const { out } = await test(text, '--junit', report);
    // oxlint-disable-next-line no-control-regex
    const unsafe = /[\u0000-\u0009\u000b-\u001f\u202e\u2028\ufffe]/;
    equal(unsafe.test(out), false);
    equal(out.split('\n').filter((line) => /^(ok|FAILED|ERROR)/.test(line)).length, 2);
    const json = (await test(text, '-o', 'json')).out;
    equal(unsafe.test(JSON.stringify(JSON.parse(json))), false);
    const xml = await readFile(report, 'utf8');
    equal(unsafe.test(xml), false);
    equal(xml.match(/<\/testcase>/g)!.length, 2);
    equal(xml.match(/<x a=/), null);
    equal(/&(?!(amp|lt|gt|quot|apos);)/.test(xml), false);
  });
});
