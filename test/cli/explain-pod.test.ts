import { deepEqual, equal, match, rejects } from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'mocha';
import { runCommandLine, type CommandAnswer } from '../support/command-line.ts';
import { explainCommand } from '../../src/cli/commands/explain.ts';

const world = `
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Namespace
metadata: {name: office, labels: {purpose: staff}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 2
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, ports: [{name: http, containerPort: 8080}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: office, labels: {app: client}}
---
apiVersion: v1
kind: Pod
metadata: {name: odd, namespace: office, labels: {app: odd}}
spec: {containers: [{name: c, ports: [{name: http, containerPort: 9090}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: host, namespace: office}
spec: {hostNetwork: true}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Ingress, Egress]
  ingress:
    - from:
        - podSelector: {}
        - namespaceSelector: {matchLabels: {purpose: staff}}
          podSelector: {matchExpressions: [{key: app, operator: In, values: [client, desk]}, {key: old, operator: DoesNotExist}]}
        - ipBlock: {cidr: 10.0.0.0/8, except: [10.244.0.0/16]}
      ports: [{port: http}, {port: 8000, endPort: 8010, protocol: UDP}]
    - ports: [{port: 80, protocol: tcp}]
  egress:
    - to: [{namespaceSelector: {}}]
      ports: [{port: http}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: idle, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress]
  egress: [{}]
`;

describe('postern explain pod', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postern-explain-pod-'));
    await writeFile(join(folder, 'world.yaml'), world);
  });
  after(() => rm(folder, { recursive: true }));

  /** @param args FILE stands for the world */
  async function explain(args: string): Promise<CommandAnswer> {
    const words = args.split(' ').map((word) => (word === 'FILE' ? join(folder, 'world.yaml') : word));
    return runCommandLine(explainCommand, words);
  }

  it('lists the policies that isolate the pod, and the peers and ports of each rule', async () => {
    const { code, out } = await explain('pod -f FILE shop/web-0');
    equal(
      out,
      `shop/web-0 (node n1, 10.244.1.2, fd00:10:244:1::2)

ingress: isolated by shop/web, shop/idle; allowed from
  its own node n1 and the pod itself: always
  all pods of namespace shop (1 pod now)
  pods app in (client,desk),!old of namespaces purpose=staff (1 pod now)
  10.0.0.0/8 except 10.244.0.0/16 (no pods now)
      TCP/http (8080), UDP/8000–8010, by shop/web spec.ingress[0]
  shop/web spec.ingress[1] allows nothing: "tcp" is none of TCP, UDP, SCTP

egress: isolated by shop/web; allowed to
  the pod itself: always
  all pods of all namespaces (3 pods now)
      TCP/http (8080, 9090), by shop/web spec.egress[0]
  shop/idle spec.egress[0] allows nothing: policyTypes does not list Egress, so the egress rules are ignored
`,
    );
    equal(code, 0);
  });

  it('names policies in audit apart, with what they would allow, where nothing and where something isolates the pod', async () => {
    const audited = (name: string, at: string, spec: string) =>
      `---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: ${name}, namespace: ${at}, annotations: {postern.dev/mode: audit}}\nspec: ${spec}\n`;
    const more =
      audited('odd', 'office', '{podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {}}]}]}') +
      audited('none', 'office', '{podSelector: {matchLabels: {app: client}}, policyTypes: [Egress]}') +
      audited('wider', 'shop', '{podSelector: {}, policyTypes: [Ingress], ingress: [{ports: [{port: 9}]}]}');
    await writeFile(join(folder, 'audits.yaml'), more);
    const ask = (args: string) => explain(`pod -f FILE -f ${join(folder, 'audits.yaml')} ${args}`);
    match(
      (await ask('office/client')).out,
      /ingress: not isolated, so everything is allowed\n {2}in audit, not enforced: office\/odd; enforced, it would isolate it, and allow from\n {4}all pods of namespace office \(1 pod now\)\n {8}everything, by office\/odd spec\.ingress\[0\]\n\negress: not isolated, so everything is allowed\n {2}in audit, not enforced: office\/none; enforced, it would isolate it, and allow nothing\n/,
    );
    match(
      (await ask('shop/web-0')).out,
      /ingress: isolated by shop\/web, shop\/idle; [^]*\n {2}in audit, not enforced: shop\/wider; enforced, it would add from\n {4}anyone\n {8}TCP\/9, by shop\/wider spec\.ingress\[0\]\n/,
    );
    match((await ask('office/client -o dot')).out, /ingress: open; in audit: office\/odd\\n/);
    const { ingress, egress } = JSON.parse((await ask('office/client -o json')).out) as Record<
      string,
      { isolatedBy: string[]; audit: { isolatedBy: string[]; rules: { path: string }[] } }
    >;
    deepEqual(
      [ingress!.isolatedBy, ingress!.audit.isolatedBy, ingress!.audit.rules[0]!.path, egress!.audit.isolatedBy],
      [[], ['office/odd'], 'spec.ingress[0]', ['office/none']],
    );
    equal((await explain('pod -f FILE office/client')).out.includes('audit'), false);
  });

  it('lists the pods with --pods, and accepts flags before and after the subcommand', async () => {
    const { out } = await explain('-f FILE pod shop/web-1 --pods');
    match(out, /^ {2}all pods of namespace shop \(1 pod now: shop\/web-0\)$/m);
    match(out, /^ {2}all pods of all namespaces \(3 pods now: shop\/web-0, office\/client, office\/odd\)$/m);
  });

  it('accepts --output before the subcommand too', async () => {
    match((await explain('-f FILE -o json pod shop/web-1')).out, /^\{/);
    match((await explain('-f FILE -o json pod shop/web-1 -o dot')).out, /^digraph/);
  });

  it('reports a pod that is not isolated, and a pod on the host network', async () => {
    match(
      (await explain('pod -f FILE office/client')).out,
      /ingress: not isolated, so everything is allowed\n\negress: not isolated/,
    );
    match(
      (await explain('pod -f FILE office/host')).notes,
      /office\/host is on the host network: policies do not apply to it/,
    );
  });

  it('accepts a workload', async () => {
    const { notes, out } = await explain('pod -f FILE shop/deployment/web');
    match(notes, /shop\/deployment\/web: evaluating its pod shop\/web-0 \(one of 2\)/);
    match(out, /^shop\/web-0 /);
  });

  it('has all of it as JSON', async () => {
    const { out } = await explain('pod -f FILE shop/web-0 -o json');
    const answer = JSON.parse(out) as Record<
      string,
      { isolatedBy: string[]; rules: { path: string; peers: unknown; ports: unknown; obstacle?: string }[] }
    >;
    deepEqual(answer['egress']!.isolatedBy, ['shop/web']);
    const [first] = answer['egress']!.rules;
    deepEqual(
      [first!.peers, first!.ports],
      [
        [
          {
            path: 'spec.egress[0].to[0]',
            text: 'all pods of all namespaces',
            pods: ['shop/web-1', 'office/client', 'office/odd'],
          },
        ],
        [{ path: 'spec.egress[0].ports[0].port', text: 'TCP/http', numbers: [8080, 9090] }],
      ],
    );
    match(answer['egress']!.rules[1]!.obstacle!, /policyTypes/);
  });

  it('prints a Graphviz graph, with quoted names', async () => {
    const { out } = await explain('pod -f FILE shop/web-0 -o dot');
    match(out, /^digraph pod \{\n[^]*\n\}\n$/);
    match(out, /^ {2}ingress1 \[label="pods app in \(client,desk\),!old of namespaces purpose=staff\\n1 pod now"\];$/m);
    match(out, /^ {2}ingress1 -> pod \[label="TCP\/http \(8080\), UDP\/8000–8010\\nshop\/web spec.ingress\[0\]"\];$/m);
    match(out, /^ {2}pod -> egress0 \[/m);
    match(
      (await explain('pod -f FILE office/client -o dot')).out,
      /ingress0 \[label="anyone"\];\n {2}ingress0 -> pod \[label="everything"\];/,
    );
  });

  it('shows the rules of ClusterNetworkPolicies in order, as a graph too, and Baseline only where it is asked (S10.4)', async () => {
    const guard = (name: string, tier: string): string =>
      `---\napiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {name: ${name}}\n` +
      `spec: {tier: ${tier}, priority: 1, subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}]}]}\n`;
    await writeFile(join(folder, 'guards.yaml'), guard('closed', 'Admin') + guard('last', 'Baseline'));
    const ask = async (args: string) => (await explain(`pod -f FILE -f ${join(folder, 'guards.yaml')} ${args}`)).out;
    const [open, isolated] = [await ask('office/client'), await ask('shop/web-0')];
    for (const text of [open, isolated]) match(text, /closed/);
    match(open, /last/);
    equal(isolated.includes('last'), false, isolated);
    const graph = await ask('office/client -o dot');
    match(graph, /ingress: open after the rules of ClusterNetworkPolicies/);
    match(graph, /label="Deny \(Admin\): /);
    match(graph, /\\nDeny \(Baseline\): /);
    match(graph, /label="everything that no rule of a ClusterNetworkPolicy denies"/);
    equal((await ask('shop/web-0 -o dot')).includes('Baseline'), false);
  });

  it('reports invalid arguments', async () => {
    await rejects(explain('pod -f FILE shop/wbe-0'), { code: 'config', message: /did you mean shop\/web-0\?$/ });
    await rejects(explain('pod -f FILE 10.0.0.1'), {
      code: 'config',
      message: '"10.0.0.1" is not a pod: write NAMESPACE/POD',
    });
    await rejects(explain('pod -f FILE --kubeconfig x shop/web-0'), { message: /cannot be used with/ });
    await rejects(explain('-f FILE pod --kubeconfig x shop/web-0'), { code: 'config', message: /cannot be used with/ });
    await rejects(explain('pod -f FILE shop/web-0 -o svg'), { message: /svg/ });
  });
});
