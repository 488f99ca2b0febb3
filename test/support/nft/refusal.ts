/** Why nft or the kernel would not do an operation. */
export type RefusalReason =
  /** A name that nft does not take. */
  | 'name'
  /** Text that does not fit its place: an element, a value, a comment. */
  | 'syntax'
  /** A look-up whose fields are not of the set's types, what the table's packets do not have, or a jump into a base chain. */
  | 'type'
  /** Something named does not exist. */
  | 'unknown'
  /** An object with another header, or a mapping with another verdict, is there. */
  | 'exists'
  /** What should be deleted is not there. */
  | 'missing'
  /** What should be deleted is referred to. */
  | 'busy'
  /** Two elements of an interval set have a point in common. */
  | 'overlap'
  /** Jumps that go in a circle or are too deep; found when the whole script is done, so the index is the last operation's. */
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

/** What is wrong with an operation, before its index is known. */
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
