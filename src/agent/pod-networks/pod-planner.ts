import { buildNoAllows } from '../../compile/build-classes.ts';
import type { Compiled } from '../../compile/compile.ts';
import type { AddressClasses } from '../../compile/links.ts';
import { podTables, type JudgedDevice, type PodRuleOptions } from '../../compile/pod-tables.ts';
import { invariant } from '../../lib/assert.ts';
import type { NodeAddresses, Sandbox } from '../../model/cluster.ts';
import { directions } from '../../model/policy.ts';
import { emptySnapshot, type PodKey, type Snapshot } from '../../model/snapshot.ts';
import type { Ruleset } from '../../nftables/ruleset.ts';
import type { Pipeline } from '../../pipeline.ts';
import { planAnew, planStages, type Plan } from '../../plan/plan.ts';

type Planner = Pick<Pipeline, 'snapshot' | 'inSync' | 'prepare' | 'plan' | 'probe'>;

export interface PodPlannerOptions {
  readonly sandbox: Sandbox;
  /** Devices in the pod whose packets the node judges. */
  readonly judgedByNode: readonly JudgedDevice[];
  readonly rules: PodRuleOptions;
}

interface Desired {
  readonly ruleset: Ruleset;
  readonly compiled: Compiled;
  readonly classes: AddressClasses;
  readonly audits: AddressClasses;
  readonly nodes: NodeAddresses;
}

const noAllows = buildNoAllows();

/** Plans the tables in the network namespace of one pod, from what the node's pipeline has compiled. */
export class PodPlanner implements Planner {
  readonly #options: PodPlannerOptions;
  #desired: Desired | undefined;
  /** How often the pod's rules have changed. */
  #version = 0;
  /** The version of the rules that the last plan leads to. */
  #planned = 0;

  constructor(options: PodPlannerOptions) {
    this.#options = options;
  }

  /**
   * Takes a compile of the node, at once after it.
   * @returns whether the pod's rules differ
   */
  take(compiled: Compiled, snapshot: Snapshot): boolean {
    const { sandbox, judgedByNode, rules } = this.#options;
    const classes = classesOf(sandbox, compiled, snapshot);
    const audits = auditsOf(sandbox, compiled, snapshot);
    const nodes = snapshot.nodeAddresses;
    const known = this.#desired;
    const isSame =
      known?.nodes === nodes &&
      directions.every((direction) => {
        return known.classes[direction] === classes[direction] && known.audits[direction] === audits[direction];
      });
    const addresses = [...new Set((sandbox.interfaces ?? []).flatMap((each) => each.addresses))];
    const ruleset = isSame ? known.ruleset : podTables({ classes, audits, addresses, judgedByNode, nodes }, rules);
    this.#desired = { ruleset, compiled, classes, audits, nodes };
    if (!isSame) this.#version++;
    return !isSame;
  }

  get version(): number {
    return this.#version;
  }

  get planned(): number {
    return this.#planned;
  }

  get inSync(): boolean {
    return this.#desired !== undefined;
  }

  /** Without policies: the node's own tables find those that the kernel refuses. */
  get snapshot(): Snapshot {
    return { ...emptySnapshot, inSync: this.inSync };
  }

  prepare(): void {}

  /** If the content of the namespace is not known, one transaction writes all of it anew: a pod may have written anything there. */
  plan(applied: Ruleset | undefined): Plan & { compiled: Compiled } {
    invariant(this.#desired, 'nothing has been compiled yet');
    const { ruleset, compiled } = this.#desired;
    this.#planned = this.#version;
    return { compiled, ...(applied ? planStages(ruleset, applied) : planAnew(ruleset)) };
  }

  probe(applied: Ruleset | undefined): Plan {
    return this.plan(applied);
  }
}

/** A pod that the node does not know is denied (S1.14), and one with a denied address as that address is. */
function classesOf(sandbox: Sandbox, compiled: Compiled, { localPods, denied }: Snapshot): AddressClasses {
  const key = keyOf(sandbox, localPods);
  const own = key === undefined ? noAllows : compiled.classesOf(key);
  const isDenied = (direction: (typeof directions)[number]): boolean =>
    sandbox.addresses.some((address) => denied.get(address)?.has(direction));
  const [ingress, egress] = directions.map((each) => (isDenied(each) ? noAllows[each] : own[each])) as [
    AddressClasses['ingress'],
    AddressClasses['egress'],
  ];
  return { ingress, egress };
}

/** No policy in audit concerns a pod that is denied. */
function auditsOf(sandbox: Sandbox, compiled: Compiled, { localPods, denied }: Snapshot): AddressClasses {
  const key = keyOf(sandbox, localPods);
  const isDenied = sandbox.addresses.some((address) => denied.has(address));
  return key === undefined || isDenied ? { ingress: undefined, egress: undefined } : compiled.auditsOf(key);
}

function keyOf({ namespace, name, uid }: Sandbox, localPods: Snapshot['localPods']): PodKey | undefined {
  const key = [namespace, name, uid].join('/');
  if (localPods.has(key)) return key;
  const prefix = `${namespace}/${name}/`;
  return localPods.values().find((pod) => pod.mirrorOf === uid && pod.key.startsWith(prefix))?.key;
}
