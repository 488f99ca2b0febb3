/** Why nft or the kernel refuses an operation. */
export type RefusalReason =
  /** A name that nft refuses. */
  | 'name'
  /** Invalid text of an element, a value or a comment. */
  | 'syntax'
  /** A lookup with other types than the set, a field that packets of the table do not have, or a jump to a base chain. */
  | 'type'
  /** A reference to a missing object. */
  | 'unknown'
  /** An object with another header, or a map element with another verdict, exists. */
  | 'exists'
  /** Deletion of a missing object. */
  | 'missing'
  /** Deletion of an object that is still referenced. */
  | 'busy'
  /** Two elements of an interval set overlap. */
  | 'overlap'
  /** Jumps that form a loop or are too deep. Checked after the whole script, so the index is that of the last operation. */
  | 'loop';

export class RefusedOperation extends Error {
  override readonly name = 'RefusedOperation';
  readonly code = 'refused';
  readonly index: number;
  readonly reason: RefusalReason;

  constructor(index: number, { reason, subject }: Fault) {
    super(`operation ${index}: ${reason}: ${subject}`);
    this.index = index;
    this.reason = reason;
  }
}

/** A refusal without the index of its operation. */
export class Fault extends Error {
  readonly reason: RefusalReason;
  readonly subject: string;

  constructor(reason: RefusalReason, subject: string) {
    super(`${reason}: ${subject}`);
    this.reason = reason;
    this.subject = subject;
  }
}

export function refuse(reason: RefusalReason, subject: string): never {
  throw new Fault(reason, subject);
}
