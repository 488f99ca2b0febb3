import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { Store } from '../../src/lab/api/store.ts';
import { applyObjects } from '../../src/lab/apply-objects.ts';
import { ServiceAllocator, servicePorts } from '../../src/lab/services.ts';
import { renderServices } from '../../src/lab/service-rules.ts';
import { pod, service } from './objects.ts';

function storeWith(...families: ('ipv4' | 'ipv6')[]): Store {
  const allocator = new ServiceAllocator(families);
  return new Store({ admit: (resource, object) => allocator.admit(resource, object) });
}

function run(store: Store, name: string, podIPs: readonly string[], extra: object = {}): void {
  const found = store.get('pods', { namespace: 'x', name });
  store.updateStatus('pods', {
    ...found,
    status: { phase: 'Running', podIPs: podIPs.map((ip) => ({ ip })), ...extra },
  });
}

function clusterOf(store: Store): Parameters<typeof servicePorts>[0] {
  return { known: (resource, namespace) => store.list(resource, { namespace }).items };
}

const http = { selector: { pod: 'a' }, ports: [{ port: 80, targetPort: 'tcp-8080' }] };

describe('lab: services', () => {
  it('assigns one address of the first family, or one of each', () => {
    const store = storeWith('ipv6', 'ipv4');
    applyObjects(store, [
      service('x', 'single', http),
      service('x', 'dual', { ...http, ipFamilyPolicy: 'PreferDualStack' }),
      service('x', 'ipv4', { ...http, ipFamilies: ['IPv4'] }),
      service('x', 'headless', { ...http, clusterIP: 'None' }),
    ]);
    const addresses = (name: string): string[] =>
      (store.get('services', { namespace: 'x', name })['spec'] as { clusterIPs?: string[] }).clusterIPs ?? [];
    assert.deepEqual(
      addresses('single').map((each) => each.includes(':')),
      [true],
    );
    assert.deepEqual(
      addresses('dual').map((each) => each.includes(':')),
      [true, false],
    );
    assert.deepEqual(
      addresses('ipv4').map((each) => each.includes(':')),
      [false],
    );
    assert.deepEqual(
      addresses('headless').filter((each) => each !== 'None'),
      [],
    );
    const all = ['single', 'dual', 'ipv4'].flatMap(addresses);
    assert.equal(new Set(all).size, all.length);
  });

  it('leads to the running pods, by port number or name, in their families', () => {
    const store = storeWith('ipv4', 'ipv6');
    const named = { ...http, ipFamilyPolicy: 'PreferDualStack' };
    applyObjects(store, [pod('x', 'a', ['TCP/8080']), pod('x', 'b', ['TCP/8080']), service('x', 'web', named)]);
    const endpoints = (): unknown => servicePorts(clusterOf(store)).map((port) => port.endpoints);
    assert.deepEqual(endpoints(), [[], []]);
    run(store, 'a', ['10.1.0.1', 'fd01::1']);
    run(store, 'b', ['10.1.0.2']);
    assert.deepEqual(endpoints(), [[{ address: '10.1.0.1', port: 8080 }], [{ address: 'fd01::1', port: 8080 }]]);
    run(store, 'a', ['10.1.0.1'], { phase: 'Succeeded' });
    assert.deepEqual(endpoints(), [[], []]);
  });

  it('has no endpoint if the pod has no port of that name and protocol, or if it selects no pod', () => {
    const store = storeWith('ipv4');
    const udp = { ...http, ports: [{ port: 80, targetPort: 'tcp-8080', protocol: 'UDP' }] };
    applyObjects(store, [
      pod('x', 'a', ['TCP/8080']),
      service('x', 'udp', udp),
      service('x', 'manual', { ports: http.ports }),
    ]);
    run(store, 'a', ['10.1.0.1']);
    assert.deepEqual(
      servicePorts(clusterOf(store)).map((port) => port.endpoints),
      [[], []],
    );
  });

  it('writes no chain for a port without endpoints', () => {
    const port = { address: '10.96.0.10', protocol: 'TCP', port: 80, nodePort: undefined } as const;
    assert.doesNotMatch(renderServices([{ ...port, endpoints: [] }]), /10\.96\.0\.10/);
    assert.match(
      renderServices([{ ...port, endpoints: [{ address: '10.1.0.1', port: 8080 }] }]),
      /10\.96\.0\.10 \. tcp \. 80/,
    );
  });
});
