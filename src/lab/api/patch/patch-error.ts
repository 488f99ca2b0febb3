/** A patch that is well-formed but does not fit the object. */
export class PatchError extends Error {
  override readonly name = 'PatchError';
}
