import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadAllYaml, loadYaml } from '@kubernetes/client-node';
import { describe, it } from 'mocha';
import { prepareCluster } from '../src/evaluator/cluster.ts';
import { evaluate } from '../src/evaluator/evaluator.ts';
import { renderRuleset } from '../src/nftables/render.ts';
import type { Link, NodeFact, Sandbox } from '../src/model/cluster.ts';
import type { Ruleset } from '../src/nftables/ruleset.ts';
import { passes, type Place } from './support/path.ts';
import { startPipeline, type ApiObject } from './support/pipeline.ts';

/**
 * test/golden/NAME/cluster.yaml, with what nodes say of their sandboxes in facts.yaml -> classes.nft (what the policies bring to each
 * node's table of IPv4) and reach.txt (who reaches whom). Both are rewritten only by `npm run golden`. The reach is the evaluator's, and
 * the packet trace of the whole rule sets must say the same, in both families and for replies.
 */
const folder = join(import.meta.dirname, 'golden');
const rewrite = process.env['UPDATE_GOLDEN'] === '1';

describe('golden cases', () => {
  for (const name of readdirSync(folder).sort()) {
    describe(name, () => {
      const objects = readObjects(join(folder, name, 'cluster.yaml'));
      const nodes = objects.filter(({ kind }) => kind === 'Node').map(({ metadata }) => metadata.name);
      const facts = readFacts(join(folder, name, 'facts.yaml'));
      const compile = (node: string): Ruleset => {
        const pipeline = startPipeline(
          node,
          objects.filter(({ kind }) => kind !== 'Outside'),
        );
        for (const fact of facts[node] ?? []) pipeline.receive(fact);
        return pipeline.plan(undefined).compiled.ruleset;
      };
      const rulesets = Object.fromEntries(nodes.map((node) => [node, compile(node)]));
      const sandboxes = Object.values(facts).flatMap((all) => all.flatMap(sandboxOf));

      it('compiles to the classes of classes.nft', () => {
        const text = nodes.map((node) => `# ${node}\n${describeClasses(rulesets[node]!)}`).join('\n');
        compareFile(join(folder, name, 'classes.nft'), text);
      });

      it('reaches what reach.txt says, by the evaluator and by the trace of every packet', () => {
        compareFile(join(folder, name, 'reach.txt'), describeReach(objects, sandboxes, rulesets));
      });
    });
  }
});

/** The maps that lead to classes, and what is named by a hash of what it holds: chains of classes, and their sets. Not those of replies and errors. */
function describeClasses({ ip }: Ruleset): string {
  const text = renderRuleset(ip ? { ip } : {});
  const blocks = Array.from(text.matchAll(/^\t(?:map|set|chain) (\S+) \{\n[^]*?^\t\}\n/gm));
  return blocks
    .flatMap(([block, name]) => (/^(?:ingress4|egress4|.*-[a-z2-7]{26})$/.test(name!) ? [block] : []))
    .join('\n');
}

interface End {
  readonly name: string;
  readonly addresses: readonly string[];
  readonly place: Place;
  readonly ports: readonly string[];
}

function describeReach(
  objects: readonly ApiObject[],
  sandboxes: readonly Sandbox[],
  rulesets: Readonly<Record<string, Ruleset>>,
): string {
  const shown = objects.map((object) => withAddresses(object, sandboxes));
  const cluster = prepareCluster(shown);
  const ends = shown.flatMap(endsOf);
  const links = new Map(
    sandboxes.flatMap(({ addresses, link }) => addresses.map((each) => [each, link as Link] as const)),
  );
  const lines: string[] = [];
  for (const source of ends) {
    for (const destination of ends) {
      if (source === destination || (!source.place.pod && !destination.place.pod)) continue;
      for (const port of destination.ports) {
        const verdicts = (['ipv4', 'ipv6'] as const).flatMap((family) => {
          const isFamily = (address: string): boolean => address.includes(':') === (family === 'ipv6');
          const [from, to] = [source.addresses.find(isFamily), destination.addresses.find(isFamily)];
          if (from === undefined || to === undefined) return [];
          const [protocol, number] = port.split('/') as ['TCP' | 'UDP' | 'SCTP', string];
          const ends = { source: { address: from }, destination: { address: to } };
          const { verdict } = evaluate(cluster, { ...ends, protocol, destinationPort: Number(number), family });
          const flow = {
            family,
            source: from,
            destination: to,
            protocol: protocol.toLowerCase(),
            sourcePort: 40_000,
            destinationPort: Number(number),
          };
          for (const orientation of ['original', 'reply'] as const) {
            const passed = passes(
              rulesets,
              flow,
              { source: source.place, destination: destination.place },
              orientation,
              links,
            );
            assert.equal(
              passed ? 'allowed' : 'denied',
              verdict,
              `trace of ${source.name} > ${destination.name} ${port} ${family} ${orientation}`,
            );
          }
          return [`${family} ${verdict}`];
        });
        if (verdicts.length > 0) lines.push(`${source.name} > ${destination.name} ${port}: ${verdicts.join(', ')}`);
      }
    }
  }
  return `${lines.join('\n')}\n`;
}

function endsOf(object: ApiObject): End[] {
  if (object.kind === 'Outside') {
    const { addresses, ports } = object as unknown as { addresses: string[]; ports: string[] };
    return addresses.map((address) => ({
      name: address,
      addresses: [address],
      ports,
      place: { pod: false, node: undefined },
    }));
  }
  if (object.kind !== 'Pod') return [];
  const { nodeName, containers } = object['spec'] as {
    nodeName: string;
    containers: { ports: { containerPort: number; protocol?: string }[] }[];
  };
  const { podIPs } = object['status'] as { podIPs: { ip: string }[] };
  return [
    {
      name: `${object.metadata.namespace}/${object.metadata.name}`,
      addresses: podIPs.map(({ ip }) => ip),
      ports: containers.flatMap(({ ports }) => ports.map((port) => `${port.protocol ?? 'TCP'}/${port.containerPort}`)),
      place: { pod: true, node: nodeName },
    },
  ];
}

function readObjects(file: string): ApiObject[] {
  const documents = loadAllYaml(readFileSync(file, 'utf8')) as unknown as { items?: ApiObject[] }[];
  return documents.flatMap((document) => document.items ?? [document as unknown as ApiObject]);
}

function readFacts(file: string): Readonly<Record<string, readonly NodeFact[]>> {
  return existsSync(file) ? loadYaml<Record<string, NodeFact[]>>(readFileSync(file, 'utf8')) : {};
}

function sandboxOf(fact: NodeFact): Sandbox[] {
  return fact.op === 'sandbox' && fact.value ? [fact.value] : [];
}

/** As the API server will show the pod: what the evaluator goes by. */
function withAddresses(object: ApiObject, sandboxes: readonly Sandbox[]): ApiObject {
  const sandbox = sandboxes.find(({ uid }) => uid === object.metadata.uid);
  if (!sandbox) return object;
  return { ...object, status: { phase: 'Running', podIPs: sandbox.addresses.map((ip) => ({ ip })) } };
}

function compareFile(file: string, text: string): void {
  if (rewrite) writeFileSync(file, text);
  else assert.equal(text, readFileSync(file, 'utf8'));
}
