import type { Link } from '../../src/model/cluster.ts';
import type { Ruleset } from '../../src/nftables/ruleset.ts';
import type { PipelineOptions } from '../../src/pipeline.ts';
import { node, pod, policy, sandbox } from '../support/objects.ts';
import { startPipeline } from '../support/pipeline.ts';

/** The pods of a node, with one address in each family. `elsewhere` has one of no gated range, and a link that nobody knows. */
const addresses = {
  free: ['10.1.0.2', 'fd01::2'],
  closed: ['10.1.0.3', 'fd01::3'],
  picky: ['10.1.0.4', 'fd01::4'],
  /** Of a sandbox whose pod the API server has not told of. */
  unknown: ['10.1.0.5', 'fd01::5'],
  elsewhere: ['10.9.0.2', 'fd09::2'],
} as const;

const ranges = ['10.1.0.0/24', 'fd01::/64'];

/** `closed` allows nothing; `picky` gets UDP from `free` on port 5353, and may send anything. */
export function guardedNode(linkOf: (name: string) => Link, options: PipelineOptions = {}): Ruleset {
  const selecting = (app: string, spec: object) =>
    policy(`x/${app}`, { podSelector: { matchLabels: { app } }, ...spec });
  const from = [{ podSelector: { matchLabels: { app: 'free' } } }];
  const pipeline = startPipeline(
    'n1',
    [
      node('n1', '192.0.2.1', '2001:db8:1::1'),
      node('n2', '192.0.2.2', '2001:db8:1::2'),
      ...(['free', 'closed', 'picky', 'elsewhere'] as const).map((app) =>
        pod(`x/${app}`, { ips: addresses[app], labels: { app } }),
      ),
      selecting('closed', { policyTypes: ['Ingress', 'Egress'] }),
      selecting('picky', { policyTypes: ['Ingress'], ingress: [{ from, ports: [{ protocol: 'UDP', port: 5353 }] }] }),
    ],
    { podCidrs: ranges, ...options },
  );
  for (const name of ['free', 'closed', 'picky', 'unknown'] as const)
    pipeline.receive(sandbox(`x/${name}`, { ips: addresses[name], link: linkOf(name) }));
  pipeline.receive(sandbox('x/elsewhere', { ips: addresses.elsewhere }));
  return pipeline.plan(undefined).compiled.ruleset;
}
