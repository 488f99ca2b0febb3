import type { Destinations } from '../connect/attempts.ts';

/** One short attempt: if policies deny DNS, the defaults would wait much longer (resolv.conf(5)). */
export const resolverEnvironment = { RES_OPTIONS: 'timeout:2 attempts:1' } as const;

export function connectArguments({ hosts, port, protocol }: Destinations): string[] {
  return ['connect', hosts.join(','), String(port), '--once', '--protocol', protocol, '--output', 'json'];
}

/** A strategic merge patch for `pods/ephemeralcontainers`. The container meets the Pod Security level "restricted". */
export function ephemeralContainerPatch(name: string, image: string, to: Destinations): object {
  return {
    spec: {
      ephemeralContainers: [
        {
          name,
          image,
          // An image that was loaded on the node by hand may not be in any registry.
          imagePullPolicy: 'IfNotPresent',
          args: connectArguments(to),
          env: Object.entries(resolverEnvironment).map(([variable, value]) => ({ name: variable, value })),
          securityContext: {
            privileged: false,
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            runAsNonRoot: true,
            runAsUser: 65532,
            runAsGroup: 65532,
            capabilities: { drop: ['ALL'] },
            seccompProfile: { type: 'RuntimeDefault' },
          },
        },
      ],
    },
  };
}
