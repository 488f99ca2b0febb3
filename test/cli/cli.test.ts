import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { execa, type Options } from 'execa';
import { describe, it } from 'mocha';
import { commands } from '../../src/cli/commands.ts';

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

interface Outcome {
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

const question = ['explain', '-f', 'examples/first-light', 'office/desk', 'shop/api', '8080'];

async function postern(...args: string[]): Promise<Outcome> {
  const options = { reject: false, env: { POSTERN_NODE_NAME: '' } } satisfies Options;
  const { exitCode, stdout, stderr } = await execa(process.execPath, [main, ...args], options);
  return { exitCode, stdout, stderr };
}

describe('the command line', function () {
  this.timeout(90_000);

  it('shows every command, examples and exit codes with --help', async () => {
    const { exitCode, stdout } = await postern('--help');
    assert.equal(exitCode, 0);
    for (const { name } of commands) assert.match(stdout, new RegExp(`^  ${name} `, 'm'));
    assert.match(stdout, /Examples:\n  \$ postern /);
    assert.match(stdout, /Exit codes: 0 success; 1 .*; 2 .*\.$/);
  });

  for (const { name } of commands) {
    it(`shows an example with ${name} --help`, async () => {
      const { exitCode, stdout } = await postern(name, '--help');
      assert.equal(exitCode, 0);
      assert.match(stdout, new RegExp(`Usage: postern ${name} `));
      assert.match(stdout, /\$ postern /);
    });
  }

  it('prints its version', async () => {
    const { exitCode, stdout } = await postern('--version');
    assert.deepEqual([exitCode, /^[0-9]+\.[0-9]+\.[0-9]+/.test(stdout)], [0, true]);
  });

  for (const [what, args, message] of [
    ['no command', [], /^Usage: postern /],
    ['an unknown command', ['agnet'], /unknown command 'agnet'[^]*agent/],
    ['an unknown flag of the program', ['--colour'], /unknown option '--colour'/],
    ['an unknown flag of a command', ['agent', '--node-nam', 'n'], /unknown option '--node-nam'[^]*--node-name/],
    ['a flag without its value', ['agent', '--listen'], /argument missing/],
    ['an argument too many', ['uninstall', 'everything'], /too many arguments/],
    [
      'a DaemonSet without a namespace',
      ['uninstall', '--daemonset', 'postern'],
      /^postern: --daemonset: "postern" is not NAMESPACE\/NAME/,
    ],
    [
      'a lab that is named and not asked for, lest a cluster is probed',
      ['probe', '--name', 'mine', 'shop/web', 'shop/api', '80'],
      /^postern: --name and --state-dir need --lab$/,
    ],
    [
      'a time that is none',
      ['uninstall', '--daemonset', 'a/b', '--timeout', '5m'],
      /^postern: --timeout: "5m" is not a number/,
    ],
    [
      'a value that cannot be used',
      ['agent', '--node-name', 'A_B'],
      /^postern: --node-name: "A_B" is not the name of a Node/,
    ],
    ['a kubeconfig that is not there', ['agent', '--node-name', 'n1', '--kubeconfig', '/nope'], /no such file: \/nope/],
    [
      'ranges that are none',
      ['boot-unit', '--pod-cidr', '10.244.1.0'],
      /^postern: --pod-cidr: "10.244.1.0" is not a list/,
    ],
    ['ranges left out', ['boot-unit'], /required option '--pod-cidr <CIDRS>' not specified/],
    ['a required flag left out', ['agent'], /^postern: --node-name NAME \(or POSTERN_NODE_NAME\) is required$/],
  ] as const) {
    it(`exits with 2 for ${what}`, async () => {
      const { exitCode, stdout, stderr } = await postern(...args);
      assert.equal(exitCode, 2);
      assert.equal(stdout, '');
      assert.match(stderr, message);
    });
  }

  it('shows every flag of the agent with its variable', async () => {
    const { stdout } = await postern('agent', '--help');
    assert.match(stdout, /--log-level <LEVEL> [^]*default: info[^]*POSTERN_LOG_LEVEL/);
  });

  it('is silent and keeps its exit code if the reader closes the pipe', async () => {
    const { exitCode: whole } = await postern(...question);
    const child = spawn(process.execPath, [main, ...question], { stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.destroy();
    const [[exitCode], stderr] = await Promise.all([once(child, 'exit'), text(child.stderr)]);
    assert.deepEqual([whole, exitCode, stderr], [1, 1, '']);
  });

  for (const words of [
    ['explain', 'a/b', 'a/b', '80'],
    ['lab', 'run'],
    ['lab', 'up'],
  ]) {
    it(`accepts -f, --file and --filename with ${words.join(' ')}, and shows no empty default`, async () => {
      for (const flag of ['-f', '--file', '--filename']) {
        const { stderr } = await postern(...words, flag, '/nowhere');
        assert.equal(stderr, 'postern: /nowhere: no such file or folder');
      }
      const { stdout } = await postern(...words, '--help');
      assert.match(stdout, /-f, --filename <PATH> /);
      assert.doesNotMatch(stdout, /default: (\[\]|none)/);
    });
  }

  it('loads neither client-node nor the lab for --help', async () => {
    const { stdout } = await execa(process.execPath, [
      '--input-type=module',
      '--eval',
      `import { registerHooks } from 'node:module';
       const loaded = [];
       registerHooks({ load: (url, context, next) => (loaded.push(url), next(url, context)) });
       const { run } = await import(${JSON.stringify(new URL('../../src/cli/cli.ts', import.meta.url).href)});
       await run(['uninstall', '--help']);
       console.log(loaded.join('\\n'));`,
    ]);
    assert.match(stdout, /src\/cli\/commands\/uninstall\.ts/);
    assert.doesNotMatch(stdout, /client-node|\/src\/lab\/|prom-client|src\/agent/);
  });
});
