import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'mocha';
import { DenialReader } from '../../../src/agent/denials/denial-reader.ts';

const { signal } = new AbortController();

const listing = (...entries: object[]): string => JSON.stringify({ nftables: [{ metainfo: {} }, ...entries] });
const rule = (chain: string, packets: number) => ({
  rule: {
    family: 'inet',
    table: 'postern',
    chain,
    handle: 1,
    expr: [{ counter: { packets, bytes: 0 } }, { drop: null }],
  },
});
const note = (port: number) => ({
  elem: { val: { concat: ['10.1.0.1', '10.1.0.2', 6, port] }, counter: { packets: 2, bytes: 80 }, expires: 57 },
});

describe('reading denials', () => {
  /** What the chains have counted; a chain that is not there has no entry. */
  let counted: Record<string, number>;
  let asked: string[];
  let fails: boolean;
  let reader: DenialReader;
  beforeEach(() => {
    [counted, asked, fails] = [{}, [], false];
    reader = new DenialReader(
      {
        async listChain(_, name) {
          asked.push(name);
          return counted[name] === undefined ? undefined : listing(rule(name, counted[name]), rule('other', 5));
        },
        async listSet(_, name) {
          if (fails) throw new Error('nft was ended');
          asked.push(name);
          const type = ['ipv4_addr', 'ipv4_addr', 'inet_proto', 'inet_service'];
          const elem = name === 'denied-ingress4' ? { elem: [note(80)] } : {};
          return listing({ set: { family: 'inet', table: 'postern', name, type, ...elem } });
        },
      },
      () => 7,
    );
  });
  const begin = async (): Promise<void> => {
    counted = { 'deny-ingress': 40, 'record-ingress': 30, 'deny-egress': 7, 'record-egress': 7 };
    await look();
  };
  const look = async () =>
    (await reader.look(signal)).map(({ direction, denied, noted, denials }) => [
      direction,
      denied,
      noted,
      denials.length,
    ]);

  it('counts from its first look on, and reads the notes that are there', async () => {
    counted = { 'deny-ingress': 40, 'record-ingress': 30, 'deny-egress': 7, 'record-egress': 7 };
    assert.deepEqual(await look(), [
      ['ingress', 0, 0, 1],
      ['egress', 0, 0, 0],
    ]);
  });

  it('begins anew where its first look has failed', async () => {
    counted = { 'deny-ingress': 5000 };
    fails = true;
    await assert.rejects(look());
    fails = false;
    assert.deepEqual((await look())[0], ['ingress', 0, 0, 1]);
  });

  it('looks at two chains and nothing more where nothing is denied', async () => {
    await begin();
    asked = [];
    assert.deepEqual(await look(), []);
    assert.deepEqual(asked, ['deny-ingress', 'deny-egress']);
  });

  it('tells what has been denied since, and how much of it was noted', async () => {
    await begin();
    Object.assign(counted, { 'deny-ingress': 140, 'record-ingress': 35 });
    assert.deepEqual(await look(), [['ingress', 100, 5, 1]]);
  });

  it('counts from 0 a table that is new, or written anew', async () => {
    await look();
    Object.assign(counted, { 'deny-ingress': 9, 'record-ingress': 8 });
    assert.deepEqual(await look(), [['ingress', 9, 8, 1]]);
    Object.assign(counted, { 'deny-ingress': 3, 'record-ingress': 2 });
    assert.deepEqual(await look(), [['ingress', 3, 2, 1]]);
  });

  it('loses nothing where a look fails', async () => {
    await begin();
    Object.assign(counted, { 'deny-ingress': 140, 'record-ingress': 35 });
    fails = true;
    await assert.rejects(look());
    fails = false;
    assert.deepEqual(await look(), [['ingress', 100, 5, 1]]);
  });

  it('tells of what was denied between two of its readings the next time', async () => {
    await begin();
    Object.assign(counted, { 'deny-ingress': 41, 'record-ingress': 33 });
    assert.deepEqual(await look(), [['ingress', 1, 1, 1]]);
    Object.assign(counted, { 'deny-ingress': 43, 'record-ingress': 33 });
    assert.deepEqual(await look(), [['ingress', 2, 2, 1]]);
  });
});
