import { isAbsolute, normalize } from 'node:path';
import { defaultNamespaceBudget, leastNamespaceBudget, nodeBudget } from '../model/budget.ts';
import { parseListen, type Listen } from './listen.ts';
import { parsePodRanges } from './pod-ranges.ts';

/** One setting: a flag, its variable, and how its text is read. The help, the docs and the parsing all come from here. */
export interface Flag<Value> {
  /** Without the dashes. */
  readonly name: string;
  /** Missing for a switch, which is on when it is given, and off when it is given as `--no-…`; its variable is `true` or `false`. */
  readonly argument?: string;
  readonly env: string;
  /** As a user would write it; a flag without one is left out, or must be given if it is `required`. */
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
  summary: 'the Node object of the machine this runs on',
  expects: 'the name of a Node (lower-case letters, digits, `-` and `.`)',
  // RFC 1123 subdomain, as the API server wants it.
  read: (text) => (text.length <= 253 && /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(text) ? text : undefined),
};

const kubeconfig: Flag<string> = {
  name: 'kubeconfig',
  argument: 'FILE',
  env: 'POSTERN_KUBECONFIG',
  summary: 'how to reach the API server; without it, what kubectl would use, or the service account of the pod',
  expects: 'a file name',
  read: (text) => text,
};

const listen: Flag<Listen> = {
  name: 'listen',
  argument: 'ADDRESS',
  env: 'POSTERN_LISTEN',
  fallback: '127.0.0.1:9470',
  summary: 'where /metrics, /healthz, /readyz, /applied and /node are served: HOST:PORT or unix:PATH',
  expects: 'HOST:PORT, [IPV6]:PORT or unix:PATH',
  read: parseListen,
};

const logLevel: Flag<LogLevel> = {
  name: 'log-level',
  argument: 'LEVEL',
  env: 'POSTERN_LOG_LEVEL',
  fallback: 'info',
  summary: `what is logged, as JSON lines on standard output: ${logLevels.join(', ')}`,
  expects: `one of ${logLevels.join(', ')}`,
  read: (text) => logLevels.find((level) => level === text),
};

const uninstall: Flag<boolean> = {
  name: 'uninstall',
  env: 'POSTERN_UNINSTALL',
  fallback: 'false',
  summary: 'do not enforce: delete our tables and what was kept from this node, then stay and be ready',
  expects: 'true or false',
  read: readSwitch,
};

const startGate: Flag<boolean> = {
  name: 'start-gate',
  env: 'POSTERN_START_GATE',
  fallback: 'true',
  summary: "let no address of this node's pod ranges send or receive before the rules of its pod are in the kernel",
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

const allowPodTunnels: Flag<boolean> = {
  name: 'allow-pod-tunnels',
  env: 'POSTERN_ALLOW_POD_TUNNELS',
  fallback: 'false',
  summary: 'let pods send tunnel packets (VXLAN, Geneve, GRE, IPIP, 6in4) to nodes, which unpack them for anyone',
  expects: 'true or false',
  read: readSwitch,
};

const allowPodRouters: Flag<boolean> = {
  name: 'allow-pod-routers',
  env: 'POSTERN_ALLOW_POD_ROUTERS',
  fallback: 'false',
  summary: 'let pods send router advertisements and redirects, and answer DHCP',
  expects: 'true or false',
  read: readSwitch,
};

const podCidr: Flag<readonly string[]> = {
  name: 'pod-cidr',
  argument: 'CIDRS',
  env: 'POSTERN_POD_CIDR',
  summary:
    'the ranges that pods of this node, and of no other, get their addresses from, with commas between them; without it, `spec.podCIDRs` of the Node, else what the configuration of the network plugin names',
  expects: 'a list of ranges such as 10.244.1.0/24,fd00:10:244:1::/64, without loopback, link-local and multicast',
  read: parsePodRanges,
};

/** Written where there is no directory. */
const noDirectory = 'none';

const cniCacheDir: Flag<string> = {
  name: 'cni-cache-dir',
  argument: 'DIR',
  env: 'POSTERN_CNI_CACHE_DIR',
  fallback: '/var/lib/cni/results',
  summary: `where the container runtime notes what addresses its pods got (libcni's cache of results); ${noDirectory}: do not look`,
  expects: `an absolute path, or ${noDirectory}`,
  read: (text) => (text === noDirectory ? text : readDirectory(text)),
};

const stateDir: Flag<string> = {
  name: 'state-dir',
  argument: 'DIR',
  env: 'POSTERN_STATE_DIR',
  summary: 'where the last good state is kept, for a start without the API server; without it, none is kept',
  expects: 'an absolute path',
  read: readDirectory,
};

const logDenials: Flag<boolean> = {
  name: 'log-denials',
  env: 'POSTERN_LOG_DENIALS',
  fallback: 'true',
  summary: 'log each connection that is denied, once in a minute, with the policies and what would have allowed it',
  expects: 'true or false',
  read: readSwitch,
};

const denialEvents: Flag<boolean> = {
  name: 'denial-events',
  env: 'POSTERN_DENIAL_EVENTS',
  fallback: 'true',
  summary: 'tell of them by Events of the pods that are denied, renewed at most once in ten minutes',
  expects: 'true or false',
  read: readSwitch,
};

const metricsPolicyLimit: Flag<number> = {
  name: 'metrics-policy-limit',
  argument: 'NUMBER',
  env: 'POSTERN_METRICS_POLICY_LIMIT',
  fallback: '100',
  summary: 'of how many policies of this node there are metrics of their own: three series each',
  expects: 'a number from 0 to 10000',
  read: (text) => (/^[0-9]{1,5}$/.test(text) && Number(text) <= 10_000 ? Number(text) : undefined),
};

const metricsClasses: Flag<boolean> = {
  name: 'metrics-classes',
  env: 'POSTERN_METRICS_CLASSES',
  fallback: 'false',
  summary:
    'count packets, allowed and denied, of each class of pods with the same rules: one rule more that each packet meets',
  expects: 'true or false',
  read: readSwitch,
};

const namespaceBudget: Flag<number> = {
  name: 'namespace-budget',
  argument: 'UNITS',
  env: 'POSTERN_NAMESPACE_BUDGET',
  fallback: String(defaultNamespaceBudget),
  summary:
    'what the policies of one namespace may cost this node, in units of about 2 microseconds of nft; one policy may cost half of it',
  expects: `a number from ${leastNamespaceBudget} to ${nodeBudget}`,
  read: readNamespaceBudget,
};

export const agentFlags = {
  nodeName,
  kubeconfig,
  listen,
  logLevel,
  startGate,
  guard,
  allowPodTunnels,
  allowPodRouters,
  podCidr,
  cniCacheDir,
  stateDir,
  logDenials,
  denialEvents,
  metricsPolicyLimit,
  metricsClasses,
  namespaceBudget,
  uninstall,
};

/** What a flag means by a directory; `undefined`: there is none. */
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

/** Without a slash at its end, so that two ways to write a path are one. */
function readDirectory(text: string): string | undefined {
  return isAbsolute(text) ? normalize(text).replace(/(?<=.)\/$/, '') : undefined;
}
