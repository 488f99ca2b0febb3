import { ConfigError } from './config-error.ts';
import { agentFlags, directoryOf, type FailurePolicy, type Flag, type LogLevel } from './flags.ts';
import type { Listen } from './listen.ts';

export interface AgentConfig {
  readonly nodeName: string;
  readonly kubeconfig: string | undefined;
  readonly listen: Listen;
  readonly logLevel: LogLevel;
  /** The start gate blocks addresses of this node's pod ranges until the rules of their pods are in the kernel. */
  readonly startGate: boolean;
  /** The guard lets pods send from their own addresses only. */
  readonly guard: boolean;
  /** Packets of flows that have passed all rules skip them. */
  readonly fastPath: boolean;
  /** Elements are read, and changes of elements and deletions are written, by netlink, without nft. */
  readonly netlink: boolean;
  /** Pods may send tunnel packets to nodes. */
  readonly allowPodTunnels: boolean;
  /** Pods may be routers and DHCP servers of their link. */
  readonly allowPodRouters: boolean;
  /** Canonical CIDRs; `undefined`: use those of the Node or of the network plugin. */
  readonly podCidrs: readonly string[] | undefined;
  /** Policies are also enforced in network namespaces of pods. */
  readonly podNetworks: boolean;
  /** The results directory of libcni's cache; `undefined`: the agent does not read it. */
  readonly cniCacheDir: string | undefined;
  /** `undefined`: the agent saves no state. */
  readonly stateDir: string | undefined;
  readonly logDenials: boolean;
  readonly denialEvents: boolean;
  /** Whether to keep who talks to whom. */
  readonly flows: boolean;
  /** Of the Leases for the status of ClusterNetworkPolicies; `undefined`: the agent writes no status. */
  readonly statusNamespace: string | undefined;
  /** Maximum number of policies with per-policy metrics. */
  readonly metricsPolicyLimit: number;
  /** Maximum cost of the policies of one namespace on this node, in units of `model/budget.ts`. */
  readonly namespaceBudget: number;
  /** `undefined`: the agent serves no CNI plugin. */
  readonly cni: CniConfig | undefined;
  readonly uninstall: boolean;
}

export interface CniConfig {
  readonly socket: string;
  /** `undefined`: the agent does not install the plugin. */
  readonly confDir: string | undefined;
  readonly binDir: string;
  readonly program: string;
  readonly failurePolicy: FailurePolicy;
  readonly timeoutSeconds: number;
}

/** Command-line values by the names of `agentFlags`. A missing value comes from the environment, else it is the default. */
export type FlagValues = Readonly<Partial<Record<keyof typeof agentFlags, string | boolean>>>;

/** Throws a ConfigError for the first invalid setting. */
export function readAgentConfig(values: FlagValues, env: NodeJS.ProcessEnv = process.env): AgentConfig {
  return Object.freeze({
    nodeName: readRequired(agentFlags.nodeName, values.nodeName, env),
    kubeconfig: readFlag(agentFlags.kubeconfig, values.kubeconfig, env),
    listen: readRequired(agentFlags.listen, values.listen, env),
    logLevel: readRequired(agentFlags.logLevel, values.logLevel, env),
    startGate: readRequired(agentFlags.startGate, values.startGate, env),
    guard: readRequired(agentFlags.guard, values.guard, env),
    fastPath: readRequired(agentFlags.fastPath, values.fastPath, env),
    netlink: readRequired(agentFlags.netlink, values.netlink, env),
    allowPodTunnels: readRequired(agentFlags.allowPodTunnels, values.allowPodTunnels, env),
    allowPodRouters: readRequired(agentFlags.allowPodRouters, values.allowPodRouters, env),
    podCidrs: readFlag(agentFlags.podCidr, values.podCidr, env),
    podNetworks: readRequired(agentFlags.podNetworks, values.podNetworks, env),
    cniCacheDir: directoryOf(readRequired(agentFlags.cniCacheDir, values.cniCacheDir, env)),
    stateDir: readFlag(agentFlags.stateDir, values.stateDir, env),
    logDenials: readRequired(agentFlags.logDenials, values.logDenials, env),
    denialEvents: readRequired(agentFlags.denialEvents, values.denialEvents, env),
    flows: readRequired(agentFlags.flows, values.flows, env),
    statusNamespace: readFlag(agentFlags.statusNamespace, values.statusNamespace, env),
    metricsPolicyLimit: readRequired(agentFlags.metricsPolicyLimit, values.metricsPolicyLimit, env),
    namespaceBudget: readRequired(agentFlags.namespaceBudget, values.namespaceBudget, env),
    cni: readCni(values, env),
    uninstall: readRequired(agentFlags.uninstall, values.uninstall, env),
  });
}

function readCni(values: FlagValues, env: NodeJS.ProcessEnv): CniConfig | undefined {
  const socket = readFlag(agentFlags.cniSocket, values.cniSocket, env);
  const confDir = readFlag(agentFlags.cniConfDir, values.cniConfDir, env);
  const { cniSocket, cniConfDir, cniCacheDir } = agentFlags;
  if (socket === undefined) {
    if (confDir !== undefined) throw new ConfigError(`--${cniConfDir.name} needs --${cniSocket.name}`);
    return undefined;
  }
  // The cache shows when a sandbox has ended of which the plugin told.
  if (directoryOf(readRequired(cniCacheDir, values.cniCacheDir, env)) === undefined)
    throw new ConfigError(`--${cniSocket.name} needs --${cniCacheDir.name}`);
  return {
    socket,
    confDir,
    binDir: readRequired(agentFlags.cniBinDir, values.cniBinDir, env),
    program: readRequired(agentFlags.cniProgram, values.cniProgram, env),
    failurePolicy: readRequired(agentFlags.cniFailurePolicy, values.cniFailurePolicy, env),
    timeoutSeconds: readRequired(agentFlags.cniTimeout, values.cniTimeout, env),
  };
}

export function readRequired<Value>(
  flag: Flag<Value>,
  value: string | boolean | undefined,
  env: NodeJS.ProcessEnv,
): Value {
  const read = readFlag(flag, value, env);
  if (read === undefined) throw new ConfigError(`--${flag.name} ${flag.argument} (or ${flag.env}) is required`);
  return read;
}

/** An empty variable counts as missing, because manifests cannot always leave it out. */
export function readFlag<Value>(
  flag: Flag<Value>,
  value: string | boolean | undefined,
  env: NodeJS.ProcessEnv,
): Value | undefined {
  const variable = env[flag.env] === '' ? undefined : env[flag.env];
  const text = value?.toString() ?? variable ?? flag.fallback;
  if (text === undefined) return undefined;
  const read = text === '' ? undefined : flag.read(text);
  if (read !== undefined) return read;
  const source = value === undefined ? flag.env : `--${flag.name}`;
  throw new ConfigError(`${source}: ${JSON.stringify(text)} is not ${flag.expects}`);
}
