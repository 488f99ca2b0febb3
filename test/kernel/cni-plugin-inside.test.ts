import assert from 'node:assert/strict';
import { once } from 'node:events';
import { execa } from 'execa';
import { after, before, describe, it } from 'mocha';
import { readNetwork } from '../../src/lab/config-list.ts';
import { Lab, type LabOptions } from '../../src/lab/lab.ts';
import { enterNamespace, runInNamespace } from '../../src/lab/network-namespace.ts';
import { objectKey, podKey } from '../../src/lab/pod-spec.ts';
import { stationAddress } from '../../src/lab/station.ts';
import { pod } from '../lab/objects.ts';
import { buildCniProgram } from '../support/cni-program.ts';
import { exampleNetwork } from '../support/example-network.ts';
import { nameLab } from '../support/lab-name.ts';
import { settleMs } from '../support/time-factor.ts';
import { families, needMachine } from './cluster.ts';
import { eventually } from './eventually.ts';
import { isRunning } from './is-running.ts';
import { pods, policy, port } from './policies.ts';

/**
 * Says that it is there, and waits for addresses: those that a policy allows, then those that it denies. Begins a connection to each at once, and prints which are open
 * when the allowed ones are, and two seconds later. Without the allowed ones it ends after a minute.
 */
const program = `
import select, socket, sys, time
print('ready', flush=True)
allowed, denied = [line.split() for line in sys.stdin.readline().split(';')]
opened = {}
for address in allowed + denied:
    one = socket.socket(socket.AF_INET6 if ':' in address else socket.AF_INET)
    one.setblocking(False)
    error = one.connect_ex((address, 80))
    opened[address] = one
def is_open(address):
    try:
        opened[address].getpeername()
        return True
    except OSError:
        return False
end = time.monotonic() + 60
while time.monotonic() < end and not all(is_open(each) for each in allowed):
    time.sleep(0.01)
time.sleep(2)
print('', *['open' if is_open(each) else 'closed' for each in allowed + denied])
`;

interface Connector {
  readonly stdin: { end(text?: string): void };
  readonly printed: Promise<string>;
}

/** A lab in which each pod of `x` connects with its first instruction after CNI ADD: to a peer that its policy allows, and to one that it denies. */
class FirstAnswers {
  readonly lab: Lab;
  readonly #found: Map<string, string>;
  #count = 0;

  private constructor(lab: Lab, found: Map<string, string>) {
    this.lab = lab;
    this.#found = found;
  }

  static async open(options: LabOptions): Promise<FirstAnswers> {
    const found = new Map<string, string>();
    const begun = new Map<string, Connector>();
    const objects = [
      pod('peers', 'denied', ['TCP/80'], { nodeName: 'n2' }),
      pod('peers', 'allowed', ['TCP/80'], { nodeName: 'n2' }),
      policy('x', 'one', { egress: [{ to: [pods({ pod: 'allowed' })], ports: [port('TCP/80')] }] }),
    ];
    const lab: Lab = await Lab.up({
      objects,
      settleMs,
      async onSandbox(object, namespace) {
        const key = podKey(object);
        if (!key.startsWith('x/')) return;
        begun.get(key)?.stdin.end();
        begun.set(key, await startConnector(namespace));
      },
      async onAdded(object) {
        const key = podKey(object);
        const connector = begun.get(key);
        if (!connector) return;
        const ends = ['peers/allowed', 'peers/denied'].map((peer) =>
          families.map((family) => stationAddress(lab.station(peer), family)!).join(' '),
        );
        connector.stdin.end(`${ends.join(';')}\n`);
        found.set(key, (await connector.printed).replace('ready', '').trim());
      },
      ...options,
    });
    try {
      await lab.settle();
    } catch (error) {
      await lab.down();
      throw error;
    }
    return new FirstAnswers(lab, found);
  }

  create(count: number): string[] {
    const names = Array.from({ length: count }, () => `starter-${++this.#count}`);
    this.lab.apply(names.map((name) => pod('x', name, [], { nodeName: 'n1' })));
    return names.map((name) => `x/${name}`);
  }

  async answers(keys: readonly string[]): Promise<string[]> {
    await this.lab.settle();
    return keys.map((key) => this.#found.get(key) ?? 'the pod has not connected');
  }

  hasAnswers(key: string): boolean {
    return this.#found.has(key);
  }
}

/** Before ADD, so that starting a process does not give the rules time. */
async function startConnector(namespace: string): Promise<Connector> {
  const child = execa(...enterNamespace(namespace, 'python3', ['-c', program]), { stdin: 'pipe', reject: false });
  await once(child.stdout, 'data');
  const printed = child.then(({ stdout, stderr }) => stdout + stderr);
  return { stdin: child.stdin, printed };
}

const isolated = 'open open closed closed';

describe('the CNI plugin and rules inside of pods (macvlan, kernel)', function () {
  this.timeout(180_000);
  let starts: FirstAnswers;
  let program: string;
  before(async function () {
    const cni = await readNetwork(exampleNetwork('macvlan'));
    await needMachine(this, cni);
    program = await buildCniProgram(this);
    const cniPlugin = { program, failurePolicy: 'Fail', timeoutSeconds: 20 } as const;
    starts = await FirstAnswers.open({ name: nameLab('cniin'), cni, cniPlugin });
  });
  after(() => starts?.lab.down());

  /** Many at once: the agent writes the rules of two pods at a time. */
  it('ADD waits for the rules inside: the first connection is judged', async () => {
    const keys = starts.create(12);
    assert.deepEqual(
      await starts.answers(keys),
      keys.map(() => isolated),
    );
  });

  it('ADD waits also while the agent stands still', async () => {
    const { pid } = starts.lab.agents.get('n1')!;
    process.kill(pid!, 'SIGSTOP');
    const [key] = starts.create(1);
    try {
      await eventually(async () => ((await isRunning(program)) ? undefined : 'the plugin does not run'));
    } finally {
      process.kill(pid!, 'SIGCONT');
    }
    assert.deepEqual(await starts.answers([key!]), [isolated]);
  });

  it('CHECK succeeds only while the kernel holds the rules inside', async () => {
    const { lab } = starts;
    const [key] = starts.create(1);
    await starts.answers([key!]);
    const { namespace, name } = objectKey(key!);
    const path = lab.names.pod(namespace!, name);
    const network = lab.network('n1');
    await network.check(lab.attachment(key!));
    // The agent also restores the chain by itself, at times before CHECK reads it.
    await eventually(async () => {
      await runInNamespace(path, 'nft', ['flush chain ip postern output']);
      const refused = await network.check(lab.attachment(key!)).then(
        () => undefined,
        ({ message }: Error) => message,
      );
      if (refused === undefined) return 'no CHECK has failed';
      assert.match(refused, /has changed .*table ip postern in the pod's network namespace/);
      return undefined;
    });
    await eventually(async () => {
      return network.check(lab.attachment(key!)).then(
        () => undefined,
        ({ message }: Error) => message,
      );
    });
    assert.match(await runInNamespace(path, 'nft', ['list chain ip postern output']), /jump|goto|vmap|drop/);
  });
});

/** The same eyes see an open pod where nothing holds it. */
describe('without the CNI plugin, a pod whose packets do not cross the node (macvlan, kernel)', function () {
  this.timeout(180_000);
  let starts: FirstAnswers;
  before(async function () {
    const cni = await readNetwork(exampleNetwork('macvlan'));
    await needMachine(this, cni);
    starts = await FirstAnswers.open({ name: nameLab('nocniin'), cni });
  });
  after(() => starts?.lab.down());

  it('is open while the agent stands still', async () => {
    const { pid } = starts.lab.agents.get('n1')!;
    process.kill(pid!, 'SIGSTOP');
    const [key] = starts.create(1);
    try {
      await eventually(async () => (starts.hasAnswers(key!) ? undefined : 'the pod has not connected'));
    } finally {
      process.kill(pid!, 'SIGCONT');
    }
    assert.deepEqual(await starts.answers([key!]), ['open open open open']);
  });
});
