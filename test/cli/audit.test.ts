import { deepEqual, equal, match, rejects } from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { auditCommand } from '../../src/cli/commands/audit.ts';
import { modeAnnotation } from '../../src/model/policy.ts';
import { asAgent } from '../support/agent-pod.ts';
import { runCommandLine } from '../support/command-line.ts';
import { startExecServer, type ExecAnswer, type ExecServer } from '../support/exec-server.ts';
import { namespace, node, pod, policy } from '../support/objects.ts';
import type { ApiObject } from '../support/pipeline.ts';

function inAudit(name: string, spec: object): ApiObject {
  const made = policy(name, spec);
  return { ...made, metadata: { ...made.metadata, annotations: { [modeAnnotation]: 'audit' } } };
}

const agent = (name: string): ApiObject => {
  const { spec: _, ...rest } = pod(`system/agent-${name}`);
  return asAgent({ ...rest, spec: { nodeName: name } });
};
const objects = [
  ...['x', 'y', 'system'].map((name) => namespace(name)),
  node('n1', '192.0.2.1'),
  pod('x/client', { node: 'n1', ips: ['10.1.1.2'] }),
  pod('x/server', { node: 'n1', ips: ['10.1.1.3'], labels: { app: 'server' } }),
  inAudit('x/web', {
    podSelector: { matchLabels: { app: 'server' } },
    ingress: [{ from: [{ podSelector: {} }], ports: [{ port: 80 }] }],
  }),
  inAudit('x/more', { podSelector: { matchLabels: { app: 'server' } }, ingress: [{ ports: [{ port: 90 }] }] }),
  policy('y/enforced', { podSelector: {} }),
  agent('n1'),
];
const row = {
  ...{ direction: 'ingress', from: 'x/client', to: 'x/server', source: '10.1.1.2', destination: '10.1.1.3' },
  ...{ protocol: 'tcp', policies: ['x/more', 'x/web'], connections: 3, first: 0, last: 60_000 },
};
const page = {
  node: 'n1',
  since: 0,
  rows: [
    { ...row, port: 81 },
    { ...row, port: 80, last: 30_000 },
    { ...row, port: 90, last: 10_000, policies: ['x/gone'] },
  ],
  unlisted: [{ namespace: 'y', connections: 9, last: 0 }],
  unrecorded: [
    { direction: 'egress', packets: 5, last: 0 },
    { direction: 'ingress', namespace: 'y', packets: 4, last: 0 },
  ],
  leftOut: { 'y/large': 'too-large' },
};

describe('postern audit', () => {
  let folder: string;
  let server: ExecServer | undefined;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postern-audit-'));
  });
  afterEach(async () => {
    await server?.close();
    await rm(folder, { recursive: true });
  });

  async function ask(answer: ExecAnswer, args: readonly string[], there: readonly ApiObject[] = objects) {
    const of = (kind: string) => there.filter((each) => each.kind === kind);
    server = await startExecServer(() => answer, {
      '/api/v1/namespaces': of('Namespace'),
      '/api/v1/nodes': of('Node'),
      '/api/v1/pods': of('Pod'),
      '/apis/networking.k8s.io/v1/networkpolicies': of('NetworkPolicy'),
      '/apis/policy.networking.k8s.io': { preferredVersion: { version: 'v1alpha2' } },
      '/apis/policy.networking.k8s.io/v1alpha2': { resources: [] },
    });
    await writeFile(join(folder, 'config'), server.config.exportConfig());
    return runCommandLine(auditCommand, ['--kubeconfig', join(folder, 'config'), ...args]);
  }
  const told = (of: object): ExecAnswer => ({ stdout: [JSON.stringify(of)] });

  it('lists what a policy would deny with the near misses, and what it would allow by now', async () => {
    const { code, out, notes } = await ask(told(page), ['x/web']);
    equal(code, 1);
    match(
      out,
      /^x\/web is in audit: selects 1 pod, would deny 3 connections on 1 path\n {2}counted together with x\/more\n/,
    );
    match(out, /x\/client → x\/server, TCP\/81: ingress would be denied; 3 connections, first 1970-01-01T00:00:00Z/);
    match(out, /- [^\n]*the port is 81, not 80\n {4}x\/web spec\.ingress\[0\]\.ports/);
    match(out, /TCP\/80:[^\n]*\n {2}would be allowed by now: /);
    equal(out.includes('TCP/90'), false);
    match(notes, /node n1 counts since 1970-01-01T00:00:00\.000Z, for [0-9]+ days\n/);
  });

  it('leaves out with --since what was last seen earlier', async () => {
    const recent = {
      ...page,
      rows: [
        { ...row, port: 81 },
        { ...row, port: 82, last: Date.now() - 60_000 },
      ],
    };
    const { code, out } = await ask(told(recent), ['x/web', '--since', '1h']);
    equal(code, 1);
    deepEqual(out.match(/TCP\/\d+/g), ['TCP/82']);
    await server!.close();
    // The clock of the node counts.
    equal((await ask(told({ ...page, now: 3_700_000 }), ['x/web', '--since', '2h'])).code, 1);
    await server!.close();
    equal((await ask(told(page), ['x/web', '--since', '7d'])).code, 0);
    await server!.close();
    // So do gaps.
    for (const [last, code] of [
      [0, 0],
      [Date.now() - 60_000, 2],
    ] as const) {
      const gaps = {
        unlisted: [{ namespace: 'x', connections: 7, last }],
        unrecorded: [{ direction: 'ingress', packets: 2, last }],
      };
      equal((await ask(told({ ...page, ...gaps }), ['x/web', '--since', '7d'])).code, code);
      await server!.close();
    }
    await rejects(ask(told(page), ['x/web', '--since', '-1h']), /--since: "-1h" is not a time like 30m, 24h or 7d/);
  });

  it('prints one JSON object per path', async () => {
    const { out } = await ask(told(page), ['-n', 'x', 'web', '-o', 'json']);
    const lines = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { port: number; wouldDeny: boolean });
    deepEqual(
      lines.map(({ port, wouldDeny }) => [port, wouldDeny]),
      [
        [81, true],
        [80, false],
      ],
    );
  });

  it('counts a row that does not name all its policies for each policy of the namespace, and for no other', async () => {
    const full = { ...row, port: 81, policies: ['x/first'], morePolicies: 7 };
    for (const [rows, code] of [
      [[full], 1],
      [[{ ...full, morePolicies: undefined }], 0],
      [[{ ...full, to: 'y/server' }], 0],
      [[{ ...full, direction: 'egress' }], 0],
    ] as const) {
      equal((await ask(told({ ...page, rows }), ['x/web'])).code, code);
      await server!.close();
    }
  });

  it('calls a list incomplete that is younger than --min-age, of an agent or of the policy', async () => {
    const ago = (hours: number): number => Date.now() - hours * 3_600_000;
    const quiet = (hours: number): ExecAnswer => told({ ...page, rows: [], since: ago(hours) });
    const written = (hours: number, field: string, name = 'web') =>
      objects.map((each) =>
        each.metadata.name === name
          ? {
              ...each,
              metadata: {
                ...each.metadata,
                managedFields: [
                  {
                    time: new Date(ago(hours)).toISOString(),
                    fieldsV1:
                      field === 'spec'
                        ? { 'f:spec': {} }
                        : { 'f:metadata': { 'f:annotations': { [`f:${field}`]: {} } } },
                  },
                ],
              },
            }
          : each,
      );
    // The clocks of the nodes say how old the policy is.
    const behind = { ...page, rows: [], since: ago(90), now: ago(29) };
    const cases: [answer: ExecAnswer, there: readonly ApiObject[], code: number, note: RegExp][] = [
      [quiet(30), objects, 0, /^node n1 counts since .*, for 30 hours\n$/],
      [quiet(5), objects, 2, /incomplete: node n1 counts for 5 hours only, and --min-age is 24h/],
      [quiet(90), written(30, modeAnnotation), 0, /for 3 days\n$/],
      [quiet(90), written(1, modeAnnotation), 2, /NetworkPolicy x\/web may be in audit as it is for 60 minutes only/],
      [told(behind), written(30, modeAnnotation), 2, /may be in audit as it is for (59|60) minutes only/],
      [quiet(90), written(1, 'spec'), 2, /NetworkPolicy x\/web may be in audit as it is for 60 minutes only/],
      // It counts together with x/web.
      [quiet(90), written(1, modeAnnotation, 'more'), 2, /NetworkPolicy x\/more may be in audit as it is/],
      [quiet(90), written(1, 'other'), 0, /for 3 days\n$/],
    ];
    for (const [answer, there, code, note] of cases) {
      const found = await ask(answer, ['x/web', '--min-age', '24h'], there);
      equal(found.code, code);
      match(found.notes, note);
      await server!.close();
    }
    equal((await ask(quiet(0), ['x/web'])).code, 0);
    await server!.close();
    await rejects(ask(quiet(0), ['x/web', '--min-age', '1y']), /--min-age: "1y" is not a time like 30m, 24h or 7d/);
  });

  it('exits with 2 if the list of a node is incomplete, whatever is in it', async () => {
    for (const [more, note] of [
      [
        { unlisted: [{ namespace: 'x', connections: 7, last: 0 }] },
        'had no room for 7 more connections: scans of ports?',
      ],
      [
        {
          unrecorded: [
            { direction: 'ingress', packets: 2, last: 0 },
            { direction: 'ingress', namespace: 'x', packets: 1, last: 0 },
          ],
        },
        'could not record 3 packets of ingress: there were too many, or it could not read them within a minute',
      ],
      [
        { leftOut: { 'x/web': 'too-large' } },
        'does not audit the pods of x/web: it leaves out the rules of this policy, because they cost the node too much',
      ],
      [
        { leftOut: { 'x/more': 'refused-by-kernel' } },
        'does not audit the pods of x/more: it leaves out the rules of this policy, because the kernel refuses them',
      ],
    ] as const) {
      for (const rows of [[], page.rows]) {
        const { code, notes } = await ask(told({ ...page, rows, ...more }), ['x/web']);
        equal(code, 2);
        equal(notes.includes(`note: incomplete: node n1 ${note}\n`), true, notes);
        await server!.close();
      }
    }
  });

  it('keeps the recorded verdict if no policy judges the connection any more', async () => {
    const egress = inAudit('x/web', { podSelector: {}, policyTypes: ['Egress'] });
    const there = [...objects.filter(({ metadata }) => !['web', 'more'].includes(metadata.name)), egress];
    const { code, out } = await ask(told({ ...page, unrecorded: [] }), ['x/web'], there);
    equal(code, 1);
    match(out, /this is the recorded verdict: no policy isolates x\/server for ingress now\n/);
  });

  it('keeps the recorded verdict if an end has gone, or its address has another owner', async () => {
    const without = (...names: string[]) =>
      objects.filter(({ metadata }) => !names.includes(`${metadata.namespace}/${metadata.name}`));
    const allowed = { ...page, rows: [{ ...row, port: 80 }] };
    const [client, server3] = [pod('x/next', { ips: ['10.1.1.2'] }), pod('x/next', { ips: ['10.1.1.3'] })];
    const moved =
      /TCP\/80:[^\n]*\n {2}this is the recorded verdict: the address 10\.1\.1\.[23] belonged to x\/(client|server), and now belongs to /;
    // Control: both ends are the same.
    equal((await ask(told(allowed), ['x/web'])).code, 0);
    await server!.close();
    for (const there of [
      without('x/server'),
      without('x/client'),
      [...without('x/server'), server3],
      [...without('x/client'), client],
    ]) {
      const { code, out } = await ask(told(allowed), ['x/web'], there);
      equal(code, 1);
      match(out, moved);
      await server!.close();
    }
  });

  it('exits with 0 if nothing would be denied, and says that none is in audit', async () => {
    equal((await ask(told({ ...page, rows: [] }), [])).code, 0);
    await server!.close();
    const { code, out, notes } = await ask(told(page), ['-n', 'y']);
    deepEqual([code, out], [0, '']);
    match(
      notes,
      /^no policy of namespace y is in audit: kubectl annotate networkpolicy NAME postern\.dev\/mode=audit\n$/,
    );
  });

  it('exits with 2 if a node does not answer, or its answer has another form', async () => {
    for (const answer of [{ refused: 403 }, told({ ...page, rows: [{ ...row, source: 'nonsense' }] })]) {
      const { code, notes } = await ask(answer, ['x/web']);
      equal(code, 2);
      match(notes, /note: node n1 did not answer: /);
      await server!.close();
    }
  });

  it('refuses a policy that is enforced, that does not exist, or of no namespace', async () => {
    for (const [name, message] of [
      ['y/enforced', /NetworkPolicy y\/enforced is not in audit: add the annotation postern\.dev\/mode=audit/],
      ['y/none', /NetworkPolicy y\/none does not exist/],
      ['web', /web: say NAMESPACE\/NAME, or add --namespace/],
    ] as const) {
      await rejects(ask(told(page), [name]), message);
      await server!.close();
    }
  });
});
