/** Name and spec of a NetworkPolicy. */
export interface NamedSpec {
  readonly name: string;
  readonly spec: object;
}
