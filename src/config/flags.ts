import { isAbsolute, normalize } from 'node:path';
import { defaultNamespaceBudget, leastNamespaceBudget, nodeBudget } from '../model/budget.ts';
import { parseListen, type Listen } from './listen.ts';
import { parsePodRanges } from './pod-ranges.ts';

/** One setting: a flag, its environment variable, and its parser. The help, the docs and the parsing all use it. */
export interface Flag<Value> {
  /** Without the dashes. */
  readonly name: string;
  /** Missing for a switch: `--NAME` turns it on, `--no-NAME` turns it off, and its variable is `true` or `false`. */
  readonly argument?: string;
  readonly env: string;
  /** The default, as a user would write it. A flag without a default is optional, unless it is `required`. */
  readonly fallback?: string;
  readonly required?: true;
  readonly summary: string;
  /** Completes "VALUE is not …". */
  readonly expects: string;
  readonly read: (text: string) => Value | undefined;
}

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

const nodeName: Flag<string> = {
  name: 'node-name',
  argument: 'NAME',
  env: 'POSTERN_NODE_NAME',
  required: true,
  summary: 'name of the Node object of this machine',
  expects: 'the name of a Node (lower-case letters, digits, `-` and `.`)',
  // The API server requires an RFC 1123 subdomain.
  read: (text) => (text.length <= 253 && /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(text) ? text : undefined),
};

const kubeconfig: Flag<string> = {
  name: 'kubeconfig',
  argument: 'FILE',
  env: 'POSTERN_KUBECONFIG',
  summary: 'kubeconfig of the API server; default: the one that kubectl would use, or the service account of the pod',
  expects: 'a file name',
  read: (text) => text,
};

const listen: Flag<Listen> = {
  name: 'listen',
  argument: 'ADDRESS',
  env: 'POSTERN_LISTEN',
  fallback: '127.0.0.1:9470',
  summary:
    'address that serves /metrics, /healthz, /readyz, /applied, /node, /policies and /flows: HOST:PORT or unix:PATH',
  expects: 'HOST:PORT, [IPV6]:PORT or unix:PATH',
  read: parseListen,
};

const logLevel: Flag<LogLevel> = {
  name: 'log-level',
  argument: 'LEVEL',
  env: 'POSTERN_LOG_LEVEL',
  fallback: 'info',
  summary: `log level (the log is JSON lines on standard output): ${logLevels.join(', ')}`,
  expects: `one of ${logLevels.join(', ')}`,
  read: (text) => logLevels.find((level) => level === text),
};

const uninstall: Flag<boolean> = {
  name: 'uninstall',
  env: 'POSTERN_UNINSTALL',
  fallback: 'false',
  summary: "do not enforce policies: delete Postern's tables and saved state from this node, then stay ready",
  expects: 'true or false',
  read: readSwitch,
};

const startGate: Flag<boolean> = {
  name: 'start-gate',
  env: 'POSTERN_START_GATE',
  fallback: 'true',
  summary: "block addresses of this node's pod ranges until the rules of their pods are in the kernel",
  expects: 'true or false',
  read: readSwitch,
};

const guard: Flag<boolean> = {
  name: 'guard',
  env: 'POSTERN_GUARD',
  fallback: 'true',
  summary: 'let pods send from their own addresses only',
  expects: 'true or false',
  read: readSwitch,
};

const fastPath: Flag<boolean> = {
  name: 'fast-path',
  env: 'POSTERN_FAST_PATH',
  fallback: 'true',
  summary: 'let packets of flows that have passed all rules skip them, until a change may deny them',
  expects: 'true or false',
  read: readSwitch,
};

const netlink: Flag<boolean> = {
  name: 'netlink',
  env: 'POSTERN_NETLINK',
  fallback: 'true',
  summary: 'read set elements, and write their changes and deletions, without nft, which is faster',
  expects: 'true or false',
  read: readSwitch,
};

const allowPodTunnels: Flag<boolean> = {
  name: 'allow-pod-tunnels',
  env: 'POSTERN_ALLOW_POD_TUNNELS',
  fallback: 'false',
  summary:
    'let pods send tunnel packets (VXLAN, Geneve, GRE, IPIP, 6in4) to nodes; a node decapsulates them from any sender',
  expects: 'true or false',
  read: readSwitch,
};

const allowPodRouters: Flag<boolean> = {
  name: 'allow-pod-routers',
  env: 'POSTERN_ALLOW_POD_ROUTERS',
  fallback: 'false',
  summary: 'let pods send router advertisements, redirects and DHCP server messages',
  expects: 'true or false',
  read: readSwitch,
};

const podCidr: Flag<readonly string[]> = {
  name: 'pod-cidr',
  argument: 'CIDRS',
  env: 'POSTERN_POD_CIDR',
  summary:
    'pod ranges of this node only, separated by commas; default: `spec.podCIDRs` of the Node, else the ranges in the configuration of the network plugin',
  expects: 'a list of ranges such as 10.244.1.0/24,fd00:10:244:1::/64, without loopback, link-local and multicast',
  read: parsePodRanges,
};

/** The value for "no directory". */
const noDirectory = 'none';

const podNetworks: Flag<boolean> = {
  name: 'pod-networks',
  env: 'POSTERN_POD_NETWORKS',
  fallback: 'false',
  summary:
    "enforce policies in the network namespaces of pods whose packets do not cross the node's hooks (macvlan, ipvlan, SR-IOV), and on additional interfaces of pods; needs CAP_SYS_ADMIN and the node's /run/netns",
  expects: 'true or false',
  read: readSwitch,
};

const cniCacheDir: Flag<string> = {
  name: 'cni-cache-dir',
  argument: 'DIR',
  env: 'POSTERN_CNI_CACHE_DIR',
  fallback: '/var/lib/cni/results',
  summary: `directory in which the container runtime records the addresses of pods (libcni's result cache); ${noDirectory}: do not read it`,
  expects: `an absolute path, or ${noDirectory}`,
  read: (text) => (text === noDirectory ? text : readDirectory(text)),
};

const stateDir: Flag<string> = {
  name: 'state-dir',
  argument: 'DIR',
  env: 'POSTERN_STATE_DIR',
  summary:
    'directory for the last good state, which the agent needs to start without the API server; default: save no state',
  expects: 'an absolute path',
  read: readDirectory,
};

const logDenials: Flag<boolean> = {
  name: 'log-denials',
  env: 'POSTERN_LOG_DENIALS',
  fallback: 'true',
  summary: 'log each denied connection once a minute, with the policies and with what would have allowed it',
  expects: 'true or false',
  read: readSwitch,
};

const denialEvents: Flag<boolean> = {
  name: 'denial-events',
  env: 'POSTERN_DENIAL_EVENTS',
  fallback: 'true',
  summary: 'emit Events on pods whose connections are denied, and update them at most once in ten minutes',
  expects: 'true or false',
  read: readSwitch,
};

const flows: Flag<boolean> = {
  name: 'flows',
  env: 'POSTERN_FLOWS',
  fallback: 'true',
  summary:
    'keep for an hour, in memory, which workloads talk to each other, for `postern flows` and `postern suggest`; takes about 2 % of a processor and 10 MB',
  expects: 'true or false',
  read: readSwitch,
};

const statusNamespace: Flag<string> = {
  name: 'status-namespace',
  argument: 'NAMESPACE',
  env: 'POSTERN_STATUS_NAMESPACE',
  summary:
    'namespace of the Leases by which the agents report what each node holds, and elect the one that writes the status of ClusterNetworkPolicies; default: write no status',
  expects: 'the name of a namespace',
  read: (text) => (text.length <= 63 && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(text) ? text : undefined),
};

const metricsPolicyLimit: Flag<number> = {
  name: 'metrics-policy-limit',
  argument: 'NUMBER',
  env: 'POSTERN_METRICS_POLICY_LIMIT',
  fallback: '100',
  summary: 'maximum number of policies of this node with per-policy metrics: three series each',
  expects: 'a number from 0 to 10000',
  read: (text) => (/^[0-9]{1,5}$/.test(text) && Number(text) <= 10_000 ? Number(text) : undefined),
};

const namespaceBudget: Flag<number> = {
  name: 'namespace-budget',
  argument: 'UNITS',
  env: 'POSTERN_NAMESPACE_BUDGET',
  fallback: String(defaultNamespaceBudget),
  summary:
    "maximum cost of one namespace's policies on this node, in units of about 2 microseconds of nft; one policy may cost half of it",
  expects: `a number from ${leastNamespaceBudget} to ${nodeBudget}`,
  read: readNamespaceBudget,
};

/** The characters that need no escape in the JSON of a network configuration. */
const plainPath = /^\/[A-Za-z0-9._/@:+-]*$/;
/** The size of `sun_path` (unix(7)), without the NUL at its end. */
const longestSocket = 107;

const cniSocket: Flag<string> = {
  name: 'cni-socket',
  argument: 'PATH',
  env: 'POSTERN_CNI_SOCKET',
  summary:
    'Unix socket for the CNI plugin of Postern, in a directory of its own, which the agent closes to all but root; default: serve no plugin',
  expects: `an absolute path of at most ${longestSocket} letters, digits and ._/@:+-`,
  read: (text) => (text.length <= longestSocket && plainPath.test(text) ? text : undefined),
};

const cniConfDir: Flag<string> = {
  name: 'cni-conf-dir',
  argument: 'DIR',
  env: 'POSTERN_CNI_CONF_DIR',
  summary:
    'directory of network configurations: the agent adds the CNI plugin to the first one and keeps it there; default: install nothing',
  expects: 'an absolute path',
  read: readDirectory,
};

const cniBinDir: Flag<string> = {
  name: 'cni-bin-dir',
  argument: 'DIR',
  env: 'POSTERN_CNI_BIN_DIR',
  fallback: '/opt/cni/bin',
  summary: 'directory in which the container runtime looks for CNI plugins',
  expects: 'an absolute path',
  read: readDirectory,
};

const cniProgram: Flag<string> = {
  name: 'cni-program',
  argument: 'FILE',
  env: 'POSTERN_CNI_PROGRAM',
  fallback: '/usr/lib/postern/postern-cni',
  summary: 'the program of the CNI plugin, which the agent copies',
  expects: 'an absolute path',
  read: readDirectory,
};

export const failurePolicies = ['Ignore', 'Fail'] as const;
export type FailurePolicy = (typeof failurePolicies)[number];

const cniFailurePolicy: Flag<FailurePolicy> = {
  name: 'cni-failure-policy',
  argument: 'POLICY',
  env: 'POSTERN_CNI_FAILURE_POLICY',
  fallback: 'Ignore',
  summary:
    'what the CNI plugin does without an answer of the agent: Ignore starts the pod, which the start gate holds; Fail lets the kubelet try again',
  expects: `one of ${failurePolicies.join(', ')}`,
  read: (text) => failurePolicies.find((policy) => policy === text),
};

const cniTimeout: Flag<number> = {
  name: 'cni-timeout',
  argument: 'SECONDS',
  env: 'POSTERN_CNI_TIMEOUT',
  fallback: '10',
  summary: 'how long a pod that starts waits for its rules at most',
  expects: 'a number from 1 to 60',
  read: (text) => (/^[0-9]{1,2}$/.test(text) && Number(text) >= 1 && Number(text) <= 60 ? Number(text) : undefined),
};

export const agentFlags = {
  nodeName,
  kubeconfig,
  listen,
  logLevel,
  startGate,
  guard,
  fastPath,
  netlink,
  allowPodTunnels,
  allowPodRouters,
  podCidr,
  podNetworks,
  cniCacheDir,
  stateDir,
  logDenials,
  denialEvents,
  flows,
  statusNamespace,
  metricsPolicyLimit,
  namespaceBudget,
  cniSocket,
  cniConfDir,
  cniBinDir,
  cniProgram,
  cniFailurePolicy,
  cniTimeout,
  uninstall,
};

/** The directory of a flag's value; `undefined` if the value says that there is none. */
export function directoryOf(value: string | undefined): string | undefined {
  return value === noDirectory ? undefined : value;
}

function readSwitch(text: string): boolean | undefined {
  return text === 'true' ? true : text === 'false' ? false : undefined;
}

function readNamespaceBudget(text: string): number | undefined {
  const units = /^[0-9]{1,9}$/.test(text) ? Number(text) : 0;
  return units >= leastNamespaceBudget && units <= nodeBudget ? units : undefined;
}

/** Removes a trailing slash, so that two spellings of a path are equal. */
function readDirectory(text: string): string | undefined {
  return isAbsolute(text) ? normalize(text).replace(/(?<=.)\/$/, '') : undefined;
}
