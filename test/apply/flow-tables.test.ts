import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { Exec } from '../../src/apply/exec.ts';
import { checkFlowTables } from '../../src/apply/flow-tables.ts';

const { signal } = new AbortController();

/** `nft -j list flowtables`, as libnftables-json(5) describes it and nft 1.1.3 prints it. */
function nftLists(...flowtables: readonly object[]): Exec {
  const nftables = [{ metainfo: { json_schema_version: 1 } }, ...flowtables.map((flowtable) => ({ flowtable }))];
  return async () => ({ exitCode: 0, stdout: JSON.stringify({ nftables }), stderr: '' });
}

const offload = {
  family: 'inet',
  table: 'fw4',
  name: 'ft',
  handle: 2,
  hook: 'ingress',
  prio: 0,
  dev: ['eth0', 'cni0'],
};

describe('checkFlowTables', () => {
  it('finds none', async () => {
    assert.equal(await checkFlowTables(nftLists(), signal), undefined);
  });

  it('names each with its devices, and says what to do (S5.14)', async () => {
    const exec = nftLists(offload, { ...offload, table: 'mine', dev: 'eth1' });
    assert.equal(
      await checkFlowTables(exec, signal),
      'flow tables take open connections around all policies, so a change of policies does not cut them: ' +
        'ft of table inet fw4 (eth0, cni0), ft of table inet mine (eth1); ' +
        'remove them (nft delete flowtable …), or switch off flow offload in the program that made them',
    );
  });

  it('leaves out one without a device, and those that the agent takes out of its own tables', async () => {
    const { dev: _, ...idle } = offload;
    assert.equal(await checkFlowTables(nftLists(idle, { ...offload, table: 'postern' }), signal), undefined);
  });

  it('does not take an answer that it cannot read for none', async () => {
    const failing: Exec = async () => ({ exitCode: 1, stdout: '', stderr: 'Operation not permitted\nmore' });
    for (const exec of [failing, async () => ({ exitCode: 0, stdout: 'none', stderr: '' })]) {
      assert.match((await checkFlowTables(exec, signal)) ?? 'none', /^nft cannot list flow tables/);
    }
  });
});
