import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { Command, InvalidArgumentError, Option } from 'commander';
import type { ApiObject } from '../../lab/api/object.ts';
import { askLab, serveControl } from '../../lab/control.ts';
import { labCnis } from '../../lab/cni-config.ts';
import type { LabCni } from '../../lab/cni-config.ts';
import { labFamilies } from '../../lab/addressing.ts';
import type { LabFamily } from '../../lab/addressing.ts';
import { LabError } from '../../lab/error.ts';
import { kubeconfigText } from '../../lab/kubeconfig.ts';
import type { Lab, LabOptions, ProbeReport } from '../../lab/lab.ts';
import { enterNamespace } from '../../lab/network-namespace.ts';
import { checkMachine } from '../../lab/preflight.ts';
import { parseProbePort } from '../../lab/reachability.ts';
import { renderDenials, renderDifferences, renderMatrix } from '../../lab/report.ts';
import { defaultLabName, defaultStateRoot, LabState } from '../../lab/state.ts';
import { formatProblem } from '../../manifests/problem.ts';
import { families } from '../../model/address.ts';
import type { Family } from '../../model/address.ts';
import { exitCode } from '../exit-code.ts';

// What loads the API server or the YAML parser is imported where it is needed: `probe` and `exec` answer at once.

interface WhichLab {
  readonly name: string;
  readonly stateDir: string;
}

interface UpFlags extends WhichLab {
  readonly file: readonly string[];
  readonly nodes: number;
  readonly cni: LabCni;
  readonly family: LabFamily;
  readonly kubeconfigOut?: string;
  readonly detach?: true;
}

interface ProbeFlags {
  readonly port?: readonly string[];
  readonly output: 'table' | 'json';
}

const details = `
Nodes, pods and what is between them are network namespaces of this machine named postern-…; nothing else of it is touched.
Pods get their addresses from the CNI plugins of Debian's containernetworking-plugins, and the agent runs on every node.

Examples:
  $ postern lab run -f examples/           up, probe, print, down
  $ postern lab up -f examples/ --detach   and leave it running
  $ postern lab probe --port TCP/8080 -o json
  $ postern lab exec shop/web -- ip route
  $ postern lab down`;

export function labCommand(): Command {
  return new Command('lab')
    .description(
      'A small cluster in network namespaces: real CNI plugins, real packets, the unchanged agent. Needs root.',
    )
    .addHelpText('after', details)
    .addCommand(upCommand())
    .addCommand(probeCommand())
    .addCommand(runCommand())
    .addCommand(execCommand())
    .addCommand(downCommand());
}

function upCommand(): Command {
  return withUpFlags(new Command('up').description('Brings a lab up and keeps it until Ctrl-C or "postern lab down".'))
    .option('--kubeconfig-out <FILE>', 'write a kubeconfig for kubectl; the API is then served on loopback')
    .option('-d, --detach', 'return as soon as everything runs')
    .action(async (flags: UpFlags) => {
      await checkMachine(flags.cni);
      if (!flags.detach) return stayUp(flags);
      const args = process.argv.slice(1).filter((arg) => arg !== '--detach' && arg !== '-d');
      const { startDetached } = await import('../../lab/session.ts');
      process.stdout.write(await startDetached(args));
    });
}

function probeCommand(): Command {
  const command = new Command('probe')
    .description(
      'Sends packets between every pair of pods and hosts, and compares what passes with what the policies say.',
    )
    .addOption(familyOption(families, 'only this family'));
  return withProbeFlags(withLab(command)).action(async (flags: WhichLab & ProbeFlags & { family?: Family }) => {
    const asked = { ports: flags.port, ...(flags.family && { families: [flags.family] }) };
    report(await askLab(new LabState(flags.name, flags.stateDir).controlSocket, 'probe', asked), flags.output);
  });
}

function runCommand(): Command {
  const command = new Command('run').description('Brings a lab up, probes it, prints what was found, takes it down.');
  return withProbeFlags(withUpFlags(command)).action(async (flags: UpFlags & ProbeFlags) => {
    await checkMachine(flags.cni);
    const { runSession } = await import('../../lab/session.ts');
    const interrupted = await runSession(await labOptions(flags), async ({ lab }) => {
      await lab.settle();
      if (flags.output === 'table') process.stdout.write(`${await describe(lab, flags)}\n`);
      report(await lab.probe({ ports: flags.port }), flags.output);
    });
    if (interrupted) process.exitCode = exitCode.usage;
  });
}

function execCommand(): Command {
  return withLab(new Command('exec').description('Runs a program in the network of a pod, host/NAME or node/NAME.'))
    .argument('<pod>', 'namespace/pod')
    .argument('<command...>', 'after --')
    .action(async (station: string, [file, ...args]: string[], flags: WhichLab) => {
      const { controlSocket } = new LabState(flags.name, flags.stateDir);
      const { namespace } = await askLab(controlSocket, 'namespace', { station });
      const child = spawn(...enterNamespace(namespace, file!, args), { stdio: 'inherit' });
      const [code] = (await once(child, 'exit')) as [number | null];
      process.exitCode = code ?? exitCode.usage;
    });
}

function downCommand(): Command {
  return withLab(new Command('down').description('Ends a lab and removes all of it, also what a crash left.')).action(
    async ({ name, stateDir }: WhichLab) => {
      const state = new LabState(name, stateDir);
      const owner = await state.owner();
      if (owner !== undefined) {
        process.kill(owner, 'SIGTERM');
        await waitUntilGone(state);
      }
      const found = await state.remove();
      process.stdout.write(found ? `removed what was left of lab ${name}\n` : `lab ${name} is down\n`);
    },
  );
}

async function stayUp(flags: UpFlags): Promise<void> {
  const { runSession } = await import('../../lab/session.ts');
  await runSession(await labOptions(flags), async ({ lab, ended, announce }) => {
    await lab.settle();
    const control = await serveControl(lab, lab.state.controlSocket);
    if (flags.kubeconfigOut) await writeFile(flags.kubeconfigOut, kubeconfigText(lab.apiUrl!), { mode: 0o600 });
    const text = await describe(lab, flags);
    if (!announce(text)) process.stdout.write(`${text}  Ctrl-C ends it\n`);
    await ended;
    control.close();
  });
}

async function labOptions(flags: UpFlags): Promise<LabOptions> {
  return {
    name: flags.name,
    stateRoot: flags.stateDir,
    nodes: flags.nodes,
    cni: flags.cni,
    family: flags.family,
    tcp: flags.kubeconfigOut !== undefined,
    objects: await readObjects(flags.file),
  };
}

async function readObjects(paths: readonly string[]): Promise<ApiObject[]> {
  const { loadManifests } = await import('../../manifests/load.ts');
  const { objects, problems } = await loadManifests(paths);
  if (problems.length > 0) throw new LabError('input', problems.map(formatProblem).join('\n'));
  // What was loaded has the three fields that make it an API object.
  return objects as unknown as ApiObject[];
}

async function waitUntilGone(state: LabState): Promise<void> {
  const deadline = Date.now() + 30_000;
  while ((await state.owner()) !== undefined) {
    if (Date.now() > deadline) throw new LabError('timeout', 'the lab was asked to end, and still runs after 30 s');
    await delay(20);
  }
}

function report({ results, denials }: ProbeReport, output: 'table' | 'json'): void {
  if (output === 'json') process.stdout.write(`[\n${results.map((result) => JSON.stringify(result)).join(',\n')}\n]\n`);
  else process.stdout.write([renderMatrix(results), renderDenials(denials), renderDifferences(results)].join('\n'));
  if (results.some(({ observed, expected }) => observed !== expected)) process.exitCode = exitCode.finding;
}

async function describe(lab: Lab, flags: UpFlags): Promise<string> {
  const { describeCluster } = await import('../../lab/describe-cluster.ts');
  const kubectl = flags.kubeconfigOut ? `  kubectl --kubeconfig ${flags.kubeconfigOut} get pods -A\n` : '';
  return `lab ${flags.name} is up (${flags.cni}, ${flags.family}):\n${describeCluster(lab)}${kubectl}`;
}

function withUpFlags(command: Command): Command {
  return withLab(command)
    .addOption(listOption('-f, --file <PATH>', 'manifests: a file, a folder, or - (repeatable)').default([]))
    .addOption(new Option('--nodes <N>', 'how many nodes').default(2).argParser(parseNodes))
    .addOption(new Option('--cni <PLUGIN>', 'how pods are wired').choices(labCnis).default('bridge'))
    .addOption(familyOption(labFamilies, 'addresses of nodes and pods').default('dual'));
}

function withProbeFlags(command: Command): Command {
  const port = listOption('--port <PORT>', 'only this port, as TCP/80 or icmp (repeatable)');
  const parse = (text: string, earlier?: string[]): string[] => [...(earlier ?? []), parseProbePort(text)];
  return command
    .addOption(port.argParser(parse))
    .addOption(new Option('-o, --output <FORMAT>', 'how to print').choices(['table', 'json']).default('table'));
}

function withLab(command: Command): Command {
  return command
    .option('--name <NAME>', 'which lab, where there are several', defaultLabName)
    .option('--state-dir <DIR>', 'where labs keep their sockets and logs', defaultStateRoot);
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
