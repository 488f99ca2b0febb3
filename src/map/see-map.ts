import type { MapEdge, MapNode, PolicyMap } from './policy-map.ts';
import type { View } from './view.ts';

/** The part of a map to draw. */
export interface SeenMap {
  /** Namespaces drawn as boxes, sorted. */
  readonly boxes: readonly string[];
  /** A collapsed namespace is a node of kind `namespace`. */
  readonly nodes: readonly MapNode[];
  /** Edges of collapsed namespaces are joined. */
  readonly edges: readonly MapEdge[];
  /** Namespaces that are collapsed because the map would have too many nodes. */
  readonly tooLarge: readonly string[];
}

export type SeeMap = (map: PolicyMap, view: View) => SeenMap;
