import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { believeDenials, type RecordedDenial } from '../../src/compile/denials.ts';

const own = '10.1.0.2';
const record = (fields: Partial<RecordedDenial>): RecordedDenial => ({
  direction: 'ingress',
  family: 'ipv4',
  source: '10.2.0.9',
  destination: own,
  protocol: 'tcp',
  port: 80,
  packets: 1,
  secondsAgo: 1,
  ...fields,
});

describe('what is believed of the records inside of a pod', () => {
  const addresses = new Set([own, 'fd01::2']);

  it('is what concerns the pod itself', () => {
    const received = record({});
    const sent = record({ direction: 'egress', source: own, destination: '10.2.0.9' });
    const ofNeighbour = record({ destination: '10.1.0.3' });
    const asIfSent = record({ direction: 'egress' });
    assert.deepEqual(believeDenials([received, ofNeighbour, sent, asIfSent], addresses), [received, sent]);
  });

  it('is no more than the set of the agent holds', () => {
    const many = Array.from({ length: 5000 }, (_, port) => record({ port }));
    assert.equal(believeDenials(many, addresses).length, 4096);
  });
});
