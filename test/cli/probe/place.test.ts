import { deepEqual, equal, match, rejects } from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { readAttempts } from '../../../src/cli/probe/attempts-text.ts';
import { openCluster, type Place } from '../../../src/cli/probe/place.ts';
import { findEnd } from '../../../src/cli/explain/end-argument.ts';
import { agentPod } from '../../support/agent-pod.ts';
import { startExecServer, type ExecServer } from '../../support/exec-server.ts';
import { namespace, node, pod } from '../../support/objects.ts';

describe('the agents of a probe', () => {
  let server: ExecServer | undefined;
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postern-probe-'));
  });
  afterEach(async () => {
    await server?.close();
    await rm(folder, { recursive: true });
  });

  async function open(agents: readonly object[], agentNamespace?: string): Promise<Place> {
    await server?.close();
    server = await startExecServer(() => ({}), {
      '/api/v1/namespaces': [namespace('shop')],
      '/api/v1/nodes': [node('n1', '192.0.2.1')],
      '/api/v1/pods': [pod('shop/web', { ips: ['10.1.1.2'] }), ...agents],
      '/apis/networking.k8s.io/v1/networkpolicies': [],
    });
    await writeFile(join(folder, 'config'), server.config.exportConfig());
    const flags = { kubeconfig: join(folder, 'config'), seconds: 1, ...(agentNamespace && { agentNamespace }) };
    return openCluster({ services: false }, flags, () => {});
  }

  it('are no pods of a tenant, whose image it never takes', async () => {
    const plain = agentPod('n1', { namespace: 'alice', spec: { hostNetwork: false } });
    const place = await open([plain]);
    equal(place.setting.lookAt('n1'), undefined);
    const web = findEnd(place.source, 'shop/web');
    const to = { protocol: 'TCP', hosts: ['10.1.1.3'], port: 80 } as const;
    await rejects(
      async () => place.tryFrom(web, to as never),
      /^ConfigError: no Postern agent runs in this cluster, .*: set --image; pod alice\/agent-n1 has the labels of an agent but is none: it is not on the host network$/,
    );
    equal((await open([plain, agentPod('n1')])).setting.lookAt('n1'), 'postern doctor --node n1');
  });

  it('are in the given namespace if a tenant has pods that could be agents', async () => {
    const tenant = agentPod('n1', { namespace: 'alice' });
    await rejects(open([tenant, agentPod('n1')]), /: alice, postern-system; name .* --agent-namespace$/);
    const place = await open([tenant, agentPod('n1')], 'postern-system');
    match(place.setting.lookAt('n1')!, /--node n1$/);
  });
});

describe('the output of a probe in a container', () => {
  it('has no control characters, and only outcomes that the report knows', () => {
    const attempt = { family: 'ipv4', address: '10.0.0.1', outcome: 'connected', ms: 1 };
    const said = JSON.stringify([{ ...attempt, code: 'E\u001b[2J\nx' }]);
    deepEqual(readAttempts(said, 'it'), [{ ...attempt, code: 'E?[2J x' }]);
    for (const text of ['\u001b[2J', JSON.stringify([{ ...attempt, outcome: 'toString' }])]) {
      let message = '';
      try {
        readAttempts(text, 'it');
      } catch (error) {
        message = (error as Error).message;
      }
      match(message, /^unexpected output of it: (\?\[2J|\[.*toString.*\])$/);
    }
  });
});
