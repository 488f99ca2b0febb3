/** Why a document was skipped. */
export interface ManifestProblem {
  /** Path of the file, or `standard input`. */
  readonly file: string;
  /** From 1; 0 for the whole file. */
  readonly document: number;
  /** From 1, if known. */
  readonly line: number | undefined;
  /** For example `metadata.name`; `undefined` for the whole document. */
  readonly field: string | undefined;
  readonly message: string;
}

/** `policies/web.yaml: document 2, line 14: metadata.name: missing` */
export function formatProblem({ file, document, line, field, message }: ManifestProblem): string {
  const place = [...(document > 0 ? [`document ${document}`] : []), ...(line === undefined ? [] : [`line ${line}`])];
  return [file, ...(place.length > 0 ? [place.join(', ')] : []), ...(field === undefined ? [] : [field]), message].join(
    ': ',
  );
}

/** A path that cannot be read. */
export class ManifestError extends Error {
  override readonly name = 'ManifestError';
  readonly code = 'unreadable';
}
