import type { RealClient } from '../../src/lab/real/client.ts';
import type { Station } from '../../src/lab/station.ts';

/** A cluster that runs Postern, as far as the suite must know one: its Kubernetes API, and what the API cannot tell. */
export interface Target {
  /** In words. */
  readonly name: string;
  readonly api: RealClient;
  /** Two of its nodes, on which the suite puts its pods. */
  readonly nodes: readonly [string, string];
  /** Whether a kubelet probes pods. */
  readonly hasKubelet: boolean;

  /** Called once the suite's namespaces are there, before its pods. */
  prepare(): Promise<void>;
  /** Returns once all pods run, and every node enforces what the API holds. */
  settle(): Promise<void>;
  /** A running pod (`namespace/name`), which can then send and answer. */
  station(key: string): Station;
  /** Replaces every agent, and returns when the new ones are ready. Undefined where the suite does not know how. */
  readonly restartAgents: (() => Promise<void>) | undefined;
  /** Has every agent run the other of two images, and returns when the new ones are ready. Undefined where there is only one. */
  readonly changeVersion: (() => Promise<void>) | undefined;
  /** Removes Postern and what it has put into the kernel. Undefined where nobody has asked for it. */
  readonly uninstall: (() => Promise<void>) | undefined;
  end(): Promise<void>;
}
