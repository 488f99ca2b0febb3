import { deepEqual, equal, match } from 'node:assert/strict';
import { join } from 'node:path';
import { execa } from 'execa';
import { describe, it } from 'mocha';

const root = join(import.meta.dirname, '../../..');
const main = join(root, 'src/main.ts');

/** Entries of a network namespace that ends with the script, as conntrack takes them. */
const entries = [
  // Through a Service: the reply comes from another address than the called one.
  '-p tcp -s 10.1.0.2 -d 10.96.0.1 --sport 1024 --dport 80 --reply-src 10.1.1.3 --reply-dst 10.1.0.2 --reply-port-src 8080 --reply-port-dst 1024 --state ESTABLISHED -t 300',
  '-p tcp -s 10.1.0.2 -d 10.96.0.1 --sport 1025 --dport 80 --reply-src 10.1.1.3 --reply-dst 10.1.0.2 --reply-port-src 8080 --reply-port-dst 1025 --state TIME_WAIT -t 300',
  '-p udp -s fd00::2 -d fd00::3 --sport 5 --dport 53 -t 300',
  '-p sctp -s 10.1.0.2 -d 10.1.1.3 --sport 5 --dport 7 --state ESTABLISHED --orig-vtag 1 --reply-vtag 2 -t 300',
];
const expected = [
  {
    family: 'ipv4',
    protocol: 'SCTP',
    source: '10.1.0.2',
    destination: '10.1.1.3',
    destinationPort: 7,
    connections: 1,
    open: 1,
  },
  {
    family: 'ipv4',
    protocol: 'TCP',
    source: '10.1.0.2',
    destination: '10.1.1.3',
    destinationPort: 8080,
    via: '10.96.0.1:80',
    connections: 2,
    open: 1,
  },
  {
    family: 'ipv6',
    protocol: 'UDP',
    source: 'fd00::2',
    destination: 'fd00::3',
    destinationPort: 53,
    connections: 1,
    open: 1,
  },
];

interface Told {
  readonly node: string;
  readonly source: string;
  readonly addresses: readonly string[];
  readonly flows: readonly { readonly protocol: string }[];
}

/** Runs a program in its own network namespace, which has these conntrack entries and an address. */
async function inNamespace(
  ...command: readonly string[]
): Promise<{ stdout: string; stderr: string; exitCode: number | undefined }> {
  const script = [
    'ip link set lo up',
    'ip address add 192.0.2.7/32 dev lo',
    'ip address add fd00::7/128 dev lo',
    ...entries.map((entry) => `conntrack -I ${entry} 2>/dev/null`),
    'exec "$@"',
  ].join('\n');
  const options = { reject: false, env: { POSTERN_NODE_NAME: '' } } as const;
  const { stdout, stderr, exitCode } = await execa('unshare', ['-n', 'sh', '-ec', script, 'sh', ...command], options);
  return { stdout, stderr, exitCode };
}

function sorted(flows: Told['flows']): unknown {
  return flows.toSorted((a, b) => (a.protocol < b.protocol ? -1 : 1));
}

describe('postern node flows (kernel)', function () {
  this.timeout(180_000);

  it('prints the tracked flows with the name and all addresses of the node', async () => {
    const { stdout, stderr, exitCode } = await inNamespace(
      process.execPath,
      main,
      'node',
      'flows',
      '-o',
      'json',
      '--node-name',
      'n1',
    );
    equal(exitCode, 0, stderr);
    const told = JSON.parse(stdout) as Told;
    deepEqual([told.node, sorted(told.flows)], ['n1', expected]);
    for (const address of ['192.0.2.7', 'fd00::7', '127.0.0.1']) equal(told.addresses.includes(address), true, address);
    equal(stderr, '');
  });

  it('prints text', async () => {
    const { stdout } = await inNamespace(process.execPath, main, 'node', 'flows');
    match(stdout, /^10\.1\.0\.2 → 10\.1\.1\.3 TCP\/8080 via 10\.96\.0\.1:80: 2 \(1 open\)$/m);
  });

  const ask = (file: string): string =>
    `import('${root}/src/cli/node/own-flows.ts').then((m) => m.readOwnFlows('n1', '${file}')).then((told) => console.log(JSON.stringify(told)), (error) => { console.error(error.message); process.exit(2); })`;

  it('runs the program conntrack if the kernel has no such file, with the same result', async () => {
    const { stdout, stderr } = await inNamespace(process.execPath, '-e', ask('/proc/net/no-such-file'));
    equal(stderr, '');
    const told = JSON.parse(stdout) as Told;
    deepEqual([told.source, sorted(told.flows)], ['conntrack -L', expected]);
  });

  it('names the missing file and program if both are missing', async () => {
    const script = 'PATH=/nowhere exec "$@"';
    const { stderr, exitCode } = await inNamespace(
      'sh',
      '-c',
      script,
      'sh',
      process.execPath,
      '-e',
      ask('/proc/net/no-such-file'),
    );
    equal(exitCode, 2);
    match(
      stderr,
      /^cannot read flows: the kernel has no \/proc\/net\/no-such-file \(CONFIG_NF_CONNTRACK_PROCFS\), and the program "conntrack" is missing \(Debian package conntrack\)$/,
    );
  });
});
