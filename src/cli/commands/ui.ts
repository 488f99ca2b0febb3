import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { Command, Option } from 'commander';
import { ConfigError } from '../../config/config-error.ts';
import { readDesktop } from '../../config/desktop.ts';
import { onEndingSignal } from '../../lib/ending-signals.ts';
import { printable } from '../../lib/printable.ts';
import type { PageData } from '../../map/page-data.ts';
import { exitCode } from '../exit-code.ts';
import { checkSource, withSourceOptions } from '../flows/read-traffic.ts';
import { append, withManifests } from '../manifest-option.ts';
import { findSource, type UiSourceFlags } from '../ui/find-source.ts';
import { findOpener, openBrowser } from '../ui/open-browser.ts';
import { PageFeed } from '../ui/page-feed.ts';
import { servePage, type BuiltPage } from '../ui/page-server.ts';
import { writeWhole } from '../ui/write-whole.ts';

interface Flags extends UiSourceFlags {
  readonly port: string;
  readonly open: boolean;
  readonly export?: string;
}

interface Streams {
  readonly out: { write(text: string): unknown };
  readonly notes: { write(text: string): unknown };
}

/** What the command takes from elsewhere. */
export interface UiTools {
  readonly buildPage: () => Promise<BuiltPage>;
  readonly exportPage: (data: PageData) => Promise<string>;
  /** The program that opens a file in a browser; missing without a desktop. */
  readonly opener: string | undefined;
  /** Calls back when the command must end. Returns a function that stops that. */
  readonly onEnd: (end: () => void) => () => void;
}

const ownTools: UiTools = {
  buildPage: async () => (await import('../ui/build-page.ts')).buildPage(),
  exportPage: async (data) => (await import('../ui/build-page.ts')).exportPage(data),
  opener: findOpener(process.platform, readDesktop()),
  onEnd: (end) => onEndingSignal(['SIGINT', 'SIGTERM'], end),
};

const tokenBytes = 24;
/** Longer than most reads take. After it, the page gets the previous data. */
const patienceMs = 2_000;
const details = `
The page is a map of workloads with the connections that the agents have seen. It names the rules that allow or deny each connection. On the page you can
try a change of policies before you apply it. The server listens on 127.0.0.1 only, and answers only at a URL with a random token, which it prints.

It reads with the rights of your kubeconfig: get or list on pods, namespaces and networkpolicies, and where you have them on nodes and
clusternetworkpolicies; pods/exec in the namespace of the agents, for flows. With -n, it needs rights in those namespaces only, and shows no other
namespace. Nodes and clusternetworkpolicies are of the whole cluster: it shows them where you may list them. It writes nothing to the cluster. Data is read while a page is open, the agents at most every 15 s.

Examples:
  $ postern ui                                         the cluster of your kubeconfig
  $ postern ui -n shop -n office --agent-namespace postern-system
  $ postern ui --lab                                   a lab of "postern lab up"
  $ postern ui -f policies/                            manifests alone, without a cluster; the page follows your edits
  $ postern ui --export shop.html -n shop              one file with the data in it, to send to somebody

Exit codes: 0 ended by Ctrl-C, or exported; 2 wrong usage, or the cluster, lab or manifests cannot be read.`;

/** `postern ui`. Resolves when a signal ends it. Sets `process.exitCode`. */
export function uiCommand(
  streams: Streams = { out: process.stdout, notes: process.stderr },
  tools: UiTools = ownTools,
): Command {
  const elsewhere = ['kubeconfig', 'context', 'agentNamespace', 'namespace', 'lab', 'base', 'flows'];
  const command = withManifests(
    new Command('ui').description(
      'Shows a live map of the cluster in your browser: who talks to whom, and which policy decides.',
    ),
    'manifests alone: a file, a folder, or - (repeatable)',
  );
  command.options.find(({ long }) => long === '--filename')!.conflicts(elsewhere);
  return withSourceOptions(command)
    .addOption(
      new Option('-n, --namespace <name>', 'only this namespace (repeatable); needs no rights in others')
        .argParser(append)
        .conflicts(['lab', 'base', 'flows']),
    )
    .option('--port <N>', 'port on 127.0.0.1 (default: a free one)', '0')
    .option('--no-open', 'do not open a browser')
    .option('--export <FILE>', 'write the page and its data to a file, and end')
    .addHelpText('after', details)
    .action((flags: Flags) => show(flags, tools, streams));
}

async function show(flags: Flags, tools: UiTools, streams: Streams): Promise<void> {
  checkSource(flags);
  const port = readPort(flags.port);
  const ending = new AbortController();
  const stop = tools.onEnd(() => ending.abort());
  try {
    const source = await findSource(flags, ending.signal);
    const feed = new PageFeed(source.about, source.parts, {
      wall: () => Date.now(),
      steady: () => performance.now(),
      patience: () => delay(patienceMs, undefined, { ref: false }),
    });
    await Promise.race([feed.begin({ waitsForSlow: flags.export !== undefined }), rejectAtEnd(ending.signal)]);
    for (const note of feed.data().notes) streams.notes.write(`note: ${printable(note)}\n`);
    if (flags.export === undefined) {
      const opener = flags.open ? tools.opener : undefined;
      await serve(feed, { page: await tools.buildPage(), port, opener }, source.reads, streams, ending.signal);
    } else {
      await writeWhole(flags.export, await tools.exportPage(feed.data()));
      streams.notes.write(
        `wrote ${flags.export}: it has names, labels, addresses and policies, so choose who gets it\n`,
      );
    }
    process.exitCode = exitCode.fine;
  } finally {
    ending.abort();
    stop();
  }
}

interface Serving {
  readonly page: BuiltPage;
  readonly port: number;
  readonly opener: string | undefined;
}

/** Serves until the signal aborts. */
async function serve(
  feed: PageFeed,
  { page, port, opener }: Serving,
  reads: string,
  { out, notes }: Streams,
  signal: AbortSignal,
): Promise<void> {
  const token = randomBytes(tokenBytes).toString('base64url');
  const server = await servePage({ page, token, port, data: () => feed.latest() });
  let forget = async (): Promise<void> => {};
  try {
    out.write(`${server.url}\n`);
    notes.write(
      `${printable(reads)}\nThe URL has a secret token. Any user of this machine who has the URL can see the map. Ctrl-C ends the command.\n`,
    );
    if (opener !== undefined) forget = await openBrowser(server.url, opener);
    if (!signal.aborted) await once(signal, 'abort');
  } finally {
    await server.close();
    await forget();
  }
}

async function rejectAtEnd(signal: AbortSignal): Promise<never> {
  if (!signal.aborted) await once(signal, 'abort');
  throw new ConfigError('interrupted');
}

function readPort(text: string): number {
  const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : -1;
  if (port >= 0 && port <= 65_535) return port;
  throw new ConfigError(`--port: ${JSON.stringify(text)} is not a port: 1 to 65535, or 0 for a free one`);
}
