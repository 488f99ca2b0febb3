import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { createListener } from '../../../src/agent/denials/denial-listener.ts';
import type { PodDenials } from '../../../src/agent/denials/denial-tally.ts';
import type { DescribedDenial } from '../../../src/agent/denials/describe-denial.ts';
import type { RepeatedEvent } from '../../../src/agent/object-event.ts';

const last: DescribedDenial = {
  direction: 'ingress',
  from: 'x/web',
  to: 'x/db',
  source: '10.1.0.1',
  destination: '10.1.0.2',
  protocol: 'TCP',
  port: 5432,
  packets: 3,
  policies: ['x/db'],
  reason: 'x/db is isolated for ingress by x/db, and no rule allows this',
  nearMisses: [
    { policy: 'x/db', rule: 0, path: 'spec.ingress[0]', reason: 'rule 1 of policy x/db would allow, but …' },
  ],
};
const denials: PodDenials = { pod: 'x/db', direction: 'ingress', connections: 4, since: 1000, until: 2000, last };

function listen({ log = true, events = true, level = true } = {}) {
  const lines: unknown[] = [];
  const told: (RepeatedEvent & { key: string })[] = [];
  const listener = createListener({
    log,
    events,
    logger: { info: (...line: unknown[]) => void lines.push(line), isLevelEnabled: () => level },
    recorder: { tell: (_, key, happening) => void told.push({ key, ...happening }) },
    dateOf: (time) => time + 500,
  });
  listener.log(last);
  listener.announce(denials);
  return { wants: listener.wants(), lines, told };
}

describe('who listens to denials', () => {
  it('is the log, and the owner of the pod by an Event', () => {
    const { wants, lines, told } = listen();
    assert.equal(wants, true);
    assert.deepEqual(lines, [[last, 'denied']]);
    assert.deepEqual(told, [
      {
        key: 'x/db',
        reason: 'ConnectionDenied',
        subject: 'ingress',
        message: 'ingress denied: x/web → x/db, TCP/5432 (and 3 more). rule 1 of policy x/db would allow, but …',
        count: 4,
        since: 1500,
        until: 2500,
      },
    ]);
  });

  for (const [what, options, expected] of [
    ['the log alone', { events: false }, { wants: true, lines: 1, told: 0 }],
    ['Events alone', { log: false }, { wants: true, lines: 0, told: 1 }],
    ['Events alone, where the log is of warnings', { level: false }, { wants: true, lines: 0, told: 1 }],
    ['nobody', { log: false, events: false }, { wants: false, lines: 0, told: 0 }],
    ['nobody, where the log is of warnings', { events: false, level: false }, { wants: false, lines: 0, told: 0 }],
  ] as const) {
    it(`is ${what} as it is told`, () => {
      const { wants, lines, told } = listen(options);
      assert.deepEqual({ wants, lines: lines.length, told: told.length }, expected);
    });
  }
});
