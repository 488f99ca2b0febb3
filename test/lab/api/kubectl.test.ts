import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'mocha';
import { textAt } from '../../../src/lab/api/object.ts';
import { skipTest } from '../../support/skip.ts';
import { podObject, policyObject } from './objects.ts';
import { RunningServer } from './running-server.ts';

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

const key = { namespace: 'x', name: 'a' };
const pod = podObject('a', { namespace: 'x', labels: { app: 'a' } });
const policy = policyObject({}, { namespace: 'x', name: 'p' });

describe('kubectl against the API server', function () {
  this.timeout(60_000);
  let server: RunningServer;
  let environment: NodeJS.ProcessEnv;

  before(async function () {
    server = await RunningServer.start();
    const kubeconfig = {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'lab', cluster: { server: server.url } }],
      contexts: [{ name: 'lab', context: { cluster: 'lab', user: 'lab' } }],
      users: [{ name: 'lab', user: {} }],
      'current-context': 'lab',
    };
    await writeFile(join(server.folder, 'kubeconfig'), JSON.stringify(kubeconfig));
    // kubectl keeps what it discovers under HOME.
    environment = { PATH: process.env.PATH, HOME: server.folder, KUBECONFIG: join(server.folder, 'kubeconfig') };
    const { code } = await kubectl(['version', '--client']).catch(() => ({ code: -1 }));
    if (code !== 0) skipTest(this, 'kubectl is not installed');
    await kubectl(['create', '-f', '-'], { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'x' } });
  });
  after(() => server.close());

  async function kubectl(args: readonly string[], ...objects: object[]): Promise<Outcome> {
    const child = spawn('kubectl', args, { env: environment });
    const exited = new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => resolve(code ?? -1));
    });
    // A kubectl that never started, or asks for nothing, closes its end.
    child.stdin.on('error', () => {});
    const [single, ...more] = objects;
    child.stdin.end(
      JSON.stringify(more.length === 0 ? (single ?? {}) : { apiVersion: 'v1', kind: 'List', items: objects }),
    );
    const [code, out, err] = await Promise.all([exited, text(child.stdout), text(child.stderr)]);
    return { code, out, err };
  }

  /** The output of a command that succeeds. */
  async function done(args: string, ...objects: object[]): Promise<string> {
    const { code, out, err } = await kubectl(args.split(' '), ...objects);
    assert.equal(code, 0, `kubectl ${args}: ${err}`);
    return out;
  }

  /** What a command that fails says. */
  async function refused(args: string, ...objects: object[]): Promise<string> {
    const { code, err } = await kubectl(args.split(' '), ...objects);
    assert.equal(code, 1, `kubectl ${args} did not fail`);
    return err;
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
    server.store.patch('pods', key, { type: 'merge', body: annotate });
    const changed = podObject('a', pod.metadata, {
      containers: [{ name: 'main', image: 'postern/pod:2', ports: [{ containerPort: 80 }] }],
    });
    assert.match(await done('apply -f -', changed), /pod\/a configured/);
    const stored = server.store.get('pods', key);
    assert.match(JSON.stringify(stored.spec), /postern\/pod:2/);
    assert.equal(stored.metadata.annotations?.['example.com/by'], 'another');
  });

  it('is told of typos as by the real server', async () => {
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
    const { labels, annotations } = server.store.get('pods', key).metadata;
    assert.deepEqual([labels, annotations?.note], [{ app: 'a', one: '1', two: '2' }, 'hi']);
    await done('label ns x purpose=production');
    assert.equal(server.store.get('namespaces', { name: 'x' }).metadata.labels?.purpose, 'production');
  });

  it('gets tables, wide tables, YAML and by selector', async () => {
    server.store.bind(key, 'node-1');
    await done('patch pod a -n x --subresource=status --type=merge -p {"status":{"podIPs":[{"ip":"10.0.0.7"}]}}');
    assert.match(
      await done('get pods -A'),
      /^NAMESPACE +NAME +READY +STATUS +RESTARTS +AGE\nx +a +0\/1 +Pending +0 +\d+s\n$/,
    );
    assert.match(await done('get pods -n x -o wide'), /IP +NODE\na .* 10\.0\.0\.7 +node-1\n$/);
    assert.match(await done('get netpol p -n x -o yaml'), /policyTypes:\n {2}- Ingress\n/);
    assert.match(await done('get pods,netpol -n x -l app=a -o name'), /^pod\/a\n$/);
    assert.match(await refused('get pods nobody -n x'), /\(NotFound\): pods "nobody" not found/);
  });

  it('describes an object with the Events about it, and none about one of its name before', async () => {
    const { metadata } = server.store.get('pods', key);
    for (const [reason, uid] of [
      ['Mine', metadata.uid],
      ['Older', 'of-another'],
    ] as const) {
      server.store.create('events', {
        apiVersion: 'v1',
        kind: 'Event',
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
    server.store.patch('pods', key, { type: 'merge', body: { status } }, { subresource: 'status' });
    assert.match(await condition, /pod\/a condition met/);
    assert.match(await field, /pod\/a condition met/);
    let ended = false;
    const end = done('wait pod/a -n x --for=delete --timeout=30s').finally(() => (ended = true));
    await done('delete pod a -n x --wait=false --grace-period=3');
    assert.equal(server.store.get('pods', key).metadata.deletionGracePeriodSeconds, 3);
    assert.ok(!ended, 'the pod is still there');
    server.store.delete('pods', key, { gracePeriodSeconds: 0 });
    await end;
  });

  it('watches', async () => {
    const child = spawn('kubectl', ['get', 'pods', '-n', 'x', '-w'], {
      env: environment,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const output = child.stdout.setEncoding('utf8')[Symbol.asyncIterator]();
    let seen = '';
    const until = async (pattern: RegExp): Promise<void> => {
      while (!pattern.test(seen)) seen += (await output.next()).value ?? assert.fail(`kubectl ended: ${seen}`);
    };
    server.store.create('pods', podObject('w', { namespace: 'x' }));
    await until(/^w .*Pending/m);
    const running = { status: { phase: 'Running' } };
    server.store.patch('pods', { ...key, name: 'w' }, { type: 'merge', body: running }, { subresource: 'status' });
    await until(/^w .*Running/m);
    // Not `close`, which waits for the end of an output that nobody reads any more.
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.kill();
    await exited;
    child.stdout.destroy();
  });

  it('creates namespaces and other things by command', async () => {
    await done('create namespace y');
    await done('create configmap c -n y --from-literal=key=value');
    assert.deepEqual(server.store.get('configmaps', { namespace: 'y', name: 'c' }).data, { key: 'value' });
    await done('run b -n y --image=x --port=80 --labels=app=b');
    await done('expose pod b -n y --port=80');
    await done('create deployment d -n y --image=x --replicas=2 --port=8080');
    const deployment = server.store.get('deployments', { namespace: 'y', name: 'd' });
    assert.match(JSON.stringify(deployment.spec), /"replicas":2.*"containerPort":8080/);
    await done('create service clusterip s -n y --tcp=80:http');
    const service = server.store.get('services', { namespace: 'y', name: 's' });
    assert.match(JSON.stringify(service.spec), /"targetPort":"http"/);
  });

  it('replaces, and deletes a namespace with what is in it', async () => {
    await done('replace -f -', policyObject({ policyTypes: ['Egress'] }, { namespace: 'x', name: 'p' }));
    assert.match(JSON.stringify(server.store.get('networkpolicies', { namespace: 'x', name: 'p' }).spec), /"Egress"/);
    assert.match(await done('delete ns x'), /namespace "x" deleted/);
    assert.equal(server.store.find('networkpolicies', { namespace: 'x', name: 'p' }), undefined);
    assert.match(await refused('apply -f -', pod), /namespaces "x" not found/);
    assert.match(
      await refused('delete ns default'),
      /namespaces "default" is forbidden: this namespace may not be deleted/,
    );
    assert.equal(textAt(server.store.get('namespaces', { name: 'default' }), 'status', 'phase'), 'Active');
  });

  it('is told that server-side apply is not to be had', async () => {
    assert.match(
      await refused('apply --server-side -f -', policyObject()),
      /Server-side apply not available on the server/,
    );
  });
});
