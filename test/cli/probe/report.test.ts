import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'mocha';
import type { Outcome, SocketProtocol } from '../../../src/cli/connect/attempt.ts';
import type { Expected } from '../../../src/cli/probe/expectation.ts';
import { findingToJson, renderFindings } from '../../../src/cli/probe/render.ts';
import { judge } from '../../../src/cli/probe/report.ts';

const expected = (verdict: Expected['verdict']): Expected => ({
  verdict,
  reasons: [`because ${verdict}`],
  nodes: ['n1', 'n2'],
});
const find = (verdict: Expected['verdict'], outcome: Outcome, protocol: SocketProtocol = 'TCP') =>
  judge(expected(verdict), { family: 'ipv4', address: '10.0.0.1', outcome, ms: 2 }, protocol);
const setting = {
  from: 'shop/web',
  to: 'shop/api',
  port: 'TCP/80',
  inCluster: true,
  lookAt: (node: string) => (node === 'n1' ? 'postern doctor --node n1' : undefined),
};

describe('the meaning of a probe', () => {
  // A row an expectation, a column an outcome.
  const outcomes = ['connected', 'refused', 'no answer', 'unreachable', 'unresolved', 'failed'] as const;
  const table = {
    allowed: ['agrees', 'open', 'differs', 'differs', 'open', 'open'],
    denied: ['differs', 'differs', 'agrees', 'open', 'open', 'open'],
    mixed: ['open', 'open', 'open', 'differs', 'open', 'open'],
    unknown: ['open', 'open', 'open', 'open', 'open', 'open'],
  } as const;
  for (const [verdict, row] of Object.entries(table)) {
    it(`${verdict}: ${row.join(', ')}`, () => {
      const found = outcomes.map((outcome) => find(verdict as Expected['verdict'], outcome).agreement);
      assert.deepEqual(found, row);
    });
  }

  it('is the table of docs/reference/probe.md', async () => {
    const page = await readFile(new URL('../../../docs/reference/probe.md', import.meta.url), 'utf8');
    const documented = [...page.matchAll(/^\| (allowed|denied) +\| ([a-z ]+?) +\| (.*?) +\| ([01]) +\|$/gm)];
    assert.equal(documented.length, 8);
    for (const [line, verdict, outcome, meaning, exit] of documented) {
      const { agreement } = find(verdict as Expected['verdict'], outcome as Outcome);
      assert.equal(agreement === 'agrees' ? '0' : '1', exit, line);
      assert.equal(meaning!.startsWith('**different**'), agreement === 'differs', line);
    }
  });

  it('takes silence as a difference for allowed TCP, but not for an allowed datagram', () => {
    assert.equal(find('allowed', 'no answer', 'UDP').agreement, 'open');
    assert.match(find('allowed', 'no answer', 'UDP').meaning!, /need not answer/);
    assert.equal(find('allowed', 'no answer', 'TCP').agreement, 'differs');
    assert.equal(find('denied', 'no answer', 'UDP').agreement, 'agrees');
    assert.equal(find('denied', 'connected', 'UDP').agreement, 'differs');
  });

  it('has a meaning for every unexpected result, and advice for every difference', () => {
    for (const verdict of Object.keys(table) as Expected['verdict'][]) {
      for (const outcome of outcomes) {
        const { agreement, meaning, advice } = find(verdict, outcome);
        assert.equal(meaning === undefined, agreement === 'agrees', `${verdict} ${outcome}`);
        if (agreement === 'differs') assert.ok(advice.length > 0, `${verdict} ${outcome}`);
      }
    }
  });

  it('is one line per address, without a warning if all results agree', () => {
    const finding = judge(
      expected('denied'),
      { family: 'ipv6', address: 'fd00::1', outcome: 'no answer', ms: 4000 },
      'TCP',
    );
    assert.equal(
      renderFindings([find('allowed', 'connected'), finding], setting),
      `shop/web → shop/api, TCP/80
  ipv4 10.0.0.1  explain: allowed  seen: connected, 2 ms  as the policies say
  ipv6 fd00::1   explain: denied   seen: no answer, 4000 ms  as the policies say

10.0.0.1: allowed
    because allowed

fd00::1: denied
    because denied
`,
    );
  });

  it('after a difference, names nodes without an agent, and the commands for nodes with one', () => {
    const text = renderFindings([find('denied', 'connected')], setting);
    assert.match(text, /seen: connected, 2 ms {2}DIFFERENT\n/);
    assert.match(text, /^!!! 10\.0\.0\.1: NOT WHAT THE POLICIES SAY: THE POLICIES DENY THIS, BUT IT CONNECTED/m);
    assert.match(text, /next: .* node n1 .* postern doctor --node n1\n/);
    assert.match(text, /next: node n2 has no agent, so it enforces no policy/);
    assert.match(text, /next: .* postern explain shop\/web shop\/api TCP\/80\n/);
  });

  it('names the commands that find the drop of an allowed connection, also in a lab', () => {
    const finding = find('allowed', 'no answer');
    assert.deepEqual(findingToJson(finding, setting).next.slice(0, 2), [
      'did Postern drop it? postern denials',
      'is the agent of node n1 ready, and does the node have its rules? postern doctor --node n1',
    ]);
    assert.match(
      renderFindings([finding], setting),
      /on the nodes drop it\? postern doctor; else check security groups/,
    );
    const lab = { ...setting, lookAt: (node: string) => `postern lab exec node/${node} -- nft`, inCluster: false };
    assert.match(
      findingToJson(finding, lab).next[0]!,
      /^did Postern drop it\? postern lab exec node\/n1 -- nft: see the counters of its/,
    );
  });

  it('names a complete command to check the route', () => {
    const [first] = findingToJson(find('allowed', 'unreachable'), setting).next;
    assert.match(first!, /"ip route get 10\.0\.0\.1" on the node$/);
    const onFrom = 'postern lab exec --name try shop/web --';
    const [inLab] = findingToJson(find('allowed', 'unreachable'), { ...setting, inCluster: false, onFrom }).next;
    assert.match(inLab!, / postern lab exec --name try shop\/web -- ip route get 10\.0\.0\.1$/);
  });

  it('has the same content as JSON', () => {
    const { next, meaning, ...rest } = findingToJson(find('allowed', 'refused'), setting);
    assert.deepEqual(rest, {
      family: 'ipv4',
      address: '10.0.0.1',
      expected: 'allowed',
      reasons: ['because allowed'],
      observed: 'refused',
      ms: 2,
      agreement: 'open',
    });
    assert.match(meaning!, /no program listens/);
    assert.match(next[0]!, /listen on TCP\/80/);
  });
});
