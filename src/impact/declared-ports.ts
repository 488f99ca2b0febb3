import type { PortProtocol } from '../evaluator/decision.ts';
import { isPortNumber, readProtocol } from '../evaluator/port.ts';
import { isJsonObject, listAt, textAt } from '../lib/json.ts';
import type { JsonObject } from '../lib/json.ts';

/** A port to evaluate at a destination pod. */
export interface DeclaredPort {
  readonly protocol: PortProtocol | 'ICMP';
  readonly port?: number;
}

/** For pods without declared ports: traffic that only rules without ports allow. */
const undeclared: readonly DeclaredPort[] = [{ protocol: 'ICMP' }];

/** Ports of containers and sidecars, named or not. */
export function declaredPortsOf(pod: JsonObject): readonly DeclaredPort[] {
  const sidecars = listAt(pod, 'spec', 'initContainers').filter((each) => textAt(each, 'restartPolicy') === 'Always');
  const ports = new Map<string, DeclaredPort>();
  for (const raw of [...listAt(pod, 'spec', 'containers'), ...sidecars].flatMap((each) => listAt(each, 'ports'))) {
    if (!isJsonObject(raw)) continue;
    const protocol = readProtocol(raw['protocol']);
    const port = raw['containerPort'];
    if (protocol && isPortNumber(port)) ports.set(`${protocol}/${port}`, { protocol, port });
  }
  return ports.size === 0 ? undeclared : [...ports.values()];
}
