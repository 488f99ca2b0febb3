import { parseListen, type Listen } from './listen.ts';

/** One setting: a flag, its variable, and how its text is read. The help, the docs and the parsing all come from here. */
export interface Flag<Value> {
  /** Without the dashes. */
  readonly name: string;
  /** Missing for a switch, which is on when it is given; its variable is `true` or `false`. */
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
  summary: 'where /metrics, /healthz, /readyz and /applied are served: HOST:PORT or unix:PATH',
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
  summary: 'do not enforce: delete our table from this node, then stay and be ready',
  expects: 'true or false',
  read: (text) => (text === 'true' ? true : text === 'false' ? false : undefined),
};

export const agentFlags = { nodeName, kubeconfig, listen, logLevel, uninstall };
