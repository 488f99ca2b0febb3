import { Counter, Gauge, type Registry } from 'prom-client';

/** Of classes of pods with the same rules, where they are counted. */
export interface ClassMetrics {
  packets(name: string, verdict: 'allowed' | 'denied', packets: number): void;
  /** All that there are: others have no series any more. */
  classes(classes: readonly { readonly name: string; readonly pods: number; readonly policies: string }[]): void;
}

export function createClassMetrics(registry: Registry): ClassMetrics {
  const registers = [registry];
  const packets = new Counter({
    name: 'postern_class_packets_total',
    help: 'With `--metrics-classes`: packets that the chain of a class of pods has judged, allowed or denied; replies count too.',
    labelNames: ['class', 'verdict'],
    registers,
  });
  const pods = new Gauge({
    name: 'postern_class_pods',
    help: 'With `--metrics-classes`: pods of this node that are of a class, and the policies that make it.',
    labelNames: ['class', 'policies'],
    registers,
  });
  let known: readonly string[] = [];
  return {
    packets: (name, verdict, count) => packets.inc({ class: name, verdict }, count),
    classes(classes) {
      pods.reset();
      for (const each of classes) pods.set({ class: each.name, policies: each.policies }, each.pods);
      const names = classes.map(({ name }) => name);
      for (const name of known) {
        if (!names.includes(name))
          for (const verdict of ['allowed', 'denied']) packets.remove({ class: name, verdict });
      }
      known = names;
    },
  };
}
