import { Command } from 'commander';
import { comparedNodes } from '../../doctor/proof/compared.ts';
import { concernedNodes, Judge } from '../../doctor/proof/judge.ts';
import { openContext } from '../explain/cluster-source.ts';
import { renderNotes } from '../notes.ts';
import { openSource } from '../proof/ask.ts';
import { exitCodeOf, readSelection, withPolicies, type PolicyFlags } from '../proof/policy-options.ts';
import { renderCompared, renderProofs, summarize } from '../proof/render.ts';
import { selectPolicies } from '../proof/select.ts';

interface Streams {
  readonly out: { write(text: string): unknown };
  readonly notes: { write(text: string): unknown };
}

const details = `
A policy concerns the nodes that run pods that it selects. The command runs "postern node policies" in the agents of these nodes, through pods/exec
with your rights, and compares each answer with the API server: uid and generation of the policy, and for each pod that the policy selects, whether its
addresses have the rules. NODES shows how many of these nodes hold the policy as it is now. A node whose agent does not answer does not count. Names are
NAMESPACE/NAME, clusternetworkpolicy/NAME, or with -n a NAME. Without names, the command shows all policies.

Examples:
  $ postern status                                 all policies
  $ postern status -n shop                         the NetworkPolicies of one namespace
  $ postern status shop/api clusternetworkpolicy/guard
  $ postern status -o json | jq -r '.policies[] | .policy as $p | .lagging[] | [$p, .node, .why] | @tsv'

Exit codes: 0 all are enforced; 1 a node lags, or a policy is not enforced for a pod; 2 wrong usage, a
manifest of a kind that Postern does not support, or the cluster cannot be read.`;

/** Milliseconds for the answer of one node. */
const patienceMs = 60_000;

/** `postern status`. Sets `process.exitCode`. */
export function statusCommand({ out, notes }: Streams = { out: process.stdout, notes: process.stderr }): Command {
  return withPolicies(new Command('status'))
    .description(
      'Shows on how many nodes the kernel holds each policy as it is now, which nodes lag and why, and the pods for which it is not enforced.',
    )
    .addHelpText('after', details)
    .action(async (names: string[], flags: PolicyFlags) => {
      const config = await openContext(flags.kubeconfig, flags.context);
      const { selection = { kind: 'all' }, foreign } = await readSelection(names, flags, config);
      notes.write(renderNotes(foreign));
      const source = openSource(config, flags.agentNamespace);
      const listed = await source.list();
      const wanted = selectPolicies(listed.policies, selection);
      const answers = await source.ask(listed, concernedNodes(wanted), patienceMs);
      const judge = new Judge(answers);
      const proofs = wanted.map((policy) => judge.prove(policy));
      const nodes = comparedNodes(answers);
      if (flags.output === 'json') out.write(`${JSON.stringify({ policies: proofs, nodes }, undefined, 2)}\n`);
      else if (proofs.length === 0) out.write('there are no such policies\n');
      else out.write(`${renderProofs(proofs)}${renderCompared(nodes)}${summarize(proofs)}\n`);
      process.exitCode = exitCodeOf(
        proofs.every(({ isProven }) => isProven),
        foreign,
      );
    });
}
