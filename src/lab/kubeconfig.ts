/** A kubeconfig in JSON (which is YAML), for a server without authentication. */
export function kubeconfigText(server: string): string {
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'postern-lab',
    clusters: [{ name: 'postern-lab', cluster: { server } }],
    users: [{ name: 'postern-lab', user: {} }],
    contexts: [{ name: 'postern-lab', context: { cluster: 'postern-lab', user: 'postern-lab' } }],
  };
  return `${JSON.stringify(config, null, 2)}\n`;
}
