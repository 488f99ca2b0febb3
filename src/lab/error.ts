/** The user can correct `machine` and `input`; the others are failures of a run. */
export type LabErrorCode = 'machine' | 'input' | 'command' | 'cni' | 'timeout' | 'state';

export class LabError extends Error {
  override readonly name = 'LabError';
  readonly code: LabErrorCode;

  constructor(code: LabErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
