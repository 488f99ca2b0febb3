/** A probe that was not possible. The message says why and what to do. */
export class ProbeError extends Error {
  override readonly name = 'ProbeError';
  readonly code = 'probe';
}
