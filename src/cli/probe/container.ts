import type { Destinations } from '../connect/attempts.ts';

/** The answer of a resolver that policies keep away is waited for once, not for a minute. */
export const resolverEnvironment = { RES_OPTIONS: 'timeout:2 attempts:1' } as const;

export function connectArguments({ hosts, port, protocol }: Destinations): string[] {
  return ['connect', hosts.join(','), String(port), '--once', '--protocol', protocol, '--output', 'json'];
}

/** A strategic merge patch for `pods/ephemeralcontainers`. It meets what Pod Security calls restricted. */
export function ephemeralContainerPatch(name: string, image: string, to: Destinations): object {
  return {
    spec: {
      ephemeralContainers: [
        {
          name,
          image,
          // An image that came to the node by hand is nowhere to be pulled from.
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
