import type { RealClient } from '../../src/lab/real/client.ts';
import type { Station } from '../../src/lab/station.ts';

/** A cluster with Postern: its Kubernetes API, and operations that the API does not have. */
export interface Target {
  /** Name for output. */
  readonly name: string;
  readonly api: RealClient;
  /** The two nodes for the suite's pods. */
  readonly nodes: readonly [string, string];
  /** Whether a kubelet probes pods. */
  readonly hasKubelet: boolean;

  /** Called after the suite's namespaces exist and before its pods do. */
  prepare(): Promise<void>;
  /** Resolves when all pods run and every node enforces the current objects. */
  settle(): Promise<void>;
  /** The station of a running pod (`namespace/name`). */
  station(key: string): Station;
  /** Replaces every agent, and resolves when the new ones are ready. `undefined` if not supported. */
  readonly restartAgents: (() => Promise<void>) | undefined;
  /** Switches every agent to the other of two images, and resolves when they are ready. `undefined` with only one image. */
  readonly changeVersion: (() => Promise<void>) | undefined;
  /** Uninstalls Postern with its rules. `undefined` if not requested. */
  readonly uninstall: (() => Promise<void>) | undefined;
  end(): Promise<void>;
}
