import type { NodeFacts } from '../facts.ts';
import type { Check } from '../finding.ts';
import { podsOf, voidedFor } from '../subjects.ts';

export const nftProgram: Check<NodeFacts> = {
  id: 'nft',
  severity: 'error',
  finds: 'nft is missing or too old',
  effect: 'the agent can write no rules: what the kernel holds stays, and nothing else is enforced',
  remedy: 'use the image of this version of Postern, or install the nft that the text names',
  find: (facts) => {
    const { program } = facts.nft;
    return program === undefined ? [] : [{ subject: 'node', problem: program, ...voidedFor(podsOf(facts)) }];
  },
};

export const nftKernel: Check<NodeFacts> = {
  id: 'nf-tables',
  severity: 'error',
  finds: 'the kernel has no nf_tables, or lets nobody use it',
  effect: 'no policy holds on this node',
  remedy: 'do what the text says',
  find: (facts) => {
    const { kernel } = facts.nft;
    return kernel === undefined ? [] : [{ subject: 'node', problem: kernel, ...voidedFor(podsOf(facts)) }];
  },
};

export const bridgeTables: Check<NodeFacts> = {
  id: 'bridge-tables',
  severity: 'warning',
  finds: 'the kernel has no nftables for bridges, and pods are on one',
  effect: 'policies hold, but a pod on a bridge can send with the address of another',
  remedy: 'use a kernel with CONFIG_NF_TABLES_BRIDGE, or a plugin that routes',
  find: (facts) => {
    const { bridgeTables: problem } = facts.nft;
    const bridged = podsOf(facts).filter(({ links }) => Object.values(links).some(({ port }) => port !== undefined));
    if (problem === undefined || bridged.length === 0) return [];
    return [{ subject: 'node', problem, ...voidedFor(bridged) }];
  },
};
