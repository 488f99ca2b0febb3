import type { Entry } from './page.ts';
import type { TroubledLab } from './troubled-lab.ts';

interface Answer {
  readonly exitCode: number;
  /** What names the cause. */
  readonly cause: RegExp;
}

/** A row of the page, as it is lived through: the fault, the command, and what that says of it beside the words of the row. */
export interface Walk extends Entry, Answer {
  /** Why it is not made, where what a node would say of it is recorded instead. */
  readonly recorded?: string;
  readonly make: (at: TroubledLab) => Promise<unknown>;
  /** Where the row's command alone does not name the cause: those that it then tells to ask. */
  readonly next?: readonly (Answer & { readonly line: string })[];
}
