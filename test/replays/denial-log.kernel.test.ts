import assert from 'node:assert/strict';
import { it } from 'mocha';
import { families, onEachCni, type Cluster, type Family } from '../kernel/cluster.ts';
import { eventually } from '../kernel/eventually.ts';
import { pods, policy } from '../kernel/policies.ts';

const flows = Number(process.env['MIXED_FLOWS'] ?? 160);
/** Half of them are denied, and an agent tells of fifty at a look, if they take it no longer than half a second (docs/operate.md). */
const wave = 40;

/** Of each family, so that a line of the log tells which it is of. Nobody listens: who may ask hears that the port is closed. */
const open = { ipv4: 20_000, ipv6: 30_000 } as const;
const shut = { ipv4: 25_000, ipv6: 35_000 } as const;
const width = 5000;

const ranges = families.flatMap((family) =>
  (['TCP', 'UDP'] as const).map((protocol) => ({ protocol, port: open[family], endPort: open[family] + width - 1 })),
);
const peers = pods({}, { team: 'peers' });
const both = policy('x', 'both', {
  ingress: [{ from: [peers], ports: ranges }],
  egress: [{ to: [peers], ports: ranges }],
});

const ends = [
  ['peers/near', 'x/p'],
  ['peers/far', 'x/p'],
  ['x/p', 'peers/near'],
  ['x/p', 'peers/far'],
] as const;

interface Mixed {
  readonly from: string;
  readonly to: string;
  readonly protocol: 'TCP' | 'UDP';
  readonly family: Family;
  readonly port: number;
}

onEachCni('the log of denials (replay of k3s #9032)', (cluster) => {
  it(`has a line for each flow that is dropped, and none for one that passes, of ${flows} mixed ones`, async function () {
    this.timeout(120_000 + flows * 1000);
    await cluster().apply(both);
    const dropped = new Set<string>();
    const passed = new Set<string>();
    for (let first = 0; first < flows; first += wave) {
      const asked = Array.from({ length: Math.min(wave, flows - first) }, (_, index) => flowOf(first + index));
      const answers = await Promise.all(asked.map((each) => ask(cluster(), each)));
      for (const [index, each] of asked.entries()) (answers[index] === 'timeout' ? dropped : passed).add(textOf(each));
      // The next wave only once this one is told, so that none is left out.
      await eventually(async () => {
        const told = await readTold(cluster());
        const missing = [...dropped].filter((each) => !told.has(each));
        return missing.length === 0 ? undefined : `dropped and not told: ${missing.join(', ')}`;
      });
    }
    const told = await readTold(cluster());
    assert.deepEqual([...told.difference(dropped)], [], 'told and not dropped');
    assert.deepEqual([dropped.size, passed.size], [flows / 2, flows / 2]);
    assert.deepEqual(
      [...dropped].filter((each) => !isShut(each)),
      [],
    );
  });
});

/** Every second one is denied. */
function flowOf(number: number): Mixed {
  const [from, to] = ends[(number >> 1) % ends.length]!;
  const family = families[(number >> 3) % 2]!;
  const protocol = (number >> 4) % 2 === 0 ? 'TCP' : 'UDP';
  // No port twice, so that each flow is a line of its own.
  return { from, to, protocol, family, port: (number % 2 === 0 ? open : shut)[family] + number };
}

function textOf({ from, to, protocol, port }: Omit<Mixed, 'family'>): string {
  return `${from} → ${to} ${protocol}/${port}`;
}

function isShut(text: string): boolean {
  const port = Number(text.split('/').at(-1));
  return families.some((family) => port >= shut[family] && port < shut[family] + width);
}

async function ask(cluster: Cluster, { from, to, protocol, family, port }: Mixed): Promise<string> {
  const target = { protocol, address: cluster.address(to, family), port };
  const patience = port % 2 === 0 ? { tries: 6, deadlineMs: 6000 } : { tries: 2, deadlineMs: 3000 };
  const [said] = await cluster.lab.station(from).process.probe([target], patience);
  return said!.error ?? said!.identity ?? '';
}

/** What the agent of the node of `x/p` has told of these flows. */
async function readTold({ lab }: Cluster): Promise<Set<string>> {
  const lines = (await lab.agents.get('n1')!.log()).trimEnd().split('\n');
  const told = lines.map((line) => JSON.parse(line) as Omit<Mixed, 'family'> & { msg: string });
  const ours = told.filter(({ msg, port }) => msg === 'denied' && port >= open.ipv4 && port < shut.ipv6 + width);
  return new Set(ours.map(textOf));
}
