import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { runCommandLine, type CommandAnswer } from '../support/command-line.ts';
import { explainCommand } from '../../src/cli/commands/explain.ts';

const root = join(import.meta.dirname, '../..');

const explain = (...args: readonly string[]): Promise<CommandAnswer> => runCommandLine(explainCommand, args);

const world = `
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 2
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, ports: [{name: http, containerPort: 8080}, {name: dns, containerPort: 53, protocol: UDP}, {name: dns, containerPort: 53}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: office}
---
apiVersion: v1
kind: Pod
metadata: {name: agent, namespace: office}
spec: {hostNetwork: true, nodeName: n9}
---
apiVersion: v1
kind: Pod
metadata: {name: four, namespace: office}
status: {podIPs: [{ip: 10.9.0.4}]}
---
apiVersion: v1
kind: Pod
metadata: {name: six, namespace: office}
status: {podIPs: [{ip: "fd09::6"}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress:
    - from: [{ipBlock: {cidr: 0.0.0.0/0}}]
      ports: [{port: http}]
---
apiVersion: lab.postern.dev/v1
kind: Host
metadata: {name: far}
spec: {addresses: [203.0.113.5]}
`;

describe('postern explain', () => {
  let folder: string;
  let file: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postern-explain-'));
    file = join(folder, 'world.yaml');
    await writeFile(file, world);
  });
  afterEach(() => rm(folder, { recursive: true }));

  const askAll: readonly (readonly [args: string, code: number, families: Record<string, string>])[] = [
    ['office/client shop/web-0 8080', 1, { ipv4: 'allowed', ipv6: 'denied' }],
    ['--family ipv4 office/client shop/web-0 8080', 0, { ipv4: 'allowed' }],
    ['--family ipv4 office/client shop/web-0 http', 0, { ipv4: 'allowed' }],
    ['--family ipv4 office/client shop/web-0 tcp/http', 0, { ipv4: 'allowed' }],
    ['--family ipv4 office/client shop/web-0 TCP/80', 1, { ipv4: 'denied' }],
    ['--family ipv4 office/client shop/web-0 UDP/dns', 1, { ipv4: 'denied' }],
    ['--family ipv4 office/client shop/deployment/web 8080', 0, { ipv4: 'allowed' }],
    ['--family ipv4 office/client shop/web 8080', 0, { ipv4: 'allowed' }],
    ['office/four shop/web-0 8080', 0, { ipv4: 'allowed' }],
    ['10.9.0.4 shop/web-0 ICMP', 1, { ipv4: 'denied' }],
    ['fd09::6 shop/web-0 8080', 1, { ipv6: 'denied' }],
    ['host/far shop/web-1 8080', 0, { ipv4: 'allowed' }],
    ['203.0.113.5 shop/web-1 icmp', 1, { ipv4: 'denied' }],
    ['shop/web-0 office/client SCTP/7', 0, { ipv4: 'allowed', ipv6: 'allowed' }],
    ['node/n1 shop/web-0 icmp', 0, { ipv4: 'allowed', ipv6: 'allowed' }],
    ['node/n2 shop/web-0 icmp', 1, { ipv4: 'denied', ipv6: 'denied' }],
    ['shop/web-0 shop/web-0 icmp', 0, { ipv4: 'allowed', ipv6: 'allowed' }],
  ];
  for (const [args, code, families] of askAll) {
    it(`${args}: ${Object.values(families).join(', ')}`, async () => {
      const answer = await explain('-f', file, '-o', 'json', ...args.split(' '));
      const json = JSON.parse(answer.out) as { verdict: string; families: Record<string, { verdict: string }> };
      const verdicts = Object.entries(json.families).map(([family, { verdict }]) => [family, verdict]);
      deepEqual(
        [answer.code, json.verdict, Object.fromEntries(verdicts)],
        [code, code === 0 ? 'allowed' : 'denied', families],
      );
    });
  }

  it('says what policies in audit would decide, and lets them change no verdict (S13.2)', async () => {
    const audited = (name: string, at: string, spec: string) =>
      `---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: ${name}, namespace: ${at}, annotations: {postern.dev/mode: audit}}\nspec: ${spec}\n`;
    const none = audited('none', 'office', '{podSelector: {}, ingress: [{ports: [{port: 7}]}]}');
    const wider = audited('wider', 'shop', '{podSelector: {}, ingress: [{ports: [{port: 9}]}]}');
    await writeFile(file, world + none + wider);
    for (const [args, code, lines] of [
      [
        'shop/web-0 office/client 80',
        0,
        /\n {2}in audit: office\/none would deny this\n {2}- [^\n]*port is 80, not 7\n {4}office\/none spec\.ingress\[0\]/,
      ],
      [
        'shop/web-0 office/client 7',
        0,
        /\n {2}in audit: office\/none would allow this\n {4}office\/none spec\.ingress\[0\]\n/,
      ],
      ['office/client shop/web-0 9', 1, /\n {2}in audit: shop\/wider would allow this\n/],
      ['office/client shop/web-0 10', 1, /\n {2}in audit: shop\/wider would deny this\n/],
    ] as const) {
      const answer = await explain('-f', file, '--family', 'ipv4', ...args.split(' '));
      equal(answer.code, code);
      match(answer.out, lines);
    }
    const { out } = await explain('-f', file, '--family', 'ipv4', '-o', 'json', 'shop/web-0', 'office/client', '80');
    type Ends = Record<'egress' | 'ingress', { verdict: string; audit?: { verdict: string; policies: string[] } }>;
    const { egress, ingress } = (JSON.parse(out) as { families: Record<string, Ends> }).families['ipv4']!;
    deepEqual(
      [egress.audit, ingress.verdict, ingress.audit?.verdict, ingress.audit?.policies],
      [undefined, 'allowed', 'denied', ['office/none']],
    );
  });

  const refused: readonly (readonly [args: string, message: RegExp])[] = [
    ['shop/wbe-0 office/client 80', /^pod shop\/wbe-0 does not exist; did you mean shop\/web-0\?$/],
    ['shop/nothing office/client 80', /^pod shop\/nothing does not exist; there are shop\/web-0, shop\/web-1$/],
    ['void/x office/client 80', /^pod void\/x does not exist; there are shop\/web-0, .*office\/six$/],
    ['shop/daemonset/web office/client 80', /^daemonset web has no pod in namespace shop; did you mean shop\/web-0\?$/],
    ['client office/client 80', /^"client" is neither a pod nor an address; did you mean office\/client\?$/],
    ['n1 office/client 80', /did you mean node\/n1\?$/],
    ['10.0.0.300 office/client 80', /^"10.0.0.300" is neither a pod nor an address; write NAMESPACE\/POD/],
    ['node/n11 office/client 80', /^node n11 does not exist; did you mean n1\?$/],
    ['host/fra office/client 80', /^host fra does not exist; did you mean far\?$/],
    ['shop/svc:web office/client 80', /^shop\/svc:web is a Service, which opens no connections: name a pod$/],
    ['shop/ office/client 80', /^"shop\/": write NAMESPACE\/POD/],
    ['office/four office/six 80', /no address family in common: office\/four has ipv4, office\/six has ipv6$/],
    [
      '--family ipv6 office/four office/client 80',
      /^not both ends have ipv6: office\/four has ipv4, office\/client has ipv4 and ipv6$/,
    ],
    ['office/client shop/web-0 0', /^port 0: ports are 1 to 65535$/],
    ['office/client shop/web-0 65536', /^port 65536: ports are 1 to 65535$/],
    ['office/client shop/web-0 GRE/1', /^port "GRE\/1": write TCP\/80/],
    ['office/client shop/web-0 tcp:80', /^port "tcp:80": write TCP\/80/],
    [
      'office/client shop/web-0 https',
      /declares no port named https; it declares http \(TCP\/8080\), dns \(UDP\/53\), dns \(TCP\/53\)$/,
    ],
    ['office/client shop/web-0 dns', /^port dns of shop\/web-0 is UDP\/53 and TCP\/53: choose one$/],
    ['office/client host/far http', /^http is a port name, which only pods declare: use a number$/],
    ['office/client 127.0.0.1 80', /^127\.0\.0\.1: loopback traffic never leaves the pod/],
    ['::1 shop/web-0 80', /^::1: loopback traffic never leaves the pod/],
    ['--family ipv5 office/client shop/web-0 80', /ipv5/],
    ['--kubeconfig x office/client shop/web-0 80', /cannot be used with/],
    ['-f nowhere.yaml office/client shop/web-0 80', /^nowhere\.yaml: no such file or folder$/],
  ];
  for (const [args, message] of refused) {
    it(`${args}: says what is wrong`, () => rejects(explain('-f', file, ...args.split(' ')), { message }));
  }

  it('prints the verdict first, then each end with its near misses, and separates families with different verdicts', async () => {
    const { out } = await explain('-f', file, 'office/client', 'shop/web-0', '8080');
    equal(
      out,
      `denied: office/client → shop/web-0, TCP/8080

ipv4: allowed

egress of office/client: allowed
  no policy isolates office/client for egress

ingress of shop/web-0: allowed
  shop/web-0 is isolated for ingress by shop/web, and rule 1 of shop/web allows this
    shop/web spec.ingress[0]

ipv6: denied

egress of office/client: allowed
  no policy isolates office/client for egress

ingress of shop/web-0: denied
  shop/web-0 is isolated for ingress by shop/web, and no rule allows this
  - rule 1 of policy shop/web would allow, but fd00:10:244:1::3 is not in 0.0.0.0/0
    shop/web spec.ingress[0].from[0].ipBlock.cidr
`,
    );
  });

  const notesOf: readonly (readonly [what: string, args: string, ...notes: string[]])[] = [
    ['no ipBlock says', 'office/client office/six 80'],
    [
      'an ipBlock allows',
      '--family ipv4 office/four shop/web-0 8080',
      'note: assumed: office/four at n2',
      'note: assumed: shop/web-0 at n1, 10.244.1.2, fd00:10:244:1::2',
    ],
    ['only the pods of a namespace may, so no address says', '--family ipv4 office/four shop/only 80'],
    [
      'an address is asked for, which the pod is assumed to have',
      '10.244.1.2 office/four 80',
      'note: assumed: shop/web-0 at n1, 10.244.1.2, fd00:10:244:1::2',
      'note: assumed: office/four at n2',
    ],
    [
      'a node may be the own one',
      '--family ipv4 node/n1 shop/only 80',
      'note: assumed: shop/only at n2, 10.244.2.3, fd00:10:244:2::3',
    ],
    [
      'both ends are one pod',
      '-o json office/client office/client 80',
      'note: assumed: office/client at n1, 10.244.1.3, fd00:10:244:1::3',
    ],
  ];
  for (const [what, args, ...expected] of notesOf) {
    it(`prints assumed addresses once, if they matter: ${what}`, async () => {
      await writeFile(
        join(folder, 'only.yaml'),
        'apiVersion: v1\nkind: Pod\nmetadata: {name: only, namespace: shop}\n---\n' +
          'apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: only, namespace: shop}\n' +
          'spec: {podSelector: {matchExpressions: [{key: app, operator: DoesNotExist}]}, ingress: [{from: [{podSelector: {}}]}]}\n',
      );
      const { notes } = await explain('-f', file, '-f', join(folder, 'only.yaml'), ...args.split(' '));
      deepEqual(
        notes.split('\n').filter((line) => line.includes('assumed: ')),
        expected,
      );
    });
  }

  it('accepts --file for --filename', async () => {
    const { out } = await explain('--file', file, '--family', 'ipv4', 'office/client', 'shop/web-0', '8080');
    match(out, /^allowed: /);
    await rejects(explain('--file', file, '--kubeconfig', 'x', 'a/b', 'a/b', '80'), { message: /cannot be used with/ });
  });

  it('gives ends, policies, rules and near misses as JSON', async () => {
    const { out } = await explain('-f', file, '-o', 'json', '--family', 'ipv4', 'office/client', 'shop/web-0', '80');
    deepEqual(JSON.parse(out), {
      verdict: 'denied',
      families: {
        ipv4: {
          verdict: 'denied',
          egress: {
            verdict: 'allowed',
            judged: false,
            reason: 'no policy isolates office/client for egress',
            isolatedBy: [],
            allowedBy: [],
            nearMisses: [],
          },
          ingress: {
            verdict: 'denied',
            judged: true,
            reason: 'shop/web-0 is isolated for ingress by shop/web, and no rule allows this',
            isolatedBy: ['shop/web'],
            allowedBy: [],
            nearMisses: [
              {
                policy: 'shop/web',
                rule: 0,
                path: 'spec.ingress[0].ports[0].port',
                reason: 'rule 1 of policy shop/web would allow, but the port is 80, and http is 8080 on shop/web-0',
              },
            ],
          },
        },
      },
    });
  });

  it('prints notes about its assumptions and about invalid input', async () => {
    await writeFile(
      join(folder, 'odd.yaml'),
      'apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: odd, namespace: shop}\nspec: {ingress: [{ports: [{protocol: tcp}]}]}\n' +
        '---\napiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata: {name: other, namespace: shop}\nspec: {selector: all()}\n',
    );
    const { notes } = await explain('-f', folder, 'office/agent', 'shop/web', '8080');
    deepEqual(notes.trimEnd().split('\n'), [
      'note: namespace office is not in the manifests: assuming that it exists without labels',
      'note: projectcalico.org/v3 NetworkPolicy other is ignored: Postern does not support this kind',
      'note: NetworkPolicy shop/odd: spec.ingress[0].ports[0].protocol: "tcp" is none of TCP, UDP, SCTP; it allows nothing',
      'note: pod office/agent is on the host network: policies do not apply to it, and selectors do not match it',
      'note: shop/web: evaluating its pod shop/web-0 (one of 2)',
      'note: assumed: office/agent at 172.30.0.4, fd00:172:30::4',
      'note: assumed: shop/web-0 at n1, 10.244.1.2, fd00:10:244:1::2',
    ]);
  });

  it('gives no answer if it cannot read a document, which may be a policy', async () => {
    await writeFile(join(folder, 'broken.yaml'), 'a: 1\n---\nkind: NetworkPolicy\n  bad: yes\n');
    await rejects(explain('-f', folder, 'office/client', 'shop/web', '80'), (error: Error) => {
      match(error.message, /broken\.yaml: document 1, line 1: apiVersion: missing/);
      match(error.message, /broken\.yaml: document 2, line 4: bad indentation of a mapping entry/);
      return true;
    });
  });

  it('exits 0 for allowed, 1 for denied, 2 for wrong usage', async () => {
    const exitOf = (...args: string[]): Promise<unknown> =>
      promisify(execFile)(process.execPath, [join(root, 'src/main.ts'), 'explain', '-f', file, ...args]).then(
        () => 0,
        ({ code }: { code: unknown }) => code,
      );
    const questions = [
      ['office/four', 'shop/web', '8080'],
      ['office/six', 'shop/web', '8080'],
      ['office/nobody', 'shop/web', '80'],
    ];
    deepEqual(await Promise.all(questions.map((question) => exitOf(...question))), [0, 1, 2]);
  });

  it('runs every command line of examples/README.md', async () => {
    const readme = await readFile(join(root, 'examples/README.md'), 'utf8');
    const lines = [...readme.matchAll(/npx postern explain ([^`#\n]+)/g)].map(([, line]) => line!.trim().split(/\s+/));
    ok(lines.length >= 12, `only ${lines.length} lines`);
    for (const line of lines) {
      const args = line.map((word) => word.replace(/^examples\//, `${root}/examples/`));
      const { out } = await explain(...args);
      match(out, /^(allowed|denied): /, line.join(' '));
    }
  });

  it('names the cluster-wide rule that denies, with the command line of README.md', async () => {
    const readme = await readFile(join(root, 'README.md'), 'utf8');
    const [, args] = /`npx postern explain -f examples\/tenant-isolation ([^`]+)`/.exec(readme)!;
    const { out } = await explain('-f', `${root}/examples/tenant-isolation`, ...args!.split(' '));
    match(
      out,
      /^  rule 3 "everyone-else" of ClusterNetworkPolicy tenant-pears \(Admin tier, priority 100\) denies this$/m,
    );
  });

  it('says that the name decided between policies of one priority, also where the first passes it on', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'postern-explain-'));
    try {
      const policyOf = (name: string, priority: number, action: string) => ({
        apiVersion: 'policy.networking.k8s.io/v1alpha2',
        kind: 'ClusterNetworkPolicy',
        metadata: { name },
        spec: {
          ...{ tier: 'Admin', priority, subject: { namespaces: {} } },
          ingress: [{ action, from: [{ namespaces: {} }] }],
        },
      });
      for (const first of ['Deny', 'Accept', 'Pass']) {
        const policies = [policyOf('a', 5, first), policyOf('b', 5, 'Deny'), policyOf('c', 6, 'Deny')];
        const file = join(folder, `${first}.yaml`);
        await writeFile(file, [world, ...policies.map((each) => JSON.stringify(each))].join('\n---\n'));
        const { out } = await explain('-f', file, 'office/client', 'shop/web', '8080');
        match(out, /passed over: rule 1 of ClusterNetworkPolicy b .*: the same priority, so the name decides$/m, first);
        match(out, /passed over: rule 1 of ClusterNetworkPolicy c .* \(Deny\)$/m, first);
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe('postern explain on a live cluster', () => {
  it('says how to name a cluster where there is none', () =>
    rejects(explain('--kubeconfig', '/nonexistent/config', 'a/b', 'a/b', '80'), {
      message:
        /^cannot read the cluster: kubeconfig: no such file: \/nonexistent\/config; name one with --kubeconfig, or read manifests with -f$/,
    }));

  it('does not suggest another cluster if a right is missing', async () => {
    const server = http.createServer((_, response) => {
      response.writeHead(403).end('{"kind":"Status","message":"pods is forbidden","code":403}');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const folder = await mkdtemp(join(tmpdir(), 'postern-explain-'));
    try {
      const { port } = server.address() as AddressInfo;
      const clusters = [{ name: 'here', cluster: { server: `http://127.0.0.1:${port}` } }];
      const contexts = [{ name: 'here', context: { cluster: 'here', user: 'nobody' } }];
      const users = [{ name: 'nobody', user: {} }];
      const config = { apiVersion: 'v1', kind: 'Config', 'current-context': 'here', contexts, clusters, users };
      await writeFile(join(folder, 'config'), JSON.stringify(config));
      await rejects(explain('--kubeconfig', join(folder, 'config'), 'a/b', 'a/b', '80'), {
        message: 'cannot read the cluster: pods is forbidden; read manifests with -f',
      });
    } finally {
      server.close();
      server.closeAllConnections();
      await rm(folder, { recursive: true });
    }
  });

  it('reads the objects of the API server page by page', async () => {
    const lists: Record<string, unknown[]> = {
      '/api/v1/namespaces': [{ metadata: { name: 'shop' } }],
      '/api/v1/nodes': [
        { metadata: { name: 'n9' }, status: { addresses: [{ type: 'InternalIP', address: '10.0.0.9' }] } },
      ],
      '/api/v1/pods': [
        {
          metadata: {
            name: 'web-5d8f-x',
            namespace: 'shop',
            labels: { app: 'web', 'pod-template-hash': '5d8f' },
            ownerReferences: [{ kind: 'ReplicaSet', name: 'web-5d8f' }],
          },
          spec: { nodeName: 'n9' },
          status: { phase: 'Running', podIPs: [{ ip: '10.9.0.1' }] },
        },
        { metadata: { name: 'four', namespace: 'office' }, status: { podIPs: [{ ip: '10.9.0.4' }] } },
      ],
      '/api/v1/services': [],
      '/apis/networking.k8s.io/v1/networkpolicies': [
        {
          metadata: { name: 'web', namespace: 'shop' },
          spec: { podSelector: {}, policyTypes: ['Ingress'], ingress: [{ from: [{ podSelector: {}, newField: {} }] }] },
        },
      ],
    };
    const server = http.createServer((request, response) => {
      const url = new URL(request.url!, 'http://server');
      const items = lists[url.pathname];
      if (!items) return void response.writeHead(404).end('{}');
      const start = Number(url.searchParams.get('continue') ?? 0);
      const more = start + 1 < items.length ? { continue: String(start + 1) } : {};
      response.end(
        JSON.stringify({ metadata: { resourceVersion: '7', ...more }, items: items.slice(start, start + 1) }),
      );
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const folder = await mkdtemp(join(tmpdir(), 'postern-explain-'));
    try {
      const kubeconfig = join(folder, 'config');
      const contexts = ['here', 'there'].map((name) => ({ name, context: { cluster: name, user: 'nobody' } }));
      const clusters = [
        { name: 'here', cluster: { server: `http://127.0.0.1:${(server.address() as AddressInfo).port}` } },
        { name: 'there', cluster: { server: 'http://127.0.0.1:9' } },
      ];
      const users = [{ name: 'nobody', user: {} }];
      await writeFile(
        kubeconfig,
        JSON.stringify({ apiVersion: 'v1', kind: 'Config', 'current-context': 'there', contexts, clusters, users }),
      );
      const ask = ['--kubeconfig', kubeconfig, '--context', 'here', '-o', 'json', 'office/four'];
      const denied = await explain(...ask, 'shop/deployment/web', '80');
      const { nearMisses } = (
        JSON.parse(denied.out) as { families: { ipv4: { ingress: { nearMisses: { path: string }[] } } } }
      ).families.ipv4.ingress;
      deepEqual([denied.code, nearMisses.map(({ path }) => path)], [1, ['spec.ingress[0].from[0].newField']]);
      equal((await explain(...ask, 'node/n9', '80')).code, 0);
      await rejects(explain('--kubeconfig', kubeconfig, '--context', 'nowhere', 'a/b', 'a/b', '80'), {
        message: '--context: the kubeconfig has no context "nowhere"; it has here, there',
      });
    } finally {
      server.close();
      server.closeAllConnections();
      await rm(folder, { recursive: true });
    }
  });
});
