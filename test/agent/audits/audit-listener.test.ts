import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { createAuditListener } from '../../../src/agent/audits/audit-listener.ts';
import type { AuditedConnection } from '../../../src/agent/audits/audit-tally.ts';
import type { Knowledge } from '../../../src/agent/denials/describe-denial.ts';

const known = {} as Knowledge;
const connection = (to: string, port: number): AuditedConnection => ({
  ...{ verdict: 'audit', direction: 'ingress', from: '203.0.113.7', to, source: '203.0.113.7', destination: to },
  ...{ protocol: 'tcp', port, packets: 1, policies: ['x/none'] },
});

/** What the log and the metrics get at each look, of connections to pods: `ports` many to each. */
function listen(looks: readonly Readonly<Record<string, number>>[], log = true) {
  const lines: AuditedConnection[] = [];
  const denied: string[] = [];
  const found = looks.map((ports) =>
    Object.entries(ports).flatMap(([to, count]) => {
      const ids = [`x/of-${to}`];
      return Array.from({ length: count }, (_, port) => ({ ids, connection: connection(to, port) }));
    }),
  );
  const listener = createAuditListener({
    tally: { take: () => found.shift()! },
    policies: { denied: (ids, count) => void denied.push(`${count} ${ids.join(' ')}`) },
    log,
    logger: { info: (line: unknown) => void lines.push(line as AuditedConnection) },
    now: () => 0,
  });
  return looks.map(() => {
    listener([], known);
    return { denied: denied.splice(0), lines: lines.splice(0).map(({ to }) => to) };
  });
}

describe('what listens to audits', () => {
  it('logs each connection, and counts it for its policies', () => {
    assert.deepEqual(listen([{ a: 2, b: 1 }]), [{ denied: ['2 x/of-a', '1 x/of-b'], lines: ['a', 'a', 'b'] }]);
  });

  it('logs 50 connections of a look, counts all, and lets the pods take turns', () => {
    const [first, second] = listen([{ a: 4096, b: 3 }, { a: 50 }]);
    assert.deepEqual(first!.denied, ['4096 x/of-a', '3 x/of-b']);
    assert.equal(first!.lines.join(''), `${'a'.repeat(47)}bbb`);
    assert.equal(second!.lines.length, 50);
  });

  it('begins with other pods at the next look, if there are more than lines', () => {
    const pods = Object.fromEntries(Array.from({ length: 80 }, (_, at) => [`p${at}`, 1]));
    const looks = listen([pods, pods]);
    assert.equal(new Set(looks.flatMap(({ lines }) => lines)).size, 80);
  });

  it('only counts if the operator wants no lines', () => {
    assert.deepEqual(listen([{ a: 2 }], false), [{ denied: ['2 x/of-a'], lines: [] }]);
  });
});
