import { agentAnswers, agentReady } from './checks/agent.ts';
import { apiServer, clock, slowApiServer } from './checks/api-server.ts';
import { bridgeNetfilter } from './checks/bridge-netfilter.ts';
import { conntrackFull, conntrackStale } from './checks/conntrack.ts';
import { flowTables } from './checks/flow-tables.ts';
import { foreignDivert, foreignDrop, foreignQueue, foreignUntrack, masquerade } from './checks/foreign.ts';
import { kernelLookups } from './checks/kernel-lookups.ts';
import { bridgeTables, nftKernel, nftProgram } from './checks/nft.ts';
import { nodeLocalDns } from './checks/node-local-dns.ts';
import { otherEngine } from './checks/other-engine.ts';
import {
  claimedRange,
  furtherNetworks,
  notEnforceable,
  notGuarded,
  objects,
  startWindow,
  unknownPods,
} from './checks/pods.ts';
import { serviceProxy } from './checks/service-proxy.ts';
import { sysctls } from './checks/sysctls.ts';
import { unreadableRules } from './checks/unreadable-rules.ts';
import type { ExaminedFacts } from './examined-facts.ts';
import type { Check } from './finding.ts';

/** The checks of a node, in the order of the report. */
export const nodeChecks: readonly Check<ExaminedFacts>[] = [
  agentAnswers,
  agentReady,
  nftProgram,
  nftKernel,
  bridgeTables,
  kernelLookups,
  bridgeNetfilter,
  serviceProxy,
  notEnforceable,
  furtherNetworks,
  foreignDivert,
  masquerade,
  flowTables,
  foreignDrop,
  foreignQueue,
  foreignUntrack,
  otherEngine,
  unreadableRules,
  notGuarded,
  startWindow,
  claimedRange,
  unknownPods,
  objects,
  nodeLocalDns,
  conntrackFull,
  conntrackStale,
  sysctls,
  apiServer,
  slowApiServer,
  clock,
];
