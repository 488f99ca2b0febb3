import type { NodeFacts } from '../facts.ts';
import type { Check } from '../finding.ts';
import { podsOf, voidedFor } from '../subjects.ts';

export const nftProgram: Check<NodeFacts> = {
  id: 'nft',
  severity: 'error',
  finds: 'nft is missing or too old',
  effect: 'the agent cannot write rules: the rules in the kernel stay, and the node enforces no change',
  remedy: 'use the image of this version of Postern, or install the nft version that the finding names',
  find: (facts) => {
    const { program } = facts.nft;
    return program === undefined ? [] : [{ subject: 'node', problem: program, ...voidedFor(podsOf(facts)) }];
  },
};

export const nftKernel: Check<NodeFacts> = {
  id: 'nf-tables',
  severity: 'error',
  finds: 'the kernel has no nf_tables, denies its use, or is older than 5.13',
  effect: 'the node enforces no policy',
  remedy: 'do what the finding says',
  find: (facts) => {
    const { kernel } = facts.nft;
    return kernel === undefined ? [] : [{ subject: 'node', problem: kernel, ...voidedFor(podsOf(facts)) }];
  },
};

export const bridgeTables: Check<NodeFacts> = {
  id: 'bridge-tables',
  severity: 'warning',
  finds: 'the kernel has no nftables for bridges, and pods are on a bridge',
  effect: 'policies are enforced, but a pod on a bridge can send with the address of another pod',
  remedy: 'use a kernel with CONFIG_NF_TABLES_BRIDGE, or a network plugin that routes',
  find: (facts) => {
    const { bridgeTables: problem } = facts.nft;
    const bridged = podsOf(facts).filter(({ links }) => Object.values(links).some(({ port }) => port !== undefined));
    if (problem === undefined || bridged.length === 0) return [];
    return [{ subject: 'node', problem, ...voidedFor(bridged) }];
  },
};
