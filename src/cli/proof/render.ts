import type { PolicyProof } from '../../doctor/proof/judge.ts';
import { longestRound, type ComparedNode } from '../../doctor/proof/compared.ts';
import { plural } from '../../lib/plural.ts';
import { printable } from '../../lib/printable.ts';

const selectsNone = 'selects no pod';
const headings = ['POLICY', 'GENERATION', 'NODES', 'PODS', 'STATE'];

/** A line for each policy, then what is wrong. */
export function renderProofs(proofs: readonly PolicyProof[]): string {
  const rows = proofs.map((proof) => {
    const { policy, generation, holding, nodes, pods } = proof;
    return [printable(policy), String(generation), `${holding}/${nodes}`, String(pods), stateOf(proof)];
  });
  const table = [headings, ...rows];
  const widths = headings.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
  const lines = table.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  );
  return `${lines.join('\n')}\n${renderReasons(proofs)}`;
}

function stateOf({ isProven, notEnforced, isOtherVersion, lagging, nodes }: PolicyProof): string {
  if (isOtherVersion) return 'another version';
  if (notEnforced !== undefined) return 'not enforced';
  if (lagging.length > 0) return 'lagging';
  if (!isProven) return 'not for all pods';
  return nodes === 0 ? selectsNone : 'enforced';
}

/** Policies named in one line: a node that does not answer lags with all of them. */
const mostNamed = 3;

export const otherVersion = 'the cluster has another version of it than the manifest';

/** What is wrong, each with the policies that it concerns. */
export function renderReasons(proofs: readonly PolicyProof[]): string {
  const reasons = proofs.flatMap(({ policy, lagging, exceptions, issues, notEnforced, isOtherVersion }) => [
    ...(isOtherVersion ? [{ text: otherVersion, policy }] : []),
    ...(notEnforced === undefined ? [] : [{ text: `no node enforces it: ${notEnforced}`, policy }]),
    ...lagging.map(({ node, why }) => ({ text: `node ${node}: ${why}`, policy })),
    ...exceptions.map(({ pod, node, why }) => ({ text: `pod ${pod} on ${node}: ${why}`, policy })),
    ...issues.filter((issue) => issue !== notEnforced).map((issue) => ({ text: issue, policy })),
  ]);
  return Array.from(
    Map.groupBy(reasons, ({ text }) => text),
    ([text, same]) => {
      const names = same.slice(0, mostNamed).map(({ policy }) => policy);
      const more = same.length - names.length;
      const others = more > 0 ? ` and ${plural(more, 'more policy', 'more policies')}` : '';
      return `${printable(`${text} (${names.join(', ')}${others})`)}\n`;
    },
  ).join('');
}

/** A line if the agents of some nodes have not compared what their kernels hold with what they should hold within the usual time. */
export function renderCompared(nodes: readonly ComparedNode[]): string {
  const ages = nodes.map(({ node, comparedSecondsAgo: ago }) => ({ node, ago }));
  const inside = nodes.map(({ node, podsComparedSecondsAgo: ago = 0 }) => ({ node, ago }));
  return (
    renderLate('not compared with the kernel in the last ten minutes', ages) +
    renderLate('the rules inside of a pod were not as they should be, or could not be read, for ten minutes', inside)
  );
}

function renderLate(
  what: string,
  nodes: readonly { readonly node: string; readonly ago: number | undefined }[],
): string {
  const late = nodes.filter(({ ago = Infinity }) => ago > longestRound);
  if (late.length === 0) return '';
  const named = late.slice(0, mostNamed).map(({ node, ago }) => {
    return `${printable(node)} (${ago === undefined ? 'not yet in full' : `${ago} s ago`})`;
  });
  const more = late.length > mostNamed ? [plural(late.length - mostNamed, 'more node')] : [];
  return `${what}: ${[...named, ...more].join(', ')}\n`;
}

/** A line for each policy that has nothing to do: a mistyped selector looks like this. */
export function renderIdle(proofs: readonly PolicyProof[]): string {
  const idle = proofs.filter((proof) => stateOf(proof) === selectsNone);
  return idle.map(({ policy }) => `${printable(policy)} ${selectsNone}\n`).join('');
}

/** `1 of 3 policies is enforced on every node that it concerns` */
export function summarize(proofs: readonly PolicyProof[]): string {
  const proven = proofs.filter(({ isProven }) => isProven).length;
  const all = plural(proofs.length, 'policy', 'policies');
  return `${proven === proofs.length ? all : `${proven} of ${all}`} enforced on every node with pods that they select`;
}
