/** Why a probe did not take place, and what to do. */
export class ProbeError extends Error {
  override readonly name = 'ProbeError';
  readonly code = 'probe';
}
