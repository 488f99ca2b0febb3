import { Counter, Gauge, type Registry } from 'prom-client';

/** Of classes of pods with the same rules, where they are counted. */
export interface ClassMetrics {
  packets(counted: ClassName, verdict: 'allowed' | 'denied', packets: number): void;
  /** All that there are: others have no series any more. */
  classes(classes: readonly (ClassName & { readonly pods: number; readonly policies: string })[]): void;
}

interface ClassName {
  readonly name: string;
  readonly family: 'ipv4' | 'ipv6';
}

export function createClassMetrics(registry: Registry): ClassMetrics {
  const registers = [registry];
  const packets = new Counter({
    name: 'postern_class_packets_total',
    help: 'With `--metrics-classes`: packets of a family that the chain of a class of pods has judged, allowed or denied; replies count too.',
    labelNames: ['class', 'family', 'verdict'],
    registers,
  });
  const pods = new Gauge({
    name: 'postern_class_pods',
    help: 'With `--metrics-classes`: pods of this node with an address of the family that are of a class, and the policies that make it.',
    labelNames: ['class', 'family', 'policies'],
    registers,
  });
  const labelsOf = ({ name, family }: ClassName) => ({ class: name, family });
  let known: readonly ClassName[] = [];
  return {
    packets: (counted, verdict, count) => packets.inc({ ...labelsOf(counted), verdict }, count),
    classes(classes) {
      pods.reset();
      for (const each of classes) pods.set({ ...labelsOf(each), policies: each.policies }, each.pods);
      const isThere = (old: ClassName) =>
        classes.some(({ name, family }) => name === old.name && family === old.family);
      for (const old of known) {
        if (!isThere(old)) for (const verdict of ['allowed', 'denied']) packets.remove({ ...labelsOf(old), verdict });
      }
      known = classes;
    },
  };
}
