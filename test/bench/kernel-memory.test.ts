import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { readKernelMemory } from '../../bench/kernel/memory.ts';

const meminfo = `MemTotal:       24684040 kB
SReclaimable:     204800 kB
SUnreclaim:       102400 kB
VmallocTotal:   34359738367 kB
VmallocUsed:       10240 kB
Percpu:             1024 kB
`;

describe('the memory of the kernel', () => {
  it('is what it cannot reclaim: slabs, large tables and counters', () => {
    assert.equal(readKernelMemory(meminfo), 111);
  });
});
