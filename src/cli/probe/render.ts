import type { Advice, Finding } from './report.ts';

/** Context of the output besides the findings. */
export interface Setting {
  readonly from: string;
  readonly to: string;
  /** `TCP/80` */
  readonly port: string;
  /** Command that shows the rules of a node; `undefined` if the node has no agent. */
  readonly lookAt: (node: string) => string | undefined;
  readonly inCluster: boolean;
  /** Prefix of a command line that runs in the network of FROM; in a lab only. */
  readonly onFrom?: string | undefined;
}

/** One line for each address, then mismatches with the next steps. */
export function renderFindings(findings: readonly Finding[], setting: Setting): string {
  const title = `${setting.from} → ${setting.to}, ${setting.port}\n`;
  const heads = findings.map(({ attempt }) => `${attempt.family ?? 'name'} ${attempt.address}`);
  const width = Math.max(...heads.map((head) => head.length));
  const lines = findings.map((finding, index) => {
    const { attempt, expected, agreement } = finding;
    const seen = `${attempt.outcome}${attempt.code === undefined ? '' : ` (${attempt.code})`}, ${attempt.ms} ms`;
    const mark = { agrees: 'as the policies say', differs: 'DIFFERENT', open: 'see below' }[agreement];
    return `  ${heads[index]!.padEnd(width)}  explain: ${expected.verdict.padEnd(7)}  seen: ${seen}  ${mark}\n`;
  });
  return title + lines.join('') + findings.map((finding) => renderMeaning(finding, setting)).join('');
}

export interface FindingJson {
  readonly family?: string;
  readonly address: string;
  readonly expected: string;
  readonly reasons: readonly string[];
  readonly observed: string;
  readonly code?: string;
  readonly ms: number;
  readonly agreement: string;
  readonly meaning?: string;
  readonly next: readonly string[];
}

/** The same for scripts. */
export function findingToJson(finding: Finding, setting: Setting): FindingJson {
  const { attempt, expected, agreement, meaning } = finding;
  const { family, address, outcome, code, ms } = attempt;
  return {
    ...(family && { family }),
    address,
    expected: expected.verdict,
    reasons: expected.reasons,
    observed: outcome,
    ...(code !== undefined && { code }),
    ms,
    agreement,
    ...(meaning !== undefined && { meaning }),
    next: nextSteps(finding, setting),
  };
}

function renderMeaning(finding: Finding, setting: Setting): string {
  const { attempt, expected, agreement, meaning } = finding;
  const reasons = expected.reasons.map((reason) => `    ${reason}\n`).join('');
  if (meaning === undefined) return reasons && `\n${attempt.address}: ${expected.verdict}\n${reasons}`;
  const head = agreement === 'differs' ? `!!! ${attempt.address}: NOT WHAT THE POLICIES SAY` : attempt.address;
  const next = nextSteps(finding, setting).map((step) => `  next: ${step}\n`);
  return `\n${head}: ${meaning}\n${reasons}${next.join('')}`;
}

function nextSteps({ advice, attempt, expected }: Finding, setting: Setting): string[] {
  return advice.flatMap((each) => steps[each](expected.nodes, setting, attempt.address));
}

type Steps = (nodes: readonly string[], setting: Setting, address: string) => readonly string[];

const steps: Readonly<Record<Advice, Steps>> = {
  agents: (nodes, { lookAt, inCluster }) => [
    ...nodes.map((node) =>
      lookAt(node) === undefined
        ? `node ${node} has no agent, so it enforces no policy: find out why the DaemonSet has no pod there`
        : `is the agent of node ${node} ready, and does the node have its rules? ${lookAt(node)}`,
    ),
    `${inCluster ? '' : '"/readyz?verbose" at the socket that "lab up" printed shows what is missing; '}if a policy or pod has just changed, try again`,
  ],
  counters: (nodes, { lookAt, inCluster }) =>
    inCluster
      ? ['did Postern drop it? postern denials']
      : nodes.map(
          (node) =>
            `did Postern drop it? ${lookAt(node)}: see the counters of its "deny-" chains; without such chains it denies nothing`,
        ),
  others: (_, { inCluster }) => [
    inCluster
      ? 'does another program on the nodes drop it? postern doctor; else check security groups and the firewall of the other end'
      : 'check for another program that enforces policies, a firewall on the node, security groups, and the firewall of the other end',
  ],
  route: (_, { onFrom }, address) => [
    onFrom === undefined
      ? `is the other end running, and does the node have a route to it? "ip route get ${address}" on the node`
      : `is the other end running, and is there a route to it? ${onFrom} ip route get ${address}`,
  ],
  listener: (_, { port }) => [`does the other end listen on ${port}, on all its addresses and not only on 127.0.0.1?`],
  resolver: (_, { from, inCluster }) =>
    inCluster
      ? [`postern probe ${from} kube-system/svc:kube-dns UDP/53`, 'try the address instead of the name']
      : ['lab pods use the resolver of this machine, which they cannot reach: use an address'],
  endpoints: () => [
    'does the Service have ready endpoints? kubectl get endpointslices -l kubernetes.io/service-name=NAME',
  ],
  explain: (_, { from, to, port }) => [
    to.startsWith('Service ')
      ? `evaluate one of its pods: postern explain ${from} NAMESPACE/POD PORT`
      : `see which policies deny it: postern explain ${from} ${to} ${port}`,
  ],
};
