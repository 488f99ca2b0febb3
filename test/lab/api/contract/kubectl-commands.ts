import assert from 'node:assert/strict';
import { before, describe, it } from 'mocha';
import { skipTest } from '../../../support/skip.ts';
import type { Kubectl, Outcome } from '../kubectl.ts';
import { namespaceObject, podObject, policyObject } from '../objects.ts';
import type { TestedServer } from './tested-server.ts';

const podPath = '/api/v1/namespaces/x/pods/a';
const policyPath = '/apis/networking.k8s.io/v1/namespaces/x/networkpolicies/p';
const pod = podObject('a', { namespace: 'x', labels: { app: 'a' } });
const policy = policyObject({}, { namespace: 'x', name: 'p' });
const binding = {
  apiVersion: 'v1',
  kind: 'Binding',
  metadata: { name: 'a' },
  target: { kind: 'Node', name: 'node-1' },
};

/** Usual kubectl commands. */
export function describeKubectl(server: () => TestedServer): void {
  describe('kubectl', () => {
    before(async function () {
      if (!(await server().kubectl.isInstalled())) skipTest(this, 'kubectl is not installed');
      await done('create -f -', namespaceObject('x'));
    });

    const kubectl = (args: readonly string[], ...objects: object[]): Promise<Outcome> =>
      server().kubectl.run(args, ...objects);
    const done: Kubectl['done'] = (args, ...objects) => server().kubectl.done(args, ...objects);
    const refused: Kubectl['refused'] = (args, ...objects) => server().kubectl.refused(args, ...objects);

    const get = async (path: string) => (await server().api.call(path)).body;
    async function post(path: string, body: object): Promise<void> {
      const reply = await server().api.call(path, { method: 'POST', body });
      assert.equal(reply.code, 201, JSON.stringify(reply.body));
    }
    async function merge(path: string, body: object): Promise<void> {
      const headers = { 'content-type': 'application/merge-patch+json' };
      const reply = await server().api.call(path, { method: 'PATCH', headers, body });
      assert.equal(reply.code, 200, JSON.stringify(reply.body));
    }

    it('applies, and finds nothing to change the second time', async () => {
      assert.match(
        await done('apply -f -', pod, policy),
        /^pod\/a created\nnetworkpolicy\.networking\.k8s\.io\/p created/,
      );
      assert.match(
        await done('apply -f -', pod, policy),
        /^pod\/a unchanged\nnetworkpolicy\.networking\.k8s\.io\/p unchanged/,
      );
    });

    it('applies what changed in a list that merges by key, keeping what others set', async () => {
      const annotate = { metadata: { annotations: { 'example.com/by': 'another' } } };
      await merge(podPath, annotate);
      const changed = podObject('a', pod.metadata, {
        containers: [{ name: 'main', image: 'postern/pod:2', ports: [{ containerPort: 80 }] }],
      });
      assert.match(await done('apply -f -', changed), /pod\/a configured/);
      const stored = await get(podPath);
      assert.match(JSON.stringify(stored.spec), /postern\/pod:2/);
      assert.equal(stored.metadata.annotations?.['example.com/by'], 'another');
    });

    it('gets the same errors for typos as from the real server', async () => {
      const typo = policyObject({ podSelectr: {} }, { namespace: 'x', name: 'typo' });
      assert.match(await refused('apply -f -', typo), /strict decoding error: unknown field "spec\.podSelectr"/);
      const port = policyObject({ ingress: [{ ports: [{ port: 70000 }] }] }, { namespace: 'x', name: 'typo' });
      assert.equal(
        await refused('create -f -', port),
        'The NetworkPolicy "typo" is invalid: spec.ingress[0].ports[0].port: Invalid value: 70000: must be between 1 and 65535, inclusive\n',
      );
      const unknown = await kubectl(['apply', '--validate=warn', '-f', '-'], typo);
      assert.deepEqual([unknown.code, unknown.err], [0, 'Warning: unknown field "spec.podSelectr"\n']);
      await done('delete netpol typo -n x');
    });

    it('labels, annotates and patches in all three ways', async () => {
      await done('label pod a -n x role=api');
      await done('annotate pod a -n x note=hi');
      await done('patch pod a -n x -p {"metadata":{"labels":{"one":"1"}}}');
      await done('patch pod a -n x --type=merge -p {"metadata":{"labels":{"role":null}}}');
      await done('patch pod a -n x --type=json -p [{"op":"add","path":"/metadata/labels/two","value":"2"}]');
      const { labels, annotations } = (await get(podPath)).metadata;
      assert.deepEqual([labels, annotations?.note], [{ app: 'a', one: '1', two: '2' }, 'hi']);
      await done('label ns x purpose=production');
      assert.equal((await get('/api/v1/namespaces/x')).metadata.labels.purpose, 'production');
    });

    it('gets tables, wide tables, YAML and by selector', async () => {
      await post(`${podPath}/binding`, binding);
      await done('patch pod a -n x --subresource=status --type=merge -p {"status":{"podIPs":[{"ip":"10.0.0.7"}]}}');
      assert.match(
        await done('get pods -A'),
        /^NAMESPACE +NAME +READY +STATUS +RESTARTS +AGE\nx +a +0\/1 +Pending +0 +\d+s\n$/,
      );
      assert.match(await done('get pods -n x -o wide'), /IP +NODE\b.*\na .* 10\.0\.0\.7 +node-1\b/);
      assert.match(await done('get netpol p -n x -o yaml'), /policyTypes:\n {2}- Ingress\n/);
      assert.match(await done('get pods,netpol -n x -l app=a -o name'), /^pod\/a\n$/);
      assert.match(await refused('get pods nobody -n x'), /\(NotFound\): pods "nobody" not found/);
    });

    it('describes an object with its own Events, and none of an earlier object of the same name', async () => {
      const { metadata } = await get(podPath);
      for (const [reason, uid] of [
        ['Mine', metadata.uid],
        ['Older', 'of-another'],
      ] as const) {
        await post('/api/v1/namespaces/x/events', {
          metadata: { namespace: 'x', name: reason.toLowerCase() },
          involvedObject: { kind: 'Pod', namespace: 'x', name: 'a', uid },
          reason,
          type: 'Warning',
          source: { component: `${reason}-writer` },
        });
      }
      const described = await done('describe pod a -n x');
      assert.deepEqual([/Warning +Mine /.test(described), /Older/.test(described)], [true, false], described);
      const bySource = await done('get events -n x --field-selector source=Older-writer -o name');
      assert.equal(bySource.trim(), 'event/older');
    });

    it('waits for conditions, for fields and for the end', async () => {
      const condition = done('wait pod/a -n x --for=condition=Ready --timeout=30s');
      const field = done('wait pod/a -n x --for=jsonpath={.status.phase}=Running --timeout=30s');
      const status = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] };
      await merge(`${podPath}/status`, { status });
      assert.match(await condition, /pod\/a condition met/);
      assert.match(await field, /pod\/a condition met/);
      let ended = false;
      const end = done('wait pod/a -n x --for=delete --timeout=30s').finally(() => (ended = true));
      await done('delete pod a -n x --wait=false --grace-period=3');
      assert.equal((await get(podPath)).metadata.deletionGracePeriodSeconds, 3);
      assert.ok(!ended, 'the pod is still there');
      await server().api.call(`${podPath}?gracePeriodSeconds=0`, { method: 'DELETE' });
      await end;
    });

    it('watches', async () => {
      const child = server().kubectl.start(['get', 'pods', '-n', 'x', '-w']);
      const output = child.stdout!.setEncoding('utf8')[Symbol.asyncIterator]();
      let seen = '';
      const until = async (pattern: RegExp): Promise<void> => {
        while (!pattern.test(seen)) seen += (await output.next()).value ?? assert.fail(`kubectl ended: ${seen}`);
      };
      await post('/api/v1/namespaces/x/pods', podObject('w', { namespace: 'x' }));
      await until(/^w .*Pending/m);
      await merge('/api/v1/namespaces/x/pods/w/status', { status: { phase: 'Running' } });
      await until(/^w .*Running/m);
      // Not `close`, which waits for the end of an output without a reader.
      const exited = new Promise((resolve) => child.once('exit', resolve));
      child.kill();
      await exited;
      child.stdout!.destroy();
    });

    it('creates namespaces and other things by command', async () => {
      await done('create namespace y');
      await done('create configmap c -n y --from-literal=key=value');
      assert.deepEqual((await get('/api/v1/namespaces/y/configmaps/c')).data, { key: 'value' });
      await done('run b -n y --image=x --port=80 --labels=app=b');
      await done('expose pod b -n y --port=80');
      await done('create deployment d -n y --image=x --replicas=2 --port=8080');
      const { spec } = await get('/apis/apps/v1/namespaces/y/deployments/d');
      assert.deepEqual([spec.replicas, spec.template.spec.containers[0].ports[0].containerPort], [2, 8080]);
      await done('create service clusterip s -n y --tcp=80:http');
      const service = await get('/api/v1/namespaces/y/services/s');
      assert.equal(service.spec.ports[0].targetPort, 'http');
    });

    it('replaces', async () => {
      await done('replace -f -', policyObject({ policyTypes: ['Egress'] }, { namespace: 'x', name: 'p' }));
      assert.deepEqual((await get(policyPath)).spec.policyTypes, ['Egress']);
    });

    it('may not delete a namespace that the server needs', async () => {
      assert.match(
        await refused('delete ns default'),
        /namespaces "default" is forbidden: this namespace may not be deleted/,
      );
      assert.equal((await get('/api/v1/namespaces/default')).status.phase, 'Active');
    });

    it('deletes a namespace with its objects', async function () {
      if (server().isReal) skipTest(this, 'a controller manager does this, and none runs beside this kube-apiserver');
      assert.match(await done('delete ns x'), /namespace "x" deleted/);
      assert.equal((await get(policyPath)).code, 404);
      assert.match(await refused('apply -f -', pod), /namespaces "x" not found/);
    });

    it('gets the error that server-side apply is not supported', async function () {
      if (server().isReal) skipTest(this, 'a real server has it');
      assert.match(
        await refused('apply --server-side -f -', policyObject()),
        /Server-side apply not available on the server/,
      );
    });
  });
}
