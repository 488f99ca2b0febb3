/** A well-formed patch that cannot be applied to the object. */
export class PatchError extends Error {
  override readonly name = 'PatchError';
}
