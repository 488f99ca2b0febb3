import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { probeFromPod } from '../../../src/cli/probe/cluster.ts';
import { statusError } from '../../../src/watch/api-error.ts';
import type { ApiClient } from '../../../src/watch/api-client.ts';

/** As kube-apiserver answered, but for the two that the API server is not the author of: the webhook's, and a kubelet that is away. */
const recorded = {
  security: {
    code: 403,
    message:
      'pods "web" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false (container "main" must set securityContext.allowPrivilegeEscalation=false)',
  },
  noPatch: {
    code: 403,
    message:
      'pods "web" is forbidden: User "jane" cannot patch resource "pods/ephemeralcontainers" in API group "" in the namespace "shop"',
  },
  noLog: {
    code: 403,
    message:
      'pods "web" is forbidden: User "jane" cannot get resource "pods/log" in API group "" in the namespace "shop"',
  },
  webhook: { code: 403, message: 'admission webhook "images.example.io" denied the request: image is not signed' },
  staticPod: {
    code: 422,
    message: 'Pod "web" is invalid: []: Forbidden: static pods do not support ephemeral containers',
  },
  gone: { code: 404, message: 'pods "web" not found' },
} as const;

const connected = [{ family: 'ipv4', address: '10.0.0.1', outcome: 'connected', ms: 1 }];

interface Script {
  readonly allowed?: (subresource: string) => boolean;
  readonly reviews?: { code: number; message: string };
  readonly patch?: { code: number; message: string };
  /** Of the container, one a look, the last again and again. */
  readonly states?: readonly (object | undefined)[];
  readonly log?: string | { code: number; message: string };
}

async function probe({ allowed = () => true, reviews, patch, states = [ended(0)], log = line(connected) }: Script) {
  const calls: string[] = [];
  const notes: string[] = [];
  let looks = 0;
  const client: ApiClient = {
    async write(verb, path, body) {
      if (path.endsWith('/selfsubjectaccessreviews')) {
        if (reviews) throw statusError(reviews.code, reviews);
        const { spec } = body as { spec: { resourceAttributes: { subresource: string } } };
        return { status: { allowed: allowed(spec.resourceAttributes.subresource) } };
      }
      calls.push(`${verb} ${path}`);
      if (patch) throw statusError(patch.code, patch);
      return {};
    },
    async get(path, { query }) {
      if (path.endsWith('/log')) {
        calls.push(`get ${path} ${query['container']}`);
        if (typeof log !== 'string') throw statusError(log.code, log);
        return bytes(log);
      }
      const state = states[Math.min(looks++, states.length - 1)];
      const other = { name: 'postern-probe-earlier', state: ended(9) };
      const statuses = state ? [other, { name: 'postern-probe-1', state }] : [other];
      return bytes(JSON.stringify({ status: { ephemeralContainerStatuses: statuses } }));
    },
  };
  const result = probeFromPod(
    { protocol: 'TCP', hosts: ['10.0.0.1'], port: 80 },
    {
      client,
      pod: { namespace: 'shop', name: 'web' },
      image: 'postern:1',
      container: 'postern-probe-1',
      signal: new AbortController().signal,
      note: (text) => notes.push(text),
      pause: async () => looks < 5,
    },
  );
  return { attempts: await result.catch((error: Error) => error.message), calls, notes };
}

function ended(exitCode: number): object {
  return { terminated: { exitCode } };
}
function line(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}
async function* bytes(text: string): AsyncGenerator<Uint8Array> {
  // Wherever the network cuts it.
  yield Buffer.from(text.slice(0, 7));
  yield Buffer.from(text.slice(7));
}

const pod = '/api/v1/namespaces/shop/pods/web';

describe('a probe from a pod of a cluster', () => {
  it('adds a container, waits for its end, and reads its log', async () => {
    const states = [undefined, { waiting: { reason: 'ContainerCreating' } }, { running: {} }, ended(1)];
    const { attempts, calls, notes } = await probe({ states, log: `a warning\n[not json\n${line(connected)}` });
    assert.deepEqual(attempts, connected);
    assert.deepEqual(calls, [`patch ${pod}/ephemeralcontainers`, `get ${pod}/log postern-probe-1`]);
    assert.match(
      notes.join('\n'),
      /postern-probe-1 \(image postern:1\) .* stays in the pod's spec until the pod is deleted/,
    );
  });

  it('tries the probe if it may not review its rights', async () => {
    const { attempts } = await probe({ reviews: { code: 403, message: 'no reviews' } });
    assert.deepEqual(attempts, connected);
  });

  const failures: readonly (readonly [what: string, script: Script, message: RegExp, written?: 'written'])[] = [
    [
      'without a right',
      { allowed: (each) => each !== 'log' },
      /^you may not get pods\/log in namespace shop; nothing was written/,
    ],
    [
      'that Pod Security refuses',
      { patch: recorded.security },
      /^Pod Security of namespace shop refuses .*pod shop\/web does not/,
    ],
    [
      'without the right to patch',
      { patch: recorded.noPatch },
      /^you may not patch pods\/ephemeralcontainers .*nothing was written/,
    ],
    [
      'that a webhook refuses',
      { patch: recorded.webhook },
      /refuses an ephemeral container of image postern:1 in pod shop\/web: admission webhook.*not signed$/,
    ],
    ['in a static pod', { patch: recorded.staticPod }, /static pods do not support ephemeral containers$/],
    [
      'in a pod that is gone',
      { patch: recorded.gone },
      /^pod shop\/web is gone, or this cluster has no ephemeral containers/,
    ],
    [
      'whose log may not be read',
      { log: recorded.noLog },
      /^you may not get pods\/log .*the probe has run, .*"kubectl -n shop logs web -c postern-probe-1"/,
      'written',
    ],
    [
      'whose log cannot be read',
      { log: { code: 502, message: 'no kubelet' } },
      /^cannot read the log \(no kubelet\); the probe has run/,
      'written',
    ],
    [
      'whose image is too old',
      { states: [ended(2)], log: "error: unknown option '--once'\n" },
      /unexpected output of container .*exit code 2; if this image .*: error: unknown option '--once'$/,
      'written',
    ],
    ['that says nothing', { log: '' }, /set --image\): nothing$/, 'written'],
    ['that says another thing', { log: '[{"outcome":"connected"}]\n' }, /unexpected output of container/, 'written'],
    [
      'whose image is nowhere',
      { states: [{ waiting: { reason: 'ImagePullBackOff', message: 'm' } }] },
      /cannot run image postern:1: ImagePullBackOff m\. The kubelet retries .*; set --image .*$/,
      'written',
    ],
    [
      'that may not run',
      { states: [{ waiting: { reason: 'CreateContainerConfigError', message: 'root' } }] },
      /CreateContainerConfigError root/,
      'written',
    ],
    [
      'that does not start',
      { states: [undefined] },
      /has not exited in time \(the kubelet has not started it\)/,
      'written',
    ],
    [
      'that starts slowly',
      { states: [{ waiting: { reason: 'ContainerCreating' } }] },
      /has not exited in time \(ContainerCreating\)/,
      'written',
    ],
    [
      'that hangs',
      { states: [{ running: {} }] },
      /has not exited in time \(it still runs\): raise --timeout/,
      'written',
    ],
  ];
  for (const [what, script, message, written] of failures) {
    it(`fails with advice: one ${what}`, async () => {
      const { attempts, notes } = await probe(script);
      assert.match(String(attempts), message);
      // The command has reported the new container.
      assert.equal(notes.length, written ? 1 : 0);
    });
  }
});
