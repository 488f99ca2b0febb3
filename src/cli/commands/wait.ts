import { setTimeout as delay } from 'node:timers/promises';
import { Command } from 'commander';
import { ConfigError } from '../../config/config-error.ts';
import { printable } from '../../lib/printable.ts';
import { openContext } from '../explain/cluster-source.ts';
import { renderNotes } from '../notes.ts';
import { openSource } from '../proof/ask.ts';
import { exitCodeOf, readSelection, withPolicies, type PolicyFlags } from '../proof/policy-options.ts';
import { renderIdle, renderReasons, summarize } from '../proof/render.ts';
import { selectPolicies } from '../proof/select.ts';
import { waitForProof } from '../proof/wait-for-proof.ts';
import { readSeconds } from '../read-seconds.ts';

interface Streams {
  readonly out: { write(text: string): unknown };
  readonly notes: { write(text: string): unknown };
}

interface Flags extends PolicyFlags {
  readonly timeout: string;
}

const details = `
Ends with 0 only when the kernel of every node that runs pods that the policies select holds the policies as they are now, for all these pods. A node
whose agent does not answer, or is of an older version, does not count as one that holds them. With -f, the policies in the cluster must also say what
the manifests say. A policy that selects no pod on any node is named, and counts as enforced. The command does not wait for pods that no node runs yet.
Where the start gate is on (the default), such a pod gets its rules before its first packet; elsewhere it is open until its address is in the kernel.
Pods on the host network are named, and are not waited for: policies do not apply to them. The rules that let other pods in follow those pods as they
come and go, so they are not waited for either. The command asks as "postern status" does, in rounds.

Examples:
  $ kubectl apply -f policies/ && postern wait -f policies/
  $ postern wait shop/api shop/web clusternetworkpolicy/guard --timeout 120
  $ postern wait -n shop                           all NetworkPolicies of a namespace
  $ kubectl apply -n shop -f policies/ -o name | grep policy | xargs postern wait -n shop

Exit codes: 0 all are enforced; 1 not within the time, with the nodes, pods and reasons; 2 wrong usage, an unknown policy, a
manifest of a kind that Postern does not support, or the cluster cannot be read.`;

/** `postern wait`. Sets `process.exitCode`. */
export function waitCommand(streams: Streams = { out: process.stdout, notes: process.stderr }): Command {
  return withPolicies(new Command('wait'))
    .description('Waits until every node that policies concern holds them in its kernel as they are now.')
    .option('--timeout <SECONDS>', 'how long to wait', '60')
    .addHelpText('after', details)
    .action((names: string[], flags: Flags) => wait(names, flags, streams));
}

async function wait(names: readonly string[], flags: Flags, { out, notes }: Streams): Promise<void> {
  const timeoutMs = readSeconds(flags.timeout) * 1000;
  const config = await openContext(flags.kubeconfig, flags.context);
  const { selection, foreign } = await readSelection(names, flags, config);
  if (!selection) throw new ConfigError('name the policies to wait for, or use -f, -n or -A');
  notes.write(renderNotes(foreign));
  const { isProven, proofs, failure } = await waitForProof({
    source: openSource(config, flags.agentNamespace),
    select: ({ policies }) => selectPolicies(policies, selection),
    timeoutMs,
    now: () => performance.now(),
    sleep: delay,
    progress: (text) => notes.write(`${printable(text)}\n`),
  });
  if (flags.output === 'json') out.write(`${JSON.stringify({ isProven, policies: proofs }, undefined, 2)}\n`);
  else out.write(isProven ? `${summarize(proofs)}\n` : '');
  if (failure !== undefined) notes.write(`the last round failed: ${printable(failure)}\n`);
  notes.write(renderReasons(proofs) + renderIdle(proofs));
  if (!isProven) notes.write(`postern: not enforced within ${flags.timeout} s: ${summarize(proofs)}\n`);
  process.exitCode = exitCodeOf(isProven, foreign);
}
