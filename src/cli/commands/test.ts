import { writeFile } from 'node:fs/promises';
import { Command, Option } from 'commander';
import { ConfigError } from '../../config/config-error.ts';
import { messageOf } from '../../lib/message-of.ts';
import { renderNotes } from '../notes.ts';
import { families } from '../../model/address.ts';
import type { Family } from '../../model/address.ts';
import { agentNamespaceOption } from '../connect/find-agents.ts';
import { checkTests, exitCodeOf } from '../expect/check.ts';
import { renderJunit } from '../expect/junit.ts';
import { openTestPlace } from '../expect/place.ts';
import type { PlaceFlags } from '../expect/place.ts';
import { readTests } from '../expect/read-tests.ts';
import { reportToJson } from '../expect/report-json.ts';
import { renderReport } from '../expect/render.ts';
import { withManifests } from '../manifest-option.ts';

const details = `
FILE has documents of the kind PolicyTest:

  apiVersion: postern.dev/v1alpha1
  kind: PolicyTest
  metadata: { name: shop }
  tests:
    - { from: storefront/web, to: shop/api, port: 8080, expect: allowed }
    - name: nobody else reaches the API
      from: { namespaceSelector: { matchExpressions: [{ key: purpose, operator: NotIn, values: [production] }] } }
      to: shop/deployment/api
      port: http
      expect: denied

from and to: shop/web (a pod, or all pods of a workload), shop/deployment/web, node/n1, host/db (a Host of the lab), 10.0.0.2 (its owner),
10.0.0.0/8 (all addresses in it outside of the cluster), or a mapping: namespace or namespaceSelector, with podSelector; or ipBlock.
An expectation must hold for every selected pair, in each address family that both have. If an end selects nothing, that is an error.

Examples:
  $ postern test -f manifests/ tests.yaml                    by the policies of manifests: no cluster, no root
  $ postern test -f manifests/ tests.yaml --junit report.xml
  $ postern test --lab -f manifests/ tests.yaml              by packets, in a lab that is started for it and removed (root)
  $ postern test --lab tests.yaml                            by packets, in the lab of "postern lab up"
  $ postern test tests.yaml                                  by the policies of the cluster of your kubeconfig
  $ postern test --probe tests.yaml                          also by connections from its pods; adds ephemeral containers

With --probe, each pod FROM gets an unprivileged ephemeral container for each of its ports, which stays in the pod's spec until the pod is
deleted. A run adds at most 50. It needs the rights of "postern probe".

Exit codes: 0 all hold; 1 an expectation does not hold; 2 wrong usage, or an expectation cannot be checked.`;

interface Flags extends PlaceFlags {
  readonly junit?: string;
  readonly family?: Family;
  readonly output: 'text' | 'json';
}

interface Streams {
  readonly out: { write(text: string): unknown };
  readonly notes: { write(text: string): unknown };
}

/** `postern test FILE…`. Sets `process.exitCode`; rejects with an error that has a code. */
export function testCommand(streams: Streams = { out: process.stdout, notes: process.stderr }): Command {
  const command = new Command('test')
    .description('Checks expectations: which connections policies must allow, and which they must deny.')
    .argument('<file...>', 'expectations, or - for standard input');
  return withManifests(command, 'manifests instead of a cluster: a file, a folder, or - (repeatable)')
    .addOption(new Option('--kubeconfig <file>', 'kubeconfig file (default: as kubectl)').conflicts('filename'))
    .addOption(new Option('--context <name>', 'context of the kubeconfig').conflicts('filename'))
    .addOption(
      new Option(
        '--lab',
        'by packets in a lab: the running one, or with -f one that is started for it (root)',
      ).conflicts(['kubeconfig', 'context']),
    )
    .option('--name <name>', 'name of the lab, with --lab')
    .option('--state-dir <dir>', 'directory of the sockets of labs, with --lab')
    .addOption(
      new Option('--probe', 'also by probes from pods of the cluster, as "postern probe"').conflicts([
        'filename',
        'lab',
      ]),
    )
    .option('--image <image>', "with --probe: image of the ephemeral containers (default: the agents' image)")
    .option('--timeout <seconds>', 'with --probe: how long to wait for each container', '60')
    .addOption(agentNamespaceOption().conflicts(['filename', 'lab']))
    .addOption(
      new Option(
        '--family <family>',
        'address family of expectations that name none (default: all that both ends have)',
      ).choices(families),
    )
    .option('--junit <FILE>', 'also write the result as JUnit XML')
    .addOption(new Option('-o, --output <format>', 'output format').choices(['text', 'json']).default('text'))
    .addHelpText('after', details)
    .action((files: string[], flags: Flags) => test(files, flags, streams));
}

async function test(files: readonly string[], flags: Flags, { out, notes }: Streams): Promise<void> {
  if (files.includes('-') && flags.filename?.includes('-')) {
    throw new ConfigError(
      'standard input can be either the expectations or the manifests: write one of them to a file',
    );
  }
  if (!flags.lab && (flags.name ?? flags.stateDir) !== undefined) {
    throw new ConfigError('--name and --state-dir need --lab');
  }
  if (!flags.probe && (flags.image ?? flags.agentNamespace) !== undefined) {
    throw new ConfigError('--image and --agent-namespace need --probe');
  }
  const tests = (await readTests(files)).map((each) => ({ ...(flags.family && { family: flags.family }), ...each }));
  const report = await openTestPlace(flags, tests, async (place) => checkTests(place, tests));
  if (!report) return;
  notes.write(renderNotes(report.notes));
  if (flags.junit !== undefined) await writeReport(flags.junit, renderJunit(report));
  out.write(flags.output === 'json' ? reportToJson(report) : renderReport(report));
  process.exitCode = exitCodeOf(report.results);
}

async function writeReport(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text);
  } catch (cause) {
    throw new ConfigError(`--junit: cannot write ${file}: ${messageOf(cause)}`, { cause });
  }
}
