import { agentFaults } from './agent-faults.ts';
import { apiFaults } from './api-faults.ts';
import type { Fault } from './fault.ts';
import { nftFaults } from './nft-faults.ts';
import { tableFaults } from './table-faults.ts';

export const faults: readonly Fault[] = [...apiFaults, ...nftFaults, ...tableFaults, ...agentFaults];
