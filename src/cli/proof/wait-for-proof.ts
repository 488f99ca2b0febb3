import { concernedNodes, Judge, type NodeAnswers, type PolicyProof } from '../../doctor/proof/judge.ts';
import type { WantedPolicy } from '../../doctor/proof/wanted.ts';
import { messageOf } from '../../lib/message-of.ts';
import { plural } from '../../lib/plural.ts';
import type { Listed, ProofSource } from './ask.ts';
import { otherVersion } from './render.ts';
import { UnknownPolicyError } from './select.ts';

export interface WaitOptions {
  readonly source: ProofSource;
  /** The policies to wait for. Throws an UnknownPolicyError if one does not exist. */
  readonly select: (listed: Listed) => readonly WantedPolicy[];
  readonly timeoutMs: number;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
  readonly sleep: (ms: number) => Promise<unknown>;
  readonly progress: (text: string) => void;
}

/** Milliseconds between two rounds: the first, doubled up to the last. */
const pauses = { firstMs: 1000, lastMs: 10_000 };
/** The answers of a round may take so long also if less time is left. */
const shortestAnswerMs = 5000;
/** Nodes in a line of progress. */
const mostNamed = 2;

export interface WaitResult {
  readonly isProven: boolean;
  /** Of the last round in which the API server answered. */
  readonly proofs: readonly PolicyProof[];
  /** Why the last round failed. */
  readonly failure?: string;
}

/**
 * Asks in rounds until every policy is proven, or until the time is over. A round lists each resource once, and asks the agents of nodes that have not
 * proven theirs, each once. The last round asks all nodes. Rejects if the first round fails, or if `select` throws.
 */
export async function waitForProof(options: WaitOptions): Promise<WaitResult> {
  const { source, select, timeoutMs, now, sleep, progress } = options;
  const deadline = now() + timeoutMs;
  let answers: NodeAnswers = new Map();
  let proven: ReadonlySet<string> = new Set();
  let pause = pauses.firstMs;
  let told = '';
  const tell = (text: string): void => {
    if (text !== told) progress(text);
    told = text;
  };
  const askOnce = async (): Promise<WaitResult & { readonly isWhole: boolean }> => {
    const listed = await source.list();
    const wanted = select(listed);
    const nodes = concernedNodes(wanted);
    const asked = nodes.filter((node) => !proven.has(node));
    answers = new Map([
      ...answers,
      ...(await source.ask(listed, asked, Math.max(shortestAnswerMs, Math.ceil(deadline - now())))),
    ]);
    const judge = new Judge(answers);
    const proofs = wanted.map((policy) => judge.prove(policy));
    const isProven = proofs.every((proof) => proof.isProven);
    proven = isProven ? new Set() : new Set(nodes).difference(unprovenNodes(proofs));
    return { isProven, proofs, isWhole: asked.length === nodes.length };
  };
  for (let last: WaitResult | undefined; ;) {
    try {
      const round = await askOnce();
      if (round.isProven && round.isWhole) return round;
      last = { ...round, isProven: false };
      if (round.isProven) continue;
      tell(describeProgress(round.proofs));
    } catch (error) {
      if (!last || error instanceof UnknownPolicyError) throw error;
      last = { ...last, failure: messageOf(error) };
      tell(messageOf(error));
    }
    const left = deadline - now();
    if (left <= 0) return last;
    await sleep(Math.min(pause, left));
    pause = Math.min(2 * pause, pauses.lastMs);
  }
}

/** By node, the first reason why it has not proven a policy. */
function unprovenNodes(proofs: readonly PolicyProof[]): ReadonlyMap<string, string> {
  const nodes = new Map<string, string>();
  for (const { lagging, exceptions } of proofs) {
    for (const { node, why } of lagging) if (!nodes.has(node)) nodes.set(node, why);
    for (const { node, pod, why, blocks } of exceptions)
      if (blocks && !nodes.has(node)) nodes.set(node, `pod ${pod}: ${why}`);
  }
  return nodes;
}

function describeProgress(proofs: readonly PolicyProof[]): string {
  const done = proofs.filter(({ isProven }) => isProven).length;
  const nodes = [...unprovenNodes(proofs)];
  const named = nodes.slice(0, mostNamed).map(([node, why]) => `node ${node}: ${why}`);
  const more = nodes.length > mostNamed ? [`and ${plural(nodes.length - mostNamed, 'more node')}`] : [];
  const others = proofs.filter(({ isOtherVersion }) => isOtherVersion).map(({ policy }) => policy);
  const other = others.length > 0 ? [`${otherVersion}: ${others.slice(0, mostNamed).join(', ')}`] : [];
  return [`${done} of ${proofs.length} policies are enforced`, ...other, ...named, ...more].join('; ');
}
