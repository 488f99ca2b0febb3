/** A NetworkPolicy without what every object has. */
export interface NamedSpec {
  readonly name: string;
  readonly spec: object;
}
