import type { KubeConfig } from '@kubernetes/client-node';
import { relayHost, relayUrl } from '../relay.ts';

/**
 * The current context of a kubeconfig, in JSON, for a client behind the relay. It verifies the certificate against the server's own
 * name, and uses the credentials of the lab's user. Paths are absolute.
 */
export function relayedKubeconfig(config: KubeConfig): string {
  const cluster = config.getCurrentCluster()!;
  const { protocol, hostname, pathname } = new URL(cluster.server);
  const host = hostname.replace(/^\[|\]$/g, '');
  const user = config.getCurrentUser();
  const name = 'postern-lab';
  const text = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': name,
    contexts: [{ name, context: { cluster: name, user: name } }],
    clusters: [
      {
        name,
        cluster: {
          server: relayUrl(protocol, pathname.replace(/\/$/, '')),
          'tls-server-name': cluster.tlsServerName ?? (host === relayHost ? undefined : host),
          'certificate-authority-data': cluster.caData,
          'certificate-authority': cluster.caFile,
          'insecure-skip-tls-verify': cluster.skipTLSVerify,
        },
      },
    ],
    users: [
      {
        name,
        user: {
          'client-certificate-data': user?.certData,
          'client-certificate': user?.certFile,
          'client-key-data': user?.keyData,
          'client-key': user?.keyFile,
          token: user?.token,
          username: user?.username,
          password: user?.password,
          as: user?.impersonateUser,
          exec: user?.exec,
        },
      },
    ],
  };
  return `${JSON.stringify(text, null, 2)}\n`;
}
