import type { ApiObject } from '../../src/lab/api/object.ts';

/** `ports` as `TCP/80`; the port's name is `tcp-80`. */
export function pod(namespace: string, name: string, ports: readonly string[], spec: object = {}): ApiObject {
  const declared = ports.map((text) => {
    const [protocol, port] = text.split('/') as [string, string];
    return { name: `${protocol.toLowerCase()}-${port}`, protocol, containerPort: Number(port) };
  });
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace, name, labels: { pod: name } },
    spec: { containers: [{ name: 'main', image: 'main', ports: declared }], ...spec },
  };
}

export function service(namespace: string, name: string, spec: object): ApiObject {
  return { apiVersion: 'v1', kind: 'Service', metadata: { namespace, name }, spec };
}

export function host(name: string, addresses: readonly string[], ports: readonly object[]): ApiObject {
  return { apiVersion: 'lab.postern.dev/v1', kind: 'Host', metadata: { name }, spec: { addresses, ports } };
}
