import { Command, Option } from 'commander';
import { ConfigError } from '../../config/config-error.ts';
import { agentNamespaceOption } from '../connect/find-agents.ts';
import { findEnd } from '../explain/end-argument.ts';
import { mayBeService } from '../explain/service-argument.ts';
import { exitCode } from '../exit-code.ts';
import { printable } from '../../lib/printable.ts';
import { families } from '../../model/address.ts';
import type { Family } from '../../model/address.ts';
import { Expectations } from '../probe/expectation.ts';
import type { Expected } from '../probe/expectation.ts';
import { openCluster, openLab } from '../probe/place.ts';
import { findingToJson, renderFindings } from '../probe/render.ts';
import type { Setting } from '../probe/render.ts';
import { judge } from '../probe/report.ts';
import { findTarget } from '../probe/target.ts';
import { readSeconds } from '../read-seconds.ts';

const details = `
FROM: shop/web, a pod (or shop/deployment/web). With --lab also node/n1 and host/db.
TO:   shop/api, a pod; shop/svc:api, a Service; node/n1; 10.0.0.2, an address; api.shop.svc, a DNS name that the pod resolves.
PORT: 80 (TCP), TCP/80, UDP/53, or a port name of the pod or Service. SCTP and ICMP are not supported.

On a cluster, the command adds an unprivileged ephemeral container to the pod FROM, which runs "postern connect" once and exits. The
container stays in the pod's spec until the pod is deleted, because Kubernetes cannot remove ephemeral containers. You need the rights to
list pods, namespaces, nodes, networkpolicies, clusternetworkpolicies and services, and, in the namespace of FROM, to get pods, patch
pods/ephemeralcontainers and get pods/log.

Examples:
  $ postern probe shop/web shop/api TCP/8080
  $ postern probe shop/web shop/svc:api http -o json
  $ postern probe --lab shop/web shop/api 8080          in a lab of "postern lab up"

Exit codes: 0 every family as the policies say: allowed and connected, or denied and no answer; 1 anything else; 2 no probe was possible.`;

interface Flags {
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly image?: string;
  readonly agentNamespace?: string;
  readonly timeout: string;
  readonly family?: Family;
  readonly output: 'text' | 'json';
  readonly lab?: true;
  readonly name?: string;
  readonly stateDir?: string;
}

/** Expectation for a name that does not resolve. */
const unnamed: Expected = { verdict: 'unknown', reasons: [], nodes: [] };

export function probeCommand(): Command {
  return new Command('probe')
    .description("Tries a connection from a pod's network, and compares the result with the policies.")
    .argument('<from>', 'the pod that opens the connection')
    .argument('<to>', 'the destination')
    .argument('<port>', 'the port of the destination')
    .option('--kubeconfig <file>', 'kubeconfig file (default: as kubectl)')
    .option('--context <name>', 'context of the kubeconfig')
    .option('--image <image>', "image of the ephemeral container (default: the agents' image)")
    .option('--timeout <seconds>', 'how long to wait for the container', '60')
    .addOption(agentNamespaceOption())
    .addOption(
      new Option('--lab', 'use a lab of this machine').conflicts([
        'kubeconfig',
        'context',
        'image',
        'agentNamespace',
        'timeout',
      ]),
    )
    .option('--name <name>', 'name of the lab, with --lab')
    .option('--state-dir <dir>', 'directory of the sockets of labs, with --lab')
    .addOption(new Option('--family <family>', 'address family (default: all that both ends have)').choices(families))
    .addOption(new Option('-o, --output <format>', 'output format').choices(['text', 'json']).default('text'))
    .addHelpText('after', details)
    .action(probe);
}

async function probe(fromText: string, toText: string, portText: string, flags: Flags): Promise<void> {
  if (!flags.lab && (flags.name ?? flags.stateDir) !== undefined) {
    throw new ConfigError('--name and --state-dir need --lab');
  }
  const place = await (flags.lab
    ? openLab(fromText, flags)
    : openCluster({ services: mayBeService(toText) }, { ...flags, seconds: readSeconds(flags.timeout) }, note));
  const { source } = place;
  const from = findEnd(source, fromText);
  const to = findTarget({ source, from, to: toText, port: portText, family: flags.family });
  for (const text of new Set([...source.notes, ...from.notes, ...to.notes])) note(text);
  const attempts = await place.tryFrom(from, to);
  const expectations = new Expectations(source, from);
  const asked = attempts.filter(
    ({ family }) => !family || ((flags.family ?? family) === family && from.endpoints.has(family)),
  );
  const findings = (asked.length > 0 ? asked : attempts).map((attempt) => {
    const expected = attempt.family ? expectations.at(attempt.address, to.protocol, to.port) : unnamed;
    return judge(expected, attempt, to.protocol);
  });
  const onFrom = place.onFrom?.(from);
  const setting: Setting = {
    from: from.name,
    to: to.name,
    port: `${to.protocol}/${to.port}`,
    onFrom,
    ...place.setting,
  };
  const json = { from: setting.from, to: setting.to, port: setting.port };
  process.stdout.write(
    flags.output === 'json'
      ? `${JSON.stringify({ ...json, attempts: findings.map((each) => findingToJson(each, setting)) }, undefined, 2)}\n`
      : renderFindings(findings, setting),
  );
  if (findings.some(({ agreement }) => agreement !== 'agrees')) process.exitCode = exitCode.finding;
}

function note(text: string): void {
  process.stderr.write(`note: ${printable(text)}\n`);
}
