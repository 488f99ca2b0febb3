/** Something that keeps a document from being used. */
export interface ManifestProblem {
  /** The file as named or found, or `standard input`. */
  readonly file: string;
  /** From 1, counted as written; 0 for the file as a whole. */
  readonly document: number;
  /** From 1, if known. */
  readonly line: number | undefined;
  /** The field, as `metadata.name`; none for the document as a whole. */
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
