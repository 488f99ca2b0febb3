import { Counter, Gauge, type Registry } from 'prom-client';

/** Metrics of classes; a class is all pods with the same rules. */
export interface ClassMetrics {
  packets(counted: ClassName, verdict: 'allowed' | 'denied', packets: number): void;
  /** Sets the current classes. Series of other classes are removed. */
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
    help: 'With `--metrics-classes`: packets that the chain of a class allowed or denied, by family; replies count too.',
    labelNames: ['class', 'family', 'verdict'],
    registers,
  });
  const pods = new Gauge({
    name: 'postern_class_pods',
    help: 'With `--metrics-classes`: pods of this node in a class that have an address of the family, and the policies of the class.',
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
