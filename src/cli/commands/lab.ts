import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { Command, InvalidArgumentError, Option } from 'commander';
import type { ApiObject } from '../../lab/api/object.ts';
import { askLab, serveControl } from '../../lab/control.ts';
import { labCnis } from '../../lab/cni-config.ts';
import { readNetwork } from '../../lab/config-list.ts';
import { labFamilies } from '../../lab/addressing.ts';
import type { LabFamily } from '../../lab/addressing.ts';
import { LabError } from '../../lab/error.ts';
import { rpFilters } from '../../lab/fabric.ts';
import type { RpFilter } from '../../lab/fabric.ts';
import { kubeconfigText } from '../../lab/kubeconfig.ts';
import type { Lab, LabOptions, ProbeReport } from '../../lab/lab.ts';
import { enterNamespace } from '../../lab/network-namespace.ts';
import { nodeNetworks } from '../../lab/node-network.ts';
import type { NodeNetwork } from '../../lab/node-network.ts';
import { checkMachine } from '../../lab/preflight.ts';
import { parseProbePort } from '../../lab/reachability.ts';
import { renderDenials, renderDifferences, renderMatrix } from '../../lab/report.ts';
import { defaultLabName, defaultStateRoot, LabState } from '../../lab/state.ts';
import { labUplinks } from '../../lab/uplink.ts';
import type { LabUplink } from '../../lab/uplink.ts';
import { formatProblem } from '../../manifests/problem.ts';
import { families } from '../../model/address.ts';
import type { Family } from '../../model/address.ts';
import { exitCode } from '../exit-code.ts';
import { withManifests } from '../manifest-option.ts';

// Modules that load the API server or the YAML parser are imported late, so that `probe` and `exec` start fast.

interface WhichLab {
  readonly name: string;
  readonly stateDir: string;
}

interface UpFlags extends WhichLab {
  readonly filename?: readonly string[];
  readonly nodes: number;
  /** One of `labCnis`, or a file. */
  readonly cni: string;
  readonly family: LabFamily;
  readonly uplink: LabUplink;
  readonly network: NodeNetwork;
  /** One of `rpFilters`, as text. */
  readonly rpFilter: string;
  readonly kubeconfig?: string;
  readonly kubeconfigOut?: string;
  readonly detach?: true;
}

interface ProbeFlags {
  readonly port?: readonly string[] | undefined;
  readonly output: 'table' | 'json';
}

const details = `
Nodes, pods and the network between them are network namespaces of this machine, named postern-…; the lab changes nothing else.
The CNI plugins of Debian's containernetworking-plugins assign the pod addresses, and the agent runs on every node.

With --kubeconfig the lab uses your API server instead of its own. Take a test server without a scheduler, controller manager or
kubelets, such as envtest starts. All objects that the lab creates there have the label lab.postern.dev/name=NAME; "down" deletes
these objects and no others. The lab does not create pods for Deployments and other workloads there.

Examples:
  $ postern lab run -f examples/           up, probe, print, down
  $ postern lab up -f examples/ --detach   and leave it running
  $ postern lab run -f examples/ --network vxlan
  $ postern lab probe --port TCP/8080 -o json
  $ postern lab up -f examples/ --kubeconfig envtest.kubeconfig
  $ postern lab exec shop/web -- ip route
  $ postern lab down`;

export function labCommand(): Command {
  return new Command('lab')
    .description(
      'Runs a small cluster in network namespaces: real CNI plugins, real packets, the unchanged agent. Needs root.',
    )
    .addHelpText('after', details)
    .addCommand(upCommand())
    .addCommand(probeCommand())
    .addCommand(runCommand())
    .addCommand(execCommand())
    .addCommand(downCommand());
}

function upCommand(): Command {
  return withUpFlags(new Command('up').description('Starts a lab and keeps it until Ctrl-C or "postern lab down".'))
    .addOption(
      new Option(
        '--kubeconfig-out <FILE>',
        'write a kubeconfig for kubectl, and serve the built-in API on loopback',
      ).conflicts('kubeconfig'),
    )
    .option('-d, --detach', 'return when the lab runs')
    .action(async (flags: UpFlags) => {
      await checkMachine(await readNetwork(flags.cni), flags.network);
      if (!flags.detach) return stayUp(flags);
      const args = process.argv.slice(1).filter((arg) => arg !== '--detach' && arg !== '-d');
      const { startDetached } = await import('../../lab/session.ts');
      const start = await startDetached(args);
      if ('announced' in start) process.stdout.write(start.announced);
      else {
        process.stderr.write(start.said);
        process.exitCode = start.exitCode;
      }
    });
}

function probeCommand(): Command {
  const command = new Command('probe')
    .description('Sends packets between every pair of pods and hosts, and compares the result with the policies.')
    .addHelpText('after', '\nExit codes: 0 as the policies say, 1 different, 2 no probe was possible.')
    .addOption(familyOption(families, 'only this family'));
  return withProbeFlags(withLab(command)).action(async (flags: WhichLab & ProbeFlags & { family?: Family }) => {
    const asked = { ports: flags.port, ...(flags.family && { families: [flags.family] }) };
    report(await askLab(new LabState(flags.name, flags.stateDir), 'probe', asked), flags);
  });
}

function runCommand(): Command {
  const command = new Command('run')
    .description('Starts a lab, probes it, prints the result, and removes the lab.')
    .addHelpText(
      'after',
      '\nExit codes: 0 as the policies say, 1 different, 2 no probe was possible, 130 interrupted with Ctrl-C.',
    );
  return withProbeFlags(withUpFlags(command)).action(async (flags: UpFlags & ProbeFlags) => {
    await checkMachine(await readNetwork(flags.cni), flags.network);
    const { runSession } = await import('../../lab/session.ts');
    const interrupted = await runSession(await labOptions(flags), async ({ lab, ending }) => {
      await lab.settle();
      ending.throwIfAborted();
      if (flags.output === 'table') process.stdout.write(`${await describe(lab, flags)}\n`);
      const found = await lab.probe({ ports: flags.port });
      // A lab that is being removed may give wrong results.
      ending.throwIfAborted();
      report(found, { port: flags.port, output: flags.output });
    });
    if (interrupted) reportInterruption(flags, interrupted);
  });
}

function execCommand(): Command {
  return withLab(new Command('exec').description('Runs a program in the network of a pod, host/NAME or node/NAME.'))
    .argument('<pod>', 'namespace/pod')
    .argument('<command...>', 'after --')
    .action(async (station: string, [file, ...args]: string[], flags: WhichLab) => {
      const state = new LabState(flags.name, flags.stateDir);
      const { namespace } = await askLab(state, 'namespace', { station });
      // In the network of a node, postern names that node and not the machine.
      const [, node] = /^node\/(.+)$/.exec(station) ?? [];
      const command = node === undefined ? [file!, ...args] : [`POSTERN_NODE_NAME=${node}`, file!, ...args];
      const child = spawn(...enterNamespace(namespace, 'env', command), { stdio: 'inherit' });
      const [code] = (await once(child, 'exit')) as [number | null];
      process.exitCode = code ?? exitCode.usage;
    });
}

function downCommand(): Command {
  return withLab(new Command('down').description('Removes a lab, also the remains of a crash.')).action(
    async ({ name, stateDir }: WhichLab) => {
      const state = new LabState(name, stateDir);
      const kubeconfig = await state.kubeconfig();
      const owner = await state.owner();
      if (owner === undefined) {
        const found = await state.remove();
        if (kubeconfig !== undefined) await release(kubeconfig, name);
        process.stdout.write(
          found
            ? `removed the remains of lab ${name}\n`
            : `lab ${name} does not exist: nothing to remove${await others(state)}\n`,
        );
        return;
      }
      process.kill(owner, 'SIGTERM');
      await waitUntilGone(state);
      await state.remove();
      if (kubeconfig !== undefined) await release(kubeconfig, name);
      process.stdout.write(`lab ${name} is removed\n`);
    },
  );
}

/** Hints at running labs: the user may have forgotten `--name`. */
async function others(state: LabState): Promise<string> {
  const names = await state.othersUp();
  return names.length === 0
    ? ''
    : `; ${names.join(' and ')} ${names.length === 1 ? 'is' : 'are'} running: choose with --name`;
}

/** Deletes the objects that a crashed lab left at the real API server, and reports objects that stay. */
async function release(kubeconfig: string, name: string): Promise<void> {
  const { RealClient } = await import('../../lab/real/client.ts');
  const { releaseObjects } = await import('../../lab/real/release-objects.ts');
  await releaseObjects(await RealClient.load(kubeconfig), name, (message) => process.stderr.write(`${message}\n`));
}

async function stayUp(flags: UpFlags): Promise<void> {
  const { runSession } = await import('../../lab/session.ts');
  let isUp = false;
  const interrupted = await runSession(await labOptions(flags), async ({ lab, ending, announce }) => {
    await lab.settle();
    ending.throwIfAborted();
    const control = await serveControl(lab, lab.state.controlSocket);
    if (flags.kubeconfigOut) await writeFile(flags.kubeconfigOut, kubeconfigText(lab.apiUrl!), { mode: 0o600 });
    const { describeAgents } = await import('../../lab/describe-cluster.ts');
    const text = `${await describe(lab, flags)}${describeAgents(lab)}`;
    ending.throwIfAborted();
    isUp = true;
    if (!announce(text)) process.stdout.write(`${text}  Ctrl-C stops it\n`);
    await once(ending, 'abort');
    control.close();
  });
  if (interrupted && !isUp) reportInterruption(flags, interrupted);
}

function reportInterruption({ name }: WhichLab, code: number): void {
  process.stderr.write(`postern: interrupted; lab ${name} is removed\n`);
  process.exitCode = code;
}

async function labOptions(flags: UpFlags): Promise<LabOptions> {
  return {
    name: flags.name,
    stateRoot: flags.stateDir,
    nodes: flags.nodes,
    cni: await readNetwork(flags.cni),
    family: flags.family,
    uplink: flags.uplink,
    network: flags.network,
    rpFilter: Number(flags.rpFilter) as RpFilter,
    ...(flags.kubeconfig !== undefined && { kubeconfig: flags.kubeconfig }),
    tcp: flags.kubeconfigOut !== undefined,
    objects: await readObjects(flags.filename ?? []),
  };
}

async function readObjects(paths: readonly string[]): Promise<ApiObject[]> {
  const { loadManifests } = await import('../../manifests/load.ts');
  const { objects, problems } = await loadManifests(paths);
  if (problems.length > 0) throw new LabError('input', problems.map(formatProblem).join('\n'));
  // loadManifests has checked apiVersion, kind and metadata.name.
  return objects as unknown as ApiObject[];
}

async function waitUntilGone(state: LabState): Promise<void> {
  const deadline = Date.now() + 30_000;
  while ((await state.owner()) !== undefined) {
    if (Date.now() > deadline) throw new LabError('timeout', 'the lab still runs 30 s after SIGTERM');
    await delay(20);
  }
}

/** Throws if no packet was sent: a mistyped port must not look like success. */
function report({ results, denials }: ProbeReport, { port, family, output }: ProbeFlags & { family?: Family }): void {
  if (results.length === 0) {
    const which = `no pod or host${family ? ` with ${family}` : ''} declares ${port?.join(' or ') ?? 'a port'}`;
    throw new LabError('input', `nothing to probe: ${which}; pods answer on their containerPorts`);
  }
  if (output === 'json') process.stdout.write(`[\n${results.map((result) => JSON.stringify(result)).join(',\n')}\n]\n`);
  else process.stdout.write([renderMatrix(results), renderDenials(denials), renderDifferences(results)].join('\n'));
  if (results.some(({ observed, expected }) => observed !== expected)) process.exitCode = exitCode.finding;
}

async function describe(lab: Lab, flags: UpFlags): Promise<string> {
  const { describeCluster } = await import('../../lab/describe-cluster.ts');
  const kubeconfig = flags.kubeconfig ?? flags.kubeconfigOut;
  const kubectl = kubeconfig === undefined ? '' : `  kubectl --kubeconfig ${kubeconfig} get pods -A\n`;
  return `lab ${flags.name} is running (${flags.cni}, ${flags.family}):\n${await describeCluster(lab)}${kubectl}`;
}

function withUpFlags(command: Command): Command {
  return withManifests(withLab(command), 'manifests: a file, a folder, or - (repeatable)')
    .option('--kubeconfig <FILE>', 'use this API server instead of the built-in one')
    .addOption(new Option('--nodes <N>', 'number of nodes').default(2).argParser(parseNodes))
    .option(
      '--cni <PLUGIN|FILE>',
      `network of the pods: ${labCnis.join(', ')}, or a CNI configuration list as under examples/networks`,
      'bridge',
    )
    .addOption(familyOption(labFamilies, 'addresses of nodes and pods').default('dual'))
    .addOption(new Option('--uplink <KIND>', "device type of a node's uplink").choices(labUplinks).default('veth'))
    .addOption(
      new Option('--network <KIND>', 'network between the pods of two nodes').choices(nodeNetworks).default('routed'),
    )
    .addOption(
      new Option('--rp-filter <MODE>', 'net.ipv4.conf.all.rp_filter of the nodes')
        .choices(rpFilters.map(String))
        .default('0'),
    );
}

function withProbeFlags(command: Command): Command {
  const port = listOption('--port <PORT>', 'only this port, as TCP/80 or icmp (repeatable)');
  const parse = (text: string, earlier?: string[]): string[] => [...(earlier ?? []), parseProbePort(text)];
  return command
    .addOption(port.argParser(parse))
    .addOption(new Option('-o, --output <FORMAT>', 'output format').choices(['table', 'json']).default('table'));
}

function withLab(command: Command): Command {
  return command
    .option('--name <NAME>', 'name of the lab', defaultLabName)
    .option('--state-dir <DIR>', 'directory for sockets and logs of labs', defaultStateRoot);
}

function listOption(flags: string, summary: string): Option {
  return new Option(flags, summary).argParser((text: string, earlier?: string[]) => [...(earlier ?? []), text]);
}

function familyOption(choices: readonly string[], summary: string): Option {
  return new Option('--family <FAMILY>', summary).choices(choices);
}

function parseNodes(text: string): number {
  const nodes = Number(text);
  if (!Number.isInteger(nodes) || nodes < 1 || nodes > 200) throw new InvalidArgumentError('expected 1 to 200.');
  return nodes;
}
