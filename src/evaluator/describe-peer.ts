import { assertNever } from '../lib/assert.ts';
import type { Peer } from './peer.ts';
import type { Selector } from './selector.ts';

/** `pods app=web of namespaces purpose=production`, `10.0.0.0/8 except 10.1.0.0/16` */
export function describePeer(peer: Peer, namespace: string): string {
  switch (peer.kind) {
    case 'broken':
      return peer.message;
    case 'block': {
      const except = peer.except.map(({ text }) => text).join(', ');
      return except === '' ? peer.cidr.text : `${peer.cidr.text} except ${except}`;
    }
    case 'nodes':
      return peer.nodes.requirements.length === 0 ? 'all nodes' : `nodes ${describeSelector(peer.nodes)}`;
    case 'pods': {
      const pods = peer.pods.requirements.length === 0 ? 'all pods' : `pods ${describeSelector(peer.pods)}`;
      if (!peer.namespaces) return `${pods} of namespace ${namespace}`;
      if (peer.namespaces.requirements.length === 0) return `${pods} of all namespaces`;
      return `${pods} of namespaces ${describeSelector(peer.namespaces)}`;
    }
    default:
      return assertNever(peer);
  }
}

/** In the syntax of `kubectl get -l`: `app=web,tier in (a,b),!old`. */
function describeSelector({ requirements }: Selector): string {
  return requirements
    .map(({ key, operator, values }) => {
      switch (operator) {
        case 'In':
          return values.length === 1 ? `${key}=${values[0]}` : `${key} in (${values.join(',')})`;
        case 'NotIn':
          return values.length === 1 ? `${key}!=${values[0]}` : `${key} notin (${values.join(',')})`;
        case 'Exists':
          return key;
        case 'DoesNotExist':
          return `!${key}`;
        default:
          return assertNever(operator);
      }
    })
    .join(',');
}
