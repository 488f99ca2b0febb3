import type { Cluster } from '../evaluator/cluster.ts';
import { prepareCluster } from '../evaluator/cluster.ts';
import type { Pod } from '../evaluator/party.ts';
import { keyOfEnd, type FlowEnd } from '../flows/kept-flow.ts';
import { ownerLabels, type Labels } from '../flows/owner-labels.ts';
import { findWorkloads, labelsOf, type Workload } from '../flows/workloads.ts';
import { textAt, type JsonObject } from '../lib/json.ts';
import { chooseLabels, commonLabels, hasLabels, type ChosenLabels } from './choose-labels.ts';

/** A pod that runs, with what a policy can say of it. */
export interface ScenePod {
  readonly object: JsonObject;
  readonly namespace: string;
  readonly labels: Labels;
  readonly workload: Workload;
  /** As the evaluator reads it. */
  readonly read: Pod;
}

/** Pods of one namespace with the same labels of their owners: an end of flows. */
export type WorkloadEnd = Extract<FlowEnd, { readonly kind: 'workload' }>;

/** The cluster, as suggestions look at it. */
export class Scene {
  readonly cluster: Cluster;
  readonly workloads: readonly Workload[];
  readonly objects: readonly JsonObject[];
  readonly #pods: ReadonlyMap<string, readonly ScenePod[]>;
  readonly #chosen = new Map<string, ChosenLabels>();

  constructor(objects: readonly JsonObject[], shows: Cluster['shows'] = 'whole') {
    this.objects = objects;
    this.cluster = prepareCluster(objects, shows);
    this.workloads = findWorkloads(objects);
    const pods = this.workloads.flatMap((workload) =>
      workload.pods.flatMap((object): ScenePod[] => {
        const read = this.cluster.pods.get(`${workload.namespace}/${textAt(object, 'metadata', 'name') ?? ''}`);
        const labels = ownerLabels(labelsOf(object));
        return read ? [{ object, namespace: workload.namespace, labels, workload, read }] : [];
      }),
    );
    this.#pods = Map.groupBy(pods, ({ namespace }) => namespace);
  }

  podsOf(namespace: string): readonly ScenePod[] {
    return this.#pods.get(namespace) ?? [];
  }

  /** The pods of a namespace that labels select. */
  selected(namespace: string, labels: Labels): readonly ScenePod[] {
    return this.podsOf(namespace).filter((pod) => hasLabels(pod.labels, labels));
  }

  /** Whether a pod with these labels runs. */
  isLive({ namespace, labels }: WorkloadEnd): boolean {
    return this.podsOf(namespace).some((pod) => isSame(pod.labels, labels));
  }

  /** The labels by which a policy selects a workload. */
  labelsOfWorkload({ namespace, name }: Workload): ChosenLabels {
    return this.#choose(namespace, `${namespace}/${name}`, new Set([name]), undefined);
  }

  /** The labels by which a policy selects the pods at an end: those of their workloads, or of pods that have gone, which have nothing but their labels. */
  labelsOfEnd({ namespace, labels }: WorkloadEnd): ChosenLabels {
    const same = this.podsOf(namespace).filter((pod) => isSame(pod.labels, labels));
    const names = new Set(same.map(({ workload }) => workload.name));
    return this.#choose(namespace, keyOfEnd({ kind: 'workload', namespace, labels }), names, labels);
  }

  #choose(namespace: string, key: string, names: ReadonlySet<string>, gone: Labels | undefined): ChosenLabels {
    let chosen = this.#chosen.get(key);
    if (!chosen) {
      const all = this.podsOf(namespace);
      const own = all.filter(({ workload }) => names.has(workload.name)).map(({ labels }) => labels);
      const others = all.filter(({ workload }) => !names.has(workload.name)).map(({ labels }) => labels);
      chosen = chooseLabels(own.length > 0 ? commonLabels(own) : (gone ?? {}), others);
      this.#chosen.set(key, chosen);
    }
    return chosen;
  }
}

export function isSame(a: Labels, b: Labels): boolean {
  return hasLabels(a, b) && hasLabels(b, a);
}
