import { release } from 'node:os';
import { nftKernelTables } from '../../agent/kernel-tables.ts';
import { checkBridgeNetfilter } from '../../apply/bridge-netfilter.ts';
import { readDevices, type Devices } from '../../apply/devices.ts';
import { checkBridgeTables, checkNfTables, checkNftVersion } from '../../apply/environment.ts';
import { exec } from '../../apply/exec.ts';
import { askIp } from '../../apply/ip.ts';
import { checkIpvs, ipvsDevices } from '../../apply/ipvs.ts';
import { createNft } from '../../apply/nft.ts';
import { PodRouteFinder } from '../../apply/pod-routes.ts';
import type { Listen } from '../../config/listen.ts';
import { readVersion } from '../../config/version.ts';
import type { BridgeFact, Known, NftFacts, NodeFacts } from '../../doctor/facts.ts';
import { valueOf } from '../../doctor/facts.ts';
import { readNodeState } from '../../doctor/read-state.ts';
import { listAt, textAt } from '../../lib/json.ts';
import type { NodeState } from '../../model/node-state.ts';
import type { Ruleset } from '../../nftables/ruleset.ts';
import { readOwnFlows } from '../node/own-flows.ts';
import { askApi, askObjects } from './ask-api.ts';
import { askPage, showListen } from './ask-page.ts';
import { readForeignTables } from './foreign-tables.ts';
import { findGonePods } from './gone-pods.ts';
import {
  readConntrack,
  readDnsAddresses,
  readFurtherNetworks,
  readLegacyTables,
  readSysctls,
  readText,
} from './node-files.ts';
import { messageOf } from '../../lib/message-of.ts';

export interface CollectOptions {
  /** Address of the agent of this node. */
  readonly listen: Listen;
  readonly kubeconfig: string | undefined;
  readonly nodeName: string | undefined;
  readonly cniCacheDir: string | undefined;
  readonly signal: AbortSignal;
}

/** For one answer of a server on this node, in milliseconds: a node that needs a doctor may be slow. */
const patienceMs = 10_000;

/** Collects the facts of this node. Read-only. Each lookup has its own timeout, and a failed lookup does not affect the others. */
export async function collectFacts(options: CollectOptions): Promise<NodeFacts> {
  const { signal, kubeconfig, cniCacheDir } = options;
  const agent = await readAgent(options.listen);
  const state = valueOf(agent);
  const nodeName = options.nodeName ?? state?.node;
  const [nft, foreign, devices, sysctls, proxyMode, conntrack, answer, nodeLocalDns, furtherNetworks, legacy] =
    await Promise.all([
      readNft(signal),
      readForeignTables({ nft: 'nft', signal }),
      known(() => readDevices(exec, ipvsDevices, signal)),
      readSysctls(readText),
      known(readProxyMode),
      readConntrack(readText),
      askApi(kubeconfig, nodeName, signal),
      readNodeLocalDns(signal),
      readFurtherNetworks(cniCacheDir, readText),
      readLegacyTables(readText),
    ]);
  const hasReason = nodeLocalDns.length > 0 && state?.pods.some(({ egress }) => egress.length > 0) === true;
  const found = valueOf(devices);
  return {
    version: readVersion(),
    kernel: release(),
    agent,
    nft,
    foreign,
    own: hasReason ? await known(() => readOwn(signal)) : { value: noRules },
    sysctls,
    // Without an agent the pods are unknown, which is a finding of its own.
    bridges: await known(async () => (found && state ? readBridges(state, found, signal) : [])),
    ipvs: found
      ? await known(() => checkIpvs(found, { exec, readFile: readText }, signal))
      : (devices as { unknown: string }),
    proxyMode,
    conntrack,
    gonePods: await known(() => readGonePods(state, kubeconfig, signal)),
    ...answer,
    nodeLocalDns,
    furtherNetworks,
    further: legacy.length > 0 ? [`tables of iptables-legacy (${legacy.join(', ')}): nft does not show them`] : [],
  };
}

const noRules: Ruleset = {};

async function known<Value>(look: () => Promise<Value>): Promise<Known<Value>> {
  try {
    return { value: await look() };
  } catch (error) {
    return { unknown: messageOf(error) };
  }
}

async function readAgent(listen: Listen): Promise<Known<NodeState>> {
  const where = showListen(listen);
  try {
    const state = readNodeState(await askPage(listen, '/node', patienceMs));
    return state ? { value: state } : { unknown: `the program at ${where} is not an agent of this version` };
  } catch (error) {
    return {
      unknown: `the agent does not answer at ${where}: ${messageOf(error)}`,
    };
  }
}

async function readNft(signal: AbortSignal): Promise<NftFacts> {
  const { stdout } = await exec('nft', ['--version'], { signal });
  const version = /v([0-9.]+)/.exec(stdout)?.[1];
  const program = await checkNftVersion(exec, signal);
  if (program !== undefined) return { program, ...(version !== undefined && { version }) };
  const [kernel, bridgeTables] = [await checkNfTables(exec, signal), await checkBridgeTables(exec, signal)];
  return {
    ...(version !== undefined && { version }),
    ...(kernel !== undefined && { kernel }),
    ...(bridgeTables !== undefined && { bridgeTables }),
  };
}

/** One fact per bridge with a problem. */
async function readBridges({ pods }: NodeState, devices: Devices, signal: AbortSignal): Promise<BridgeFact[]> {
  const finder = new PodRouteFinder(exec, () => performance.now());
  const addresses = pods.map((pod) => ({ key: pod.pod, addresses: pod.addresses }));
  const { bridged } = await finder.find(addresses, devices, signal);
  const facts: BridgeFact[] = [];
  for (const [bridge, entries] of Map.groupBy(bridged, ([, name]) => name)) {
    const problem = await checkBridgeNetfilter(new Map(entries), devices, readText);
    if (problem !== undefined) facts.push({ bridge, problem, addresses: entries.map(([address]) => address) });
  }
  return facts;
}

/** kube-proxy serves its mode on the port of its metrics, in IPv6 clusters on ::1. */
async function readProxyMode(): Promise<string> {
  const ask = (host: string): Promise<string> => askPage({ host, port: 10_249 }, '/proxyMode', patienceMs);
  const answer = ask('127.0.0.1').catch(async (error: unknown) => {
    return ask('::1').catch(() => Promise.reject(error instanceof Error ? error : new Error(String(error))));
  });
  return (await answer).trim();
}

/** Addresses of DNS sockets that are link-local, or on the device of NodeLocal DNSCache. */
async function readNodeLocalDns(signal: AbortSignal): Promise<string[]> {
  const bound = await readDnsAddresses(readText);
  if (bound.length === 0) return [];
  const answers = await askIp(exec, { commands: ['address show dev nodelocaldns'] }, signal).catch(() => []);
  const infos = answers.flat().flatMap((device) => listAt(device, 'addr_info'));
  const own = new Set(infos.map((info) => textAt(info, 'local')));
  return bound.filter((address) => /^(169\.254\.|fe[89ab])/.test(address) || own.has(address));
}

/** Returns nothing without an agent: the pods are unknown, which is a finding of its own. */
async function readGonePods(state: NodeState | undefined, kubeconfig: string | undefined, signal: AbortSignal) {
  if (!state?.applied) return [];
  const { flows } = await readOwnFlows(state.node);
  return findGonePods(flows, state, (path, query) => askObjects(kubeconfig, path, query, signal));
}

async function readOwn(signal: AbortSignal): Promise<Ruleset> {
  const found = await nftKernelTables(createNft({ timeoutMs: 10_000 })).observe(signal);
  if (!found) throw new Error('the kernel has no table of Postern');
  return found;
}
