import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { Denial, ProbeResult } from '../../src/lab/reachability.ts';
import { renderDenials, renderDifferences, renderMatrix } from '../../src/lab/report.ts';

/** `x/a x/b TCP/80 ipv4 allowed denied`: observed, then expected. */
function results(...lines: readonly string[]): ProbeResult[] {
  return lines.map((line) => {
    const [from, to, port, family, observed, expected] = line.split(' ');
    return { from, to, port, family, observed, expected: expected ?? observed } as ProbeResult;
  });
}

const denial: Denial = {
  from: 'x/a',
  to: 'x/b',
  port: 'TCP/80',
  family: 'ipv4',
  direction: 'ingress',
  reason: 'x/b is isolated',
  hint: 'the port is 80',
};

describe('lab: report', () => {
  it('has a row per source, a column per target, and a mark per port', () => {
    const text = renderMatrix(
      results(
        'x/a x/a TCP/80 ipv4 allowed',
        'x/a long/name TCP/80 ipv4 allowed',
        'x/a long/name UDP/53 ipv4 denied',
        'long/name x/a TCP/80 ipv4 denied',
        'long/name long/name TCP/80 ipv4 allowed',
        'long/name long/name UDP/53 ipv4 allowed',
      ),
    );
    assert.equal(
      text,
      [
        'Rows connect to columns. Columns, with the marks of a cell from left to right:',
        '  1 x/a        TCP/80',
        '  2 long/name  TCP/80 UDP/53',
        '',
        '  ipv4         1   2',
        '  1 x/a        .   .X',
        '  2 long/name  X   ..',
        '',
        '. allowed   X denied   all as the policies say',
        '',
      ].join('\n'),
    );
  });

  it('warns about differences', () => {
    const text = renderMatrix(
      results('x/a x/b TCP/80 ipv4 allowed denied', 'x/a x/b TCP/81 ipv4 denied allowed', 'x/a x/b TCP/82 ipv4 denied'),
    );
    assert.match(text, /^ {2}1 x\/a {2}!\?X$/m);
    assert.match(text, /! passed, expected denied {3}\? denied, expected allowed/);
    assert.doesNotMatch(text, /all as the policies say/);
  });

  it('shows families apart only if they differ', () => {
    const same = results('x/a x/b TCP/80 ipv4 denied', 'x/a x/b TCP/80 ipv6 denied', 'x/b x/a TCP/80 ipv6 allowed');
    assert.match(renderMatrix(same), /^ {2}ipv4 and ipv6 /m);
    const apart = renderMatrix([...same, ...results('x/b x/a TCP/80 ipv4 denied')]);
    assert.match(apart, /^ {2}ipv4 /m);
    assert.match(apart, /^ {2}ipv6 /m);
  });

  it('leaves a mark blank without a probe, and numbers sources that are not targets', () => {
    const text = renderMatrix(
      results('x/a x/b TCP/81 ipv4 denied', 'x/c x/b TCP/80 ipv4 allowed', 'x/c x/b TCP/81 ipv4 allowed'),
    );
    assert.match(text, /^ {2}1 x\/a {2}X$/m);
    assert.match(text, /^ {2}3 x\/c {2}\.\.$/m);
  });

  it('prints a reason once, with all its connections', () => {
    const text = renderDenials([
      denial,
      { ...denial, family: 'ipv6', hint: 'another address' },
      { ...denial, from: 'x/c' },
      { ...denial, from: 'x/c', port: 'TCP/81' },
      { ...denial, from: 'x/d', hint: 'no label' },
      { ...denial, direction: 'egress', reason: 'x/a is isolated', hint: '' },
    ]);
    assert.equal(
      text,
      [
        'Denied, because',
        '  x/b is isolated',
        '    from x/a: TCP/80',
        '      the port is 80',
        '      another address',
        '    from x/c: TCP/80, TCP/81',
        '      the port is 80',
        '    from x/d: TCP/80',
        '      no label',
        '  x/a is isolated',
        '    to x/b: TCP/80',
        '',
      ].join('\n'),
    );
    assert.equal(renderDenials([]), 'Nothing is denied.\n');
  });

  it('lists differences, or nothing', () => {
    assert.equal(renderDifferences(results('x/a x/b TCP/80 ipv4 denied')), '');
    assert.match(
      renderDifferences(results('x/a x/b TCP/80 ipv4 allowed denied')),
      /\(1\):\n {2}x\/a -> x\/b TCP\/80 ipv4: allowed, but the policies say denied\n$/,
    );
  });
});
