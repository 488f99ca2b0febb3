import type { Advice, Finding } from './report.ts';

/** What the lines speak of besides the findings. */
export interface Setting {
  readonly from: string;
  readonly to: string;
  /** `TCP/80` */
  readonly port: string;
  /** The command that shows whether the rules of a node are there; nothing where no agent is. */
  readonly lookAt: (node: string) => string | undefined;
  readonly inCluster: boolean;
  /** The same for FROM, in a lab. */
  readonly onFrom?: string | undefined;
}

/** A line for each address, then what differs, loudly, with what to do. */
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
        ? `no agent runs on node ${node}, so nothing is enforced there: see why its DaemonSet has no pod there`
        : `is the agent of node ${node} ready, and are its rules there? ${lookAt(node)}`,
    ),
    `${inCluster ? '' : '"/readyz?verbose" at the socket that "lab up" printed says what is missing; '}where a policy or pod has just changed, ask again`,
  ],
  counters: (nodes, { lookAt, inCluster }) =>
    inCluster
      ? ['did Postern drop it? postern denials']
      : nodes.map(
          (node) => `did Postern drop it? ${lookAt(node)}: its "deny-" chains count; without them it denies nothing`,
        ),
  others: (_, { inCluster }) => [
    inCluster
      ? 'is another program of the nodes in the way? postern doctor; else a security group, or a firewall at the other end'
      : 'look for another engine of policies, a firewall of the node, a security group, or one at the other end',
  ],
  route: (_, { onFrom }, address) => [
    onFrom === undefined
      ? `is the other end up, and does its node have a route to it? "ip route get ${address}" on the node`
      : `is the other end up, and is there a route to it? ${onFrom} ip route get ${address}`,
  ],
  listener: (_, { port }) => [`does the other end listen on ${port}, on all its addresses and not on 127.0.0.1 alone?`],
  resolver: (_, { from, inCluster }) =>
    inCluster
      ? [`postern probe ${from} kube-system/svc:kube-dns UDP/53`, 'try the address in place of the name']
      : ['pods of the lab have the resolver of the machine, which they cannot reach: name an address'],
  endpoints: () => [
    'has the Service endpoints that are ready? kubectl get endpointslices -l kubernetes.io/service-name=NAME',
  ],
  explain: (_, { from, to, port }) => [
    to.startsWith('Service ')
      ? `ask for one of its pods: postern explain ${from} NAMESPACE/POD PORT`
      : `which policies are meant to deny it: postern explain ${from} ${to} ${port}`,
  ],
};
