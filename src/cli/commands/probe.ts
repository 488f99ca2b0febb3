import { Command, Option } from 'commander';
import { ConfigError } from '../../config/config-error.ts';
import { findEnd } from '../explain/end-argument.ts';
import { exitCode } from '../exit-code.ts';
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
TO:   shop/api, a pod; shop/svc:api, a Service; node/n1; 10.0.0.2, an address; api.shop.svc, a name for the pod's resolver.
PORT: 80 (TCP), TCP/80, UDP/53, or a name of it on the pod or Service. SCTP and ICMP cannot be tried.

On a cluster it adds an ephemeral container to the pod FROM, which has no right and runs "postern connect" once. That container ends by
itself, and stays in the pod's spec until the pod is deleted: Kubernetes has no way to take it out. You need the rights to list
pods, namespaces, nodes, networkpolicies and services, and, in the namespace of FROM, to get pods, patch pods/ephemeralcontainers and
get pods/log.

Examples:
  $ postern probe shop/web shop/api TCP/8080
  $ postern probe shop/web shop/svc:api http -o json
  $ postern probe --lab shop/web shop/api 8080          in the lab that "postern lab up" has made

Exit codes: 0 every family as the policies say: allowed and connected, or denied and no answer; 1 anything else; 2 it could not be tried.`;

interface Flags {
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly image?: string;
  readonly timeout: string;
  readonly family?: Family;
  readonly output: 'text' | 'json';
  readonly lab?: true;
  readonly name?: string;
  readonly stateDir?: string;
}

/** A name that does not resolve is nobody's. */
const unnamed: Expected = { verdict: 'unknown', reasons: [], nodes: [] };

export function probeCommand(): Command {
  return new Command('probe')
    .description("Tries a connection from a pod's own network, and says beside it what the policies say.")
    .argument('<from>', 'the pod that opens the connection')
    .argument('<to>', 'whom it is for')
    .argument('<port>', 'the port it is for')
    .option('--kubeconfig <file>', 'how to reach the cluster')
    .option('--context <name>', 'the context of the kubeconfig')
    .option('--image <image>', 'what the container in the pod runs (default: the image of the agents of the cluster)')
    .option('--timeout <seconds>', 'how long to wait for the container', '60')
    .addOption(new Option('--lab', 'in a lab of this machine').conflicts(['kubeconfig', 'context', 'image', 'timeout']))
    .option('--name <name>', 'which lab, with --lab, where there are several')
    .option('--state-dir <dir>', 'where labs keep their sockets, with --lab')
    .addOption(new Option('--family <family>', 'only this family; default: all that both ends have').choices(families))
    .addOption(new Option('-o, --output <form>', 'the form of the answer').choices(['text', 'json']).default('text'))
    .addHelpText('after', details)
    .action(probe);
}

async function probe(fromText: string, toText: string, portText: string, flags: Flags): Promise<void> {
  if (!flags.lab && (flags.name ?? flags.stateDir) !== undefined) {
    throw new ConfigError('--name and --state-dir name a lab: say --lab too');
  }
  const place = await (flags.lab
    ? openLab(fromText, flags)
    : openCluster(toText, { ...flags, seconds: readSeconds(flags.timeout) }, note));
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
  process.stderr.write(`note: ${text}\n`);
}
