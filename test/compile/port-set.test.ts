import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import {
  hasInterval,
  portSetOf,
  portSetText,
  resolveNamedPort,
  singlePorts,
  type PortRange,
} from '../../src/compile/port-set.ts';
import { protocols } from '../../src/model/policy.ts';

const range = fc
  .tuple(fc.constantFrom(...protocols), fc.integer({ min: 65_515, max: 65_535 }), fc.nat(20))
  .map(([protocol, last, length]): PortRange => ({ protocol, first: last - length, last }));

const holds = (ranges: readonly PortRange[], protocol: string, port: number): boolean =>
  ranges.some((each) => each.protocol === protocol && each.first <= port && port <= each.last);

describe('portSetOf', () => {
  it('is the union, in one way only, whatever the order', () =>
    fc.assert(
      fc.property(fc.array(range, { maxLength: 6 }), (ranges) => {
        const set = portSetOf(ranges) as readonly PortRange[];
        for (const protocol of protocols) {
          for (let port = 65_490; port <= 65_535; port++) {
            assert.equal(holds(set, protocol, port), holds(ranges, protocol, port), `${protocol}/${port}`);
          }
        }
        for (const [index, each] of set.entries()) {
          const next = set[index + 1];
          assert.ok(next?.protocol !== each.protocol || each.last + 1 < next.first, portSetText(set));
        }
        assert.equal(portSetText(portSetOf(ranges.toReversed())), portSetText(set));
      }),
      { numRuns: 500 },
    ));

  it('is any as soon as one is any, and nothing of nothing', () => {
    assert.equal(portSetOf([{ kind: 'range', protocol: 'TCP', first: 80, last: 80 }, { kind: 'any' }]), 'any');
    assert.deepEqual(portSetOf([]), []);
  });

  it('leaves names out: they are no numbers of everyone', () => {
    assert.deepEqual(portSetOf([{ kind: 'named', name: 'web', protocol: 'TCP', declarers: 'g' }]), []);
  });

  it('knows single ports from ranges', () => {
    assert.equal(hasInterval([{ protocol: 'TCP', first: 80, last: 80 }]), false);
    assert.equal(hasInterval([{ protocol: 'TCP', first: 80, last: 81 }]), true);
  });
});

describe('singlePorts', () => {
  const ports = portSetOf([
    { protocol: 'UDP', first: 53, last: 53 },
    { protocol: 'TCP', first: 80, last: 82 },
  ]) as readonly PortRange[];

  it('is each for itself while they are few enough', () => {
    assert.equal(portSetText(singlePorts(ports, 4)), 'tcp . 80, tcp . 81, tcp . 82, udp . 53');
  });

  it('else, and where all are single, they are the very same', () => {
    assert.equal(singlePorts(ports, 3), ports);
    const single = [ports[1]!];
    assert.equal(singlePorts(single, 4), single);
  });
});

describe('resolveNamedPort (S4.6, S4.11, S4.12)', () => {
  const declared = [
    { name: 'web', protocol: 'TCP', port: 80 },
    { name: 'web', protocol: 'TCP', port: 8080 },
    { name: 'web', protocol: 'UDP', port: 53 },
    { name: 'api', protocol: 'TCP', port: 443 },
  ] as const;
  const numbers = (name: string, protocol: 'TCP' | 'UDP' | 'SCTP') =>
    resolveNamedPort({ name, protocol }, declared).map((each) => `${each.protocol}/${each.first}-${each.last}`);

  it('is every number that has the name and the protocol, and none where none has', () => {
    assert.deepEqual(numbers('web', 'TCP'), ['TCP/80-80', 'TCP/8080-8080']);
    assert.deepEqual(numbers('web', 'UDP'), ['UDP/53-53']);
    assert.deepEqual(numbers('web', 'SCTP'), []);
    assert.deepEqual(numbers('we', 'TCP'), []);
  });
});
