import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { block, clusterPolicy, pods, policy, port } from '../policies.ts';
import { apiPod } from './shop.ts';
import type { TroubledLab } from './troubled-lab.ts';
import type { Walk } from './walk.ts';

const explain = '`postern explain SHOP/WEB SHOP/API 8080`';
const probe = '`postern probe SHOP/WEB SHOP/API 8080`';
const web = { pod: 'web' };
const api = { pod: 'api' };
const closed = policy('shop', 'api', { pods: api, ingress: [{ from: [pods({ pod: 'web' }, { team: 'web' })] }] });

export const connectionWalks: readonly Walk[] = [
  {
    symptom: 'Names do not resolve in a pod',
    ask: '`postern denials -n SHOP`',
    says: '`egress of SHOP/WEB denied: … UDP/53`',
    make: async (at) => {
      await at.apply(policy('shop', 'web', { pods: web, egress: [{ to: [pods(api)] }] }));
      await send(at, 'shop/web', 'UDP', at.address('dns/dns', 'ipv4'), 53);
    },
    exitCode: 0,
    cause:
      /egress of shop\/web denied: shop\/web → dns\/dns, UDP\/53; [^\n]*\n +shop\/web is isolated for egress by shop\/web,/,
  },
  {
    symptom: 'A cluster-wide rule denies a connection',
    ask: '`postern denials`',
    says: '`rule 1 "no-web" of ClusterNetworkPolicy guard`',
    make: async (at) => {
      const from = [{ pods: { podSelector: { matchLabels: web } } }];
      await at.apply(clusterPolicy('guard', { ingress: [{ name: 'no-web', action: 'Deny', from }] }));
      await send(at, 'shop/web', 'UDP', at.address('shop/api', 'ipv4'), 8080);
    },
    exitCode: 0,
    cause:
      /ingress of shop\/api denied: shop\/web → shop\/api, UDP\/8080;[^]*guard \(Admin tier, priority 10\) denies this\n +ClusterNetworkPolicy guard spec\.ingress\[0\]/,
  },
  {
    symptom: 'A connection hangs',
    ask: explain,
    says: '`denied`, with the rule that came nearest',
    make: (at) => at.apply(closed),
    exitCode: 1,
    cause:
      /^denied: .*rule 1 of policy shop\/api would allow, but namespace shop has no label team \(wanted: "web"\)/ms,
  },
  {
    symptom: 'A connection hangs',
    ask: explain,
    says: '`allowed`, and `MISMATCH` of a kernel; exit code 3',
    make: async (at) => {
      // The agent that comes back would hold an empty list for 30 s (S7.18).
      await at.apply(closed, policy('dns', 'other', { pods: { pod: 'none' }, ingress: [] }));
      const agent = at.lab.agents.get('n2')!;
      at.mend(() => agent.start());
      await agent.stop();
      at.lab.store.delete('networkpolicies', { namespace: 'shop', name: 'api' });
    },
    exitCode: 3,
    cause:
      /kernel of n2 \(ingress; ipv4\): denied by deny-ingress: .*MISMATCH: the policies say allowed\. [^\n]*`postern doctor --node n2`/s,
    next: [{ line: 'postern doctor --node n2', exitCode: 1, cause: /\(agent\)\n +wrong +the agent does not answer/ }],
  },
  {
    symptom: 'A connection hangs',
    ask: explain,
    says: '`allowed`, by the kernels too',
    make: (at) => at.addTable('n1', 'chain f { type filter hook forward priority 10; ip daddr 10.244.0.0/16 drop; }'),
    exitCode: 0,
    cause: /^allowed: /,
    next: [
      {
        line: 'postern probe shop/web shop/api 8080',
        exitCode: 1,
        cause: /explain: allowed +seen: no answer, .* DIFFERENT$/m,
      },
      { line: 'postern doctor', exitCode: 1, cause: /table inet theirs \(foreign-drop\)/ },
    ],
  },
  {
    symptom: '… and hung only since a policy was changed',
    ask: '`postern plan -f policy.yaml`, before applying it',
    says: 'flows that would be cut, and by which policy',
    make: async (at) => {
      const flow = await at.lab.openFlow('shop/web', 'shop/api', {
        protocol: 'TCP',
        port: 8080,
        family: 'ipv4',
        rate: 10,
      });
      at.mend(() => flow.close());
      await writeFile(join(at.folder, 'policy.yaml'), JSON.stringify(closed));
    },
    exitCode: 1,
    cause:
      /Would be cut: 1 flow of .*shop\/web → shop\/api TCP\/8080 [^\n]*, 1 open\n +ingress: shop\/api is isolated for ingress by shop\/api,/s,
  },
  {
    symptom: '… is refused, not hanging',
    ask: probe,
    says: '`refused`',
    make: (at) => at.replacePod(apiPod('api', { containerPort: 8081 })),
    exitCode: 1,
    cause: /explain: allowed +seen: refused/,
  },
  {
    symptom: 'A port by its name does not match',
    ask: '`postern explain pod SHOP/API`',
    says: 'the numbers behind `TCP/http`, or none',
    make: async (at) => {
      await at.replacePod(apiPod('api', { containerPort: 8080 }));
      await at.apply(policy('shop', 'api', { pods: api, ingress: [{ ports: [port('TCP/http')] }] }));
    },
    exitCode: 0,
    cause: /TCP\/http \(which no pod there declares\), by shop\/api spec\.ingress\[0\]/,
  },
  {
    symptom: 'A Service is reached by some clients only',
    ask: '`postern probe SHOP/WEB SHOP/svc:API 80`',
    says: '`mixed`: of its pods some allow it',
    make: (at) => at.apply(policy('shop', 'old', { pods: { pod: 'api-old' }, ingress: [] })),
    exitCode: 1,
    cause: /explain: mixed/,
  },
  {
    symptom: 'An ipBlock does not match, or matches too much',
    ask: '`postern denials`',
    says: 'another source than you think',
    make: async (at) => {
      const ingress = [{ from: [block(`${at.address('host/client', 'ipv4')}/32`)] }];
      await at.apply(policy('shop', 'api', { ingress }));
      await send(at, 'host/client', 'TCP', at.address('node/n1', 'ipv4'), 30_080);
    },
    exitCode: 0,
    cause: /ingress of shop\/api(-old)? denied: node n1 → shop\/api/,
  },
  {
    symptom: 'IPv6 is open or closed otherwise than IPv4',
    ask: '`postern explain --family ipv6 SHOP/WEB SHOP/API 8080`',
    says: 'denied: an ipBlock matches addresses of its own family only',
    make: (at) => at.apply(policy('shop', 'api', { pods: api, ingress: [{ from: [block('0.0.0.0/0')] }] })),
    exitCode: 1,
    cause: /^denied: .*0\.0\.0\.0\/0/s,
    next: [{ line: 'postern explain --family ipv4 shop/web shop/api 8080', exitCode: 0, cause: /^allowed: / }],
  },
];

/** One that may get no answer. */
async function send(
  at: TroubledLab,
  from: string,
  protocol: 'TCP' | 'UDP',
  address: string,
  port: number,
): Promise<void> {
  await at.lab.station(from).process.probe([{ protocol, address, port }], { tries: 1, deadlineMs: 300 });
}
