/**
 * A kubeconfig in JSON (which is YAML), for a server without authentication.
 * @param authority file with the certificate that signs that of the server; missing for plain HTTP
 */
export function kubeconfigText(server: string, authority?: string): string {
  const cluster = { server, ...(authority !== undefined && { 'certificate-authority': authority }) };
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'postern-lab',
    clusters: [{ name: 'postern-lab', cluster }],
    users: [{ name: 'postern-lab', user: {} }],
    contexts: [{ name: 'postern-lab', context: { cluster: 'postern-lab', user: 'postern-lab' } }],
  };
  return `${JSON.stringify(config, null, 2)}\n`;
}
