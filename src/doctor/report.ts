import { isJsonObject, listAt, textAt } from '../lib/json.ts';
import { parsePrintable } from '../lib/printable.ts';
import { nodeChecks } from './checks.ts';
import type { ExaminedFacts } from './examined-facts.ts';
import type { NodeFacts } from './facts.ts';
import { valueOf } from './facts.ts';
import { followForeign } from './foreign/effects.ts';
import { runChecks, type Finding } from './finding.ts';

/** What `postern node doctor -o json` prints. */
export interface NodeReport {
  readonly node: string;
  /** Version of Postern on that node. */
  readonly version: string;
  readonly nft: string;
  readonly kernel: string;
  /** As the agent serves it at `/applied`. */
  readonly applied: Readonly<Record<string, string>>;
  readonly findings: readonly Finding[];
  /** What the doctor could not check, with the reason. */
  readonly unknown: readonly string[];
}

export function judgeNode(node: string, facts: NodeFacts, ignored: ReadonlySet<string> = new Set()): NodeReport {
  const examined = { ...facts, between: followForeign(facts) };
  return {
    node,
    version: facts.version,
    nft: facts.nft.version ?? 'unknown',
    kernel: facts.kernel,
    applied: valueOf(facts.agent)?.applied ?? {},
    findings: runChecks(nodeChecks, examined).filter(({ check }) => !ignored.has(check)),
    unknown: unknownOf(examined),
  };
}

function unknownOf({
  agent,
  own,
  bridges,
  ipvs,
  proxyMode,
  conntrack,
  gonePods,
  further,
  between,
}: ExaminedFacts): string[] {
  const facts = {
    "Postern's own rules": own,
    'the bridges of pods': bridges,
    IPVS: ipvs,
    'the mode of kube-proxy': proxyMode,
    'the conntrack table': conntrack,
    'connections to Services': gonePods,
  };
  const unknown = Object.entries(facts).flatMap(([what, fact]) => {
    return 'unknown' in fact ? [`${what}: ${fact.unknown}`] : [];
  });
  const rest = between.isCutShort ? ['some rules of other programs: there are too many'] : [];
  const pods = 'unknown' in agent ? ['problems of single pods: only the agent can report them'] : [];
  return [...pods, ...unknown, ...further, ...rest];
}

/** Reads a report, perhaps of another version of Postern. Its texts are printable. Returns `undefined` for any other text. */
export function readNodeReport(text: string): NodeReport | undefined {
  const parsed = parse(text);
  const [node, version] = [textAt(parsed, 'node'), textAt(parsed, 'version')];
  if (node === undefined || version === undefined || !isJsonObject(parsed) || !Array.isArray(parsed['findings'])) {
    return undefined;
  }
  const applied = Object.entries(isJsonObject(parsed['applied']) ? parsed['applied'] : {});
  return {
    node,
    version,
    nft: textAt(parsed, 'nft') ?? 'unknown',
    kernel: textAt(parsed, 'kernel') ?? 'unknown',
    applied: Object.fromEntries(applied.filter((entry): entry is [string, string] => typeof entry[1] === 'string')),
    findings: listAt(parsed, 'findings').map(readFinding),
    unknown: textsAt(parsed, 'unknown'),
  };
}

function readFinding(found: unknown): Finding {
  const text = (key: string): string => textAt(found, key) ?? '';
  return {
    check: text('check'),
    severity: text('severity') === 'warning' ? 'warning' : 'error',
    subject: text('subject'),
    problem: text('problem'),
    effect: text('effect'),
    pods: textsAt(found, 'pods'),
    policies: textsAt(found, 'policies'),
    remedy: text('remedy'),
  };
}

function textsAt(root: unknown, key: string): string[] {
  return listAt(root, key).filter((each) => typeof each === 'string');
}

function parse(text: string): unknown {
  try {
    return parsePrintable(text);
  } catch {
    return undefined;
  }
}
