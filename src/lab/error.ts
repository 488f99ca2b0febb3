/** `machine` and `input` are for people to put right; the others are what a run met. */
export type LabErrorCode = 'machine' | 'input' | 'command' | 'cni' | 'timeout' | 'state';

export class LabError extends Error {
  override readonly name = 'LabError';
  readonly code: LabErrorCode;

  constructor(code: LabErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
