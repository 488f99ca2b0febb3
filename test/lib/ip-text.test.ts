import assert from 'node:assert/strict';
import fc from 'fast-check';
import { IPv4, IPv6 } from 'ip-num';
import { describe, it } from 'mocha';
import { readIpv4, readIpv6, writeIpv4 } from '../../src/lib/ip-text.ts';

const octet = fc.oneof(
  fc.nat(300).map(String),
  fc.nat(260).map((each) => `00${each}`),
  fc.constantFrom('', '-1', '+1', ' 1', '1e1', 'x', '１'),
);
const separator = fc.oneof({ weight: 9, arbitrary: fc.constant('.') }, fc.constantFrom('', '..', ',', ':', '/'));
/** Mostly four octets, and mostly with a dot between them. */
const nearlyIpv4 = fc
  .oneof({ weight: 5, arbitrary: fc.constant(4) }, fc.nat(6))
  .chain((count) => fc.array(fc.tuple(octet, separator), { minLength: count, maxLength: count }))
  .map((parts) => parts.map(([text, after], i) => (i < parts.length - 1 ? text + after : text)).join(''));
const goodIpv4 = fc.array(fc.nat(255), { minLength: 4, maxLength: 4 }).map((octets) => octets.join('.'));

/** Of ip-num, which knows no leading zeros. */
function ipv4OfIpNum(text: string): bigint | undefined {
  if (!/^[0-9]+(\.[0-9]+){3}$/.test(text)) return undefined;
  try {
    return IPv4.fromString(text.replaceAll(/(?<![0-9])0+(?=[0-9])/g, '')).value;
  } catch {
    return undefined;
  }
}

describe('the text of an IPv4 address', () => {
  it('is read as ip-num reads it', () =>
    fc.assert(
      fc.property(fc.oneof(nearlyIpv4, goodIpv4), (text) => assert.equal(readIpv4(text), ipv4OfIpNum(text), text)),
      { numRuns: 3000 },
    ));

  it('is written as ip-num writes it', () =>
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 0xffff_ffffn }), (value) =>
        assert.equal(writeIpv4(value), IPv4.fromNumber(value).toString()),
      ),
      { numRuns: 1000 },
    ));

  it('is none of a value that is no address', () => {
    for (const value of [-1n, 1n << 32n]) assert.throws(() => writeIpv4(value), /is no IPv4 address/);
  });
});

describe('the text of an IPv6 address', () => {
  const groups = fc.array(fc.oneof(fc.constant('0'), fc.stringMatching(/^[0-9a-fA-F]{1,4}$/)), {
    minLength: 8,
    maxLength: 8,
  });
  const spelling = fc.tuple(groups, fc.nat(8), fc.nat(8)).map(([all, start, length]) => {
    if (length === 0 || start + length > 8) return all.join(':');
    return `${all.slice(0, start).join(':')}::${all.slice(start + length).join(':')}`;
  });

  it('is read as ip-num reads it, shortened anywhere', () =>
    fc.assert(
      fc.property(spelling, (text) => assert.equal(readIpv6(text), IPv6.fromString(text).value, text)),
      { numRuns: 2000 },
    ));
});
