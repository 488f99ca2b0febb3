import { namespaceName, type NamespaceLayout } from './layout.ts';
import { environments, teamsOf } from './nodes.ts';
import { appCount, appName, appOf, componentOf, components } from './pods.ts';
import type { NamedSpec } from './named-spec.ts';
import type { Random } from './random.ts';
import type { Shape } from './shapes.ts';

/** Typical policies of tenants: deny by default, allow DNS, then allow each app. */
export function mixedSpec(shape: Shape, namespace: NamespaceLayout, index: number, random: Random): NamedSpec {
  const both = ['Ingress', 'Egress'];
  if (index === 0) return { name: 'default-deny', spec: { podSelector: {}, policyTypes: both } };
  if (index === 1) {
    const ports = ['UDP', 'TCP'].map((protocol) => ({ protocol, port: 53 }));
    const to = [{ namespaceSelector: byLabel('kubernetes.io/metadata.name', namespaceName(0)), podSelector: byApp(0) }];
    return { name: 'allow-dns', spec: { podSelector: {}, policyTypes: ['Egress'], egress: [{ to, ports }] } };
  }
  const peers = (): object[] => Array.from({ length: 1 + random.below(2) }, () => peer(shape, namespace, random));
  const ingress: object[] = [{ from: peers(), ports: ingressPorts(random) }];
  const egress: object[] = random.chance(0.4) ? [{ to: peers(), ports: exactPorts(random) }] : [];
  if (random.chance(0.3)) ingress.push({ from: [{ podSelector: {} }], ports: [{ protocol: 'TCP', port: 'metrics' }] });
  if (random.chance(0.5)) {
    const ports = [portRange(random), ...exactPorts(random)];
    if (random.chance(0.5)) ingress.push({ from: blocks(random), ports });
    else egress.push({ to: blocks(random), ports });
  }
  const spec = {
    podSelector: subject(shape, namespace, random),
    policyTypes: egress.length > 0 ? both : ['Ingress'],
    ingress,
    ...(egress.length > 0 ? { egress } : {}),
  };
  return { name: `allow-${index}`, spec };
}

function subject(shape: Shape, namespace: NamespaceLayout, random: Random): object {
  const app =
    shape.subjects === 'local' ? appOf(random.pick(namespace.localPods)) : random.below(appCount(namespace.pods));
  const kind = random.below(10);
  if (kind < 5 || shape.subjects === 'local') return byApp(app);
  if (kind < 8) return byComponent(componentOf(app));
  return {};
}

/** Selects between about ten and a thousand pods, in a cluster of 100,000 pods. */
function peer(shape: Shape, { pods }: NamespaceLayout, random: Random): object {
  const team = byLabel('team', `team-${random.below(teamsOf(shape))}`);
  const kind = shape.subjects === 'local' ? random.pick([0, 4]) : random.below(6);
  switch (kind) {
    case 0:
      return { podSelector: byApp(random.below(appCount(pods))) };
    case 1:
      return { podSelector: byComponent(random.pick(components)) };
    case 2:
      return { namespaceSelector: team };
    case 3:
      return { namespaceSelector: team, podSelector: byComponent(random.pick(components)) };
    case 4:
      return {
        namespaceSelector: byLabel('kubernetes.io/metadata.name', namespaceName(random.below(shape.namespaces))),
        podSelector: byApp(random.below(appCount(shape.pods / shape.namespaces))),
      };
    default: {
      const notIn = { key: 'environment', operator: 'NotIn', values: [random.pick(environments)] };
      const apps = random.several([0, 1, 2, 3, 4], 2).map(appName);
      return {
        namespaceSelector: { ...team, matchExpressions: [notIn] },
        podSelector: { matchExpressions: [{ key: 'app', operator: 'In', values: apps }] },
      };
    }
  }
}

function exactPorts(random: Random): object[] {
  const numbers = random.several([80, 443, 5432, 6379, 8080, 8443, 9092, 9200], 1 + random.below(3));
  return numbers.map((port) => ({ protocol: 'TCP', port }));
}

/** Named ports are declared by the selected pods. */
function ingressPorts(random: Random): object[] {
  const ports = exactPorts(random);
  return random.chance(0.3) ? [{ protocol: 'TCP', port: 'http' }, ...ports.slice(1)] : ports;
}

function portRange(random: Random): object {
  const port = 10_000 + 100 * random.below(200);
  return { protocol: random.chance(0.8) ? 'TCP' : 'UDP', port, endPort: port + 10 + random.below(1000) };
}

function blocks(random: Random): object[] {
  return Array.from({ length: 1 + random.below(3) }, () => {
    const net = `192.${random.below(200)}`;
    const within = random.below(256);
    const except = random.chance(0.5) ? { except: [`${net}.${within}.0/24`, `${net}.${within ^ 1}.128/25`] } : {};
    return { ipBlock: { cidr: `${net}.0.0/16`, ...except } };
  });
}

function byApp(app: number): object {
  return byLabel('app', appName(app));
}

function byComponent(component: string): object {
  return byLabel('app.kubernetes.io/component', component);
}

function byLabel(key: string, value: string): { matchLabels: Record<string, string> } {
  return { matchLabels: { [key]: value } };
}
